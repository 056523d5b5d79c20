"""Chat templates: the same text as Jinja2, on templates of our own and on
those of the tokenizer_config.json files below $RAM_CHAT_TEMPLATES."""
import json
import os
import pathlib
import subprocess

import pytest

import make_chat_golden
from chat_snippets import CONVERSATIONS, SNIPPETS, TOOLS, VARIABLES
from jinja_side import render

ROOT = pathlib.Path(__file__).parents[2]
TOOL = ROOT / "build" / "release" / "template_tool"


def ours(requests):
    lines = "".join(json.dumps({"template": t, "variables": v}) + "\n" for t, v in requests)
    done = subprocess.run([TOOL], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(requests):
    for (template, variables), answer in zip(requests, ours(requests), strict=True):
        expected = render(template, variables)
        if "text" in expected:
            assert answer.get("text") == expected["text"], template
        else:
            assert "error" in answer, template
            assert expected.get("raised", "") in answer["error"], template


def test_own_templates():
    compare([(s, VARIABLES) for s in SNIPPETS])


def test_golden_file_is_current():
    assert json.loads(make_chat_golden.OUT.read_text()) == make_chat_golden.golden()


def real_templates():
    folder = os.environ.get("RAM_CHAT_TEMPLATES")
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("tokenizer_config.json")) if folder else []:
        template = json.loads(path.read_text()).get("chat_template")
        if isinstance(template, str):
            found[str(path)] = template
    return found


def test_real_templates():
    templates = real_templates()
    if not templates:
        pytest.skip("RAM_CHAT_TEMPLATES names no folder with templates")
    requests = []
    for template in templates.values():
        for conversation in CONVERSATIONS:
            for prompt in (True, False):
                for extra in ({}, {"tools": TOOLS}, {"enable_thinking": False}):
                    requests.append((template, {
                        "messages": conversation, "add_generation_prompt": prompt,
                        "bos_token": "<s>", "eos_token": "</s>", **extra}))
    compare(requests)
