"""`ram` opens what mlx-lm itself converts, and decodes it to what MLX does."""

import json

import mlx.core as mx
import pytest
from conftest import checkpoint, present, run_ram
from mlx_lm import convert
from mlx_side import load, quantized_modules, raw

MODELS = present(["wiki-dense", "wiki-moe"])
SCHEMES = [(b, g) for b in (2, 3, 4, 5, 6, 8) for g in (32, 64, 128)]


def decoded(module):
    """The module's weights in BF16: MLX's float32 arithmetic, rounded once."""
    weights = mx.dequantize(
        module.weight,
        module.scales.astype(mx.float32),
        module.biases.astype(mx.float32),
        group_size=module.group_size,
        bits=module.bits,
    )
    return weights.astype(mx.bfloat16)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("bits,group_size", SCHEMES)
def test_decodes_what_mlx_lm_converts(tmp_path, model, bits, group_size):
    """16 bits from codes are the codes' values rounded to BF16 once. MLX may
    fuse product and sum, which moves a value by at most one unit of float32
    in the last place and so a BF16 only at a tie: a handful in a million."""
    mlx = tmp_path / "mlx"
    convert(
        str(checkpoint(model)),
        str(mlx),
        quantize=True,
        q_bits=bits,
        q_group_size=group_size,
        dtype="bfloat16",
    )
    out = tmp_path / "out"
    run_ram(
        "compress", mlx, "-o", out, "--policy", "uniform", "--set", "*=16"
    )
    theirs, ours = load(mlx), load(out)
    modules = quantized_modules(theirs)
    assert modules
    kept = {path: module for path, module in ours.named_modules()}
    for path, module in modules.items():
        expected, found = decoded(module), kept[path].weight
        assert found.shape == expected.shape, path
        different = mx.sum(expected != found).item()
        assert different <= 1e-5 * expected.size, path
    stored = json.loads(run_ram("inspect", mlx, "--json"))
    labels = {
        label for role in stored["roles"] for label in role["stored"]
    } - {"BF16"}
    assert f"{bits}-bit g{group_size}" in labels
