"""The golden numbers of tests/data/forward, made again by transformers."""

import json
import sys
from pathlib import Path

import numpy
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import make_forward_golden  # noqa: E402

DATA = Path(__file__).parents[2] / "data" / "forward"


@pytest.mark.parametrize("name", sorted(make_forward_golden.MODELS))
def test_golden_numbers_are_those_of_transformers(name):
    kept = json.loads((DATA / name / "golden.json").read_text())
    made = make_forward_golden.golden(DATA / name)
    assert made["tokens"] == kept["tokens"]
    for key in ("log_probs", "next_log_probs"):
        numpy.testing.assert_allclose(made[key], kept[key], rtol=0, atol=2e-5)
