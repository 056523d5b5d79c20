"""The safetensors package reads every file that `ram` writes."""

import json

import pytest
import safetensors
from conftest import SHARED, checkpoint, present

CASES = [
    (model, target, policy)
    for model in present(["wiki-dense", "wiki-moe", "stories260k"])
    for target in ("mlx", "native")
    for policy in ("uniform", "optimal")
]


def entries(path):
    """Name -> {shape, dtype, data}, after the package's own validation."""
    return dict(safetensors.deserialize(path.read_bytes()))


@pytest.mark.parametrize("model,target,policy", CASES)
def test_outputs_are_read(outputs, model, target, policy):
    out = outputs.compress(model, "--target", target, "--policy", policy)
    files = sorted(out.glob("*.safetensors"))
    assert files
    names = [name for path in files for name in entries(path)]
    assert len(names) == len(set(names)) > 0
    record = json.loads((out / "ram.json").read_text())
    listed = {entry["name"]: entry["bytes"] for entry in record["outputs"]}
    for path in files:
        assert listed[path.name] == path.stat().st_size


@pytest.mark.parametrize("model", present(["wiki-dense", "wiki-moe"]))
def test_profile_is_read(outputs, model):
    out = outputs.analyze(checkpoint(model))
    assert len(entries(out / "profile.safetensors")) > 0


@pytest.mark.parametrize(
    "name", ["gpt2-124m-partial", "tiny-llm-layer"]
)
def test_profile_of_a_bare_file_is_read(outputs, name):
    path = SHARED / "models/real-tensors" / f"{name}.safetensors"
    if not path.exists():
        print("skipped: no shared data")
        return
    out = outputs.analyze(path)
    assert len(entries(out / "profile.safetensors")) > 0
