"""mlx-lm loads what `ram` writes, and computes with it what it should."""

import json

import pytest
from conftest import checkpoint, present
from mlx_side import (
    in_float32,
    load,
    logits_difference,
    parameters,
    quantized_modules,
    raw,
    with_weights_of,
)

MODELS = present(["wiki-dense", "wiki-moe", "stories260k"])
POLICIES = {
    "uniform-4": ("--policy", "uniform"),
    "uniform-3-g32": ("--policy", "uniform", "--bits", 3, "--group-size", 32),
    "ram-v1": ("--policy", "ram-v1"),
    "ram-v2": ("--policy", "ram-v2"),
    "ram-v3": ("--policy", "ram-v3"),
    "optimal": ("--policy", "optimal"),
    "optimal-5bpw": ("--policy", "optimal", "--bpw", 5.5),
}
CASES = [(m, p) for m in MODELS for p in POLICIES]

TOKENS = [1, 5, 9, 300, 41, 77, 500, 12, 250, 33, 8, 99, 410, 64, 2, 7]


@pytest.mark.parametrize("name,policy", CASES)
def test_logits_equal_those_of_the_decoded_weights(outputs, name, policy):
    """Both sides compute in float32 from the same decoded weights and differ
    only in the order of their sums. A sum of n products is off by at most
    n x 2^-24 of the sum of magnitudes (Higham, section 3.1): with n <= 768, six
    layers of five products in a row and normalised activations in between,
    30 x 768 x 2^-24 = 1.4e-3 of the largest logit bounds it. A wrong bit width,
    group or name changes logits by whole units."""
    out = outputs.compress(name, *POLICIES[policy])
    compressed = load(out)
    reference = with_weights_of(load(checkpoint(name)), compressed)
    difference = logits_difference(in_float32(compressed), reference, TOKENS)
    assert difference.scale > 1
    assert difference.largest <= 1.4e-3 * difference.scale


@pytest.mark.parametrize("name,policy", CASES)
def test_every_module_has_the_bits_of_the_plan(outputs, name, policy):
    out = outputs.compress(name, *POLICIES[policy])
    plan = json.loads((out / "plan.json").read_text())
    planned = {
        unit["unit"]: (unit["bits"], unit["group_size"])
        for unit in plan["units"]
        if unit["bits"] < 16
    }
    loaded = {
        path: (module.bits, module.group_size)
        for path, module in quantized_modules(load(out)).items()
    }
    assert planned
    assert loaded == planned


@pytest.mark.parametrize("name", [m for m in MODELS if m.startswith("wiki")])
def test_optimal_mixes_widths(outputs, name):
    out = outputs.compress(name, *POLICIES["optimal-5bpw"])
    modules = quantized_modules(load(out)).values()
    assert len({(m.bits, m.group_size) for m in modules}) > 1


@pytest.mark.parametrize("name", MODELS)
def test_weights_left_at_16_bits_are_those_of_the_source(outputs, name):
    out = outputs.compress(name, *POLICIES["ram-v1"])
    compressed = load(out)
    quantized = quantized_modules(compressed)
    source = parameters(load(checkpoint(name)))
    kept = 0
    for key, value in parameters(compressed).items():
        if key.rpartition(".")[0] in quantized:
            continue
        assert raw(value) == raw(source[key].astype(value.dtype)), key
        kept += 1
    assert kept > 0


@pytest.mark.parametrize("name", MODELS)
def test_source_is_near(outputs, name):
    """8 bits change the next-token logits little: nothing was swapped,
    transposed or scaled on the way. One rounding step of 8 bits is 1/255 of a
    group's range; a tenth of the largest logit is far above what that does and
    far below what a misplaced matrix does."""
    out = outputs.compress(
        name, "--policy", "uniform", "--bits", 8, "--group-size", 32
    )
    difference = logits_difference(
        in_float32(load(out)), in_float32(load(checkpoint(name))), TOKENS
    )
    assert difference.largest <= 0.1 * difference.scale
