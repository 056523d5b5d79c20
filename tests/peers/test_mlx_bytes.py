"""`--policy uniform` writes the bytes that MLX's own quantiser writes."""

import mlx.core as mx
import pytest
from conftest import checkpoint, present
from mlx_side import load, parameters, quantized_modules, raw

SCHEMES = [(b, g) for b in (2, 3, 4, 5, 6, 8) for g in (32, 64, 128)]


@pytest.mark.parametrize("bits,group_size", SCHEMES)
@pytest.mark.parametrize("name", present(["wiki-dense", "wiki-moe"]))
def test_uniform_equals_mx_quantize(outputs, name, bits, group_size):
    out = outputs.compress(
        name, "--policy", "uniform", "--bits", bits, "--group-size", group_size
    )
    source = parameters(load(checkpoint(name)))
    modules = quantized_modules(load(out))
    # Every matrix of the source is quantised, the routers too.
    matrices = {k for k, v in source.items() if v.ndim >= 2}
    assert {f"{path}.weight" for path in modules} == matrices
    for path, module in modules.items():
        weight = source[f"{path}.weight"]
        assert weight.dtype == mx.bfloat16
        codes, scales, biases = mx.quantize(
            weight, group_size=group_size, bits=bits
        )
        assert raw(module.weight) == raw(codes), path
        assert raw(module.scales) == raw(scales), path
        assert raw(module.biases) == raw(biases), path
