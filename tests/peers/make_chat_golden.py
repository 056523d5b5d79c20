"""Writes tests/data/chat_templates.json: what Jinja2 makes of each template of
chat_snippets.py. Run with the packages of requirements.txt."""
import json
import pathlib

from chat_snippets import SNIPPETS, VARIABLES
from jinja_side import render

OUT = pathlib.Path(__file__).parents[1] / "data" / "chat_templates.json"


def golden():
    return {"variables": VARIABLES,
            "cases": [{"template": s, **render(s, VARIABLES)} for s in SNIPPETS]}


if __name__ == "__main__":
    OUT.write_text(json.dumps(golden(), ensure_ascii=False, indent=1) + "\n")
