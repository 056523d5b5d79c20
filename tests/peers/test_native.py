"""The native target, decoded here by its page (docs/formats/native.md) alone."""

import json

import mlx.core as mx
import numpy as np
import pytest
from conftest import checkpoint, present
from mlx_side import raw

MODELS = present(["wiki-dense", "wiki-moe"])


def tensors(folder):
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        found.update(mx.load(str(path)))
    return found


def codes_of(packed, bits, cols):
    """[rows, cols] codes of one little-endian bit stream per row."""
    stream = np.unpackbits(
        np.array(packed).view(np.uint8), axis=1, bitorder="little"
    )
    stream = stream[:, : cols * bits].reshape(len(stream), cols, bits)
    return stream.astype(np.int64) @ (1 << np.arange(bits))


def decode(stored, unit):
    """The unit's weights in double, by w = scale * code + bias."""
    weight = stored[f"{unit['unit']}.weight"]
    if unit["bits"] == 16:
        return np.array(weight.astype(mx.float32)).astype(float)
    bits, group = unit["bits"], unit["group_size"]
    scales, biases = (
        np.array(stored[f"{unit['unit']}.{leaf}"].astype(mx.float32))
        .astype(float)
        .repeat(group, axis=1)
        for leaf in ("scales", "biases")
    )
    return scales * codes_of(weight, bits, scales.shape[1]) + biases


def compress(outputs, model):
    out = outputs.compress(model, "--target", "native", "--bpw", 3.5)
    plan = json.loads((out / "plan.json").read_text())
    return out, plan["units"]


@pytest.mark.parametrize("model", MODELS)
def test_decoding_agrees_with_mlx(outputs, model):
    """MLX computes in float32, here in double: one rounding of the product and
    one of the sum, each 2^-24 of its largest term."""
    out, units = compress(outputs, model)
    stored = tensors(out)
    quantized = [unit for unit in units if unit["bits"] < 16]
    assert len({unit["bits"] for unit in quantized}) > 1
    for unit in quantized:
        name, bits = unit["unit"], unit["bits"]
        theirs = mx.dequantize(
            stored[f"{name}.weight"],
            stored[f"{name}.scales"].astype(mx.float32),
            stored[f"{name}.biases"].astype(mx.float32),
            group_size=unit["group_size"],
            bits=bits,
        )
        bias = np.abs(np.array(stored[f"{name}.biases"].astype(mx.float32)))
        scale = np.abs(np.array(stored[f"{name}.scales"].astype(mx.float32)))
        largest = bias.max() + scale.max() * (2**bits - 1)
        difference = np.abs(np.array(theirs) - decode(stored, unit))
        assert difference.max() <= 2 * 2.0**-24 * largest, name


@pytest.mark.parametrize("model", MODELS)
def test_errors_are_those_of_the_record(outputs, model):
    """The error that was recorded while writing, measured again from the
    files. Float against double: 1e-4 relative is 0.0004 dB."""
    out, units = compress(outputs, model)
    stored, source = tensors(out), tensors(checkpoint(model))
    record = json.loads((out / "ram.json").read_text())
    recorded = {unit["unit"]: unit["nmse"] for unit in record["units"]}
    for unit in units:
        original = np.array(
            source[f"{unit['unit']}.weight"].astype(mx.float32)
        ).astype(float)
        error = ((decode(stored, unit) - original) ** 2).sum()
        assert recorded[unit["unit"]] == pytest.approx(
            error / (original**2).sum(), rel=1e-4, abs=1e-12
        )


@pytest.mark.parametrize("model", MODELS)
def test_everything_else_is_copied(outputs, model):
    out, units = compress(outputs, model)
    decided = {f"{unit['unit']}.weight" for unit in units}
    stored, source = tensors(out), tensors(checkpoint(model))
    plain = [name for name in source if name not in decided]
    assert plain
    for name in plain:
        assert raw(stored[name]) == raw(source[name]), name


def test_experts_differ(outputs):
    if "wiki-moe" not in MODELS:
        print("skipped: no shared data")
        return
    _, units = compress(outputs, "wiki-moe")
    stacks = {}
    for unit in units:
        before, experts, after = unit["unit"].partition(".experts.")
        if experts:
            stack = (before, after.partition(".")[2])
            stacks.setdefault(stack, set()).add(
                (unit["bits"], unit["group_size"])
            )
    assert any(len(widths) > 1 for widths in stacks.values())
