"""Perplexity of real models against llama.cpp, window by window.

llama.cpp rounds activations to 8 bits before it multiplies them with quantised
weights; `ram` does not. So two things are compared: the same weights decoded to
float32 by llama.cpp, where nothing is rounded and both must agree to the last
digits, and the quantised file as llama.cpp usually computes it.
"""

import json
import math
import subprocess

import gguf_models
import llama_library
import pytest
from conftest import ROOT, run_ram

TEXT = ROOT / "models/wiki-dense/sample.txt"
TOOL = ROOT / "build/release/tokenizer_tool"
WINDOW = 512
WINDOWS = 16
EXACT_WINDOWS = 2


class Measured:
    """What `ram evaluate perplexity` says of a model."""

    def __init__(self, model, report):
        run_ram(
            *("evaluate", "perplexity", model, "--data", TEXT, "-q"),
            *("--window", WINDOW, "--windows", WINDOWS, "--dtype", "f32"),
            *("--json", report),
        )
        report = json.loads(report.read_text())
        self.model = model
        self.numbers = report["protocol"]["window_numbers"]
        self.nll = report["models"][0]["window_nll"]


@pytest.fixture(scope="module", params=gguf_models.MODELS)
def measured(request, tmp_path_factory):
    llama_library.program()
    model = gguf_models.model(request.param)
    if model is None:
        pytest.skip(f"no {request.param}")
    report = tmp_path_factory.mktemp("perplexity") / "report.json"
    return Measured(model, report)


def test_decoded_weights_give_the_same_perplexity(measured, tmp_path):
    """Float32 sums in another order: as for the golden models of
    tests/data/forward, 1e-4 of a log-probability, which is 0.01 %."""
    numbers = measured.numbers[:EXACT_WINDOWS]
    decoded = tmp_path / "float32.gguf"
    llama_library.decode_to_float(measured.model, decoded)
    theirs = llama_library.scores(decoded, TEXT, WINDOW, "exact", numbers)
    decoded.unlink()
    ours = json.dumps({"text": TEXT.read_text(), "parse": False}) + "\n"
    ids = json.loads(
        subprocess.run(
            [TOOL, measured.model], input=ours, capture_output=True, text=True
        ).stdout
    )["ids"]
    for number, nll, (tokens, wanted) in zip(numbers, measured.nll, theirs):
        assert tokens == ids[number * WINDOW :][:WINDOW]
        assert nll == pytest.approx(wanted, rel=0, abs=1e-4)


def test_quantised_weights_give_nearly_the_same_perplexity(measured):
    theirs = llama_library.scores(
        measured.model, TEXT, WINDOW, "usual", measured.numbers
    )
    wanted = sum(nll for _, nll in theirs) / len(theirs)
    ratio = math.exp(sum(measured.nll) / len(measured.nll) - wanted)
    print(f"{measured.model.stem}: {100 * (ratio - 1):+.3f} %")
    assert ratio == pytest.approx(1, rel=0, abs=0.005)
