"""alpha and stable rank of `ram analyze --spectra full` beside WeightWatcher.

Its fit of eigenvalues is taken without the rest of the package, which wants
torch; its stable rank is sum(values) / max(values). Both are the same formulas
in float64: what parts them is rounding, 2^-52 times the condition of W'W, of
which a fit uses the tail of large values.
"""

import importlib.util
import json
import sys
import types
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from conftest import ROOT, SHARED

FILES = {
    "wiki-dense": ROOT / "models/wiki-dense",
    "gpt2": SHARED / "models/real-tensors/gpt2-124m-partial.safetensors",
    "tiny-llm": SHARED / "models/real-tensors/tiny-llm-layer.safetensors",
}
HERE = [name for name, path in FILES.items() if path.exists()]


@pytest.fixture(scope="session")
def fit():
    folder = Path(importlib.util.find_spec("weightwatcher").origin).parent
    package = types.ModuleType("weightwatcher")
    package.__path__ = [str(folder)]
    sys.modules["weightwatcher"] = package
    return importlib.import_module("weightwatcher.WW_powerlaw").pl_fit


@pytest.mark.parametrize("name", HERE)
def test_alpha_and_stable_rank_are_those_of_weightwatcher(
    outputs, fit, name
):
    path = FILES[name]
    out = outputs.analyze(path, "--spectra", "full", "--no-search")
    manifest = json.loads((out / "manifest.json").read_text())
    weights = mx.load(
        str(path / "model.safetensors" if path.is_dir() else path)
    )
    compared = 0
    for record in manifest["tensors"]:
        if "alpha" not in record:
            continue
        weight = np.array(weights[record["name"]].astype(mx.float32))
        values = np.linalg.svd(weight.astype(np.float64), compute_uv=False) ** 2
        assert record["alpha"] == pytest.approx(fit(values).alpha, rel=1e-6)
        rank = values.sum() / values.max()
        assert record["stable_rank"] == pytest.approx(rank, rel=1e-6)
        compared += 1
    assert compared >= 7
