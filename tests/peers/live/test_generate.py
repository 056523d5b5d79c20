"""tests/data/generate.json, made again by transformers."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import make_generate_golden  # noqa: E402


def test_golden_texts_are_those_of_transformers():
    kept = json.loads(
        (make_generate_golden.ROOT / "tests/data/generate.json").read_text()
    )
    made = make_generate_golden.golden()
    assert made["models"] == kept["models"]
