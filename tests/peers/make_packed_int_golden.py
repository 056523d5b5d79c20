"""Writes tests/data/packed_int/{bf16,f16,f32}.bin: what compressed-tensors
makes of the weights that begin tests/data/affine/{bf16,f16,f32}.bin.

Needs compressed-tensors 0.20.1 (tests/peers/live-requirements.txt):
    python tests/peers/make_packed_int_golden.py tests/data

A file, little-endian, no padding:
    for bits in 2 3 4 5 6 8, for group in 32 128:
        codes   int32 [ROWS, COLS * bits / 32]
        scales  16-bit [ROWS, COLS / group]
Scales have the dtype of the weights; those of f32 are cast to bfloat16
before, as a model is that is loaded in its 16-bit type.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import (
    QuantizationArgs,
    QuantizationScheme,
)
from compressed_tensors.quantization.utils import calculate_qparams

ROWS, COLS = 16, 256


def compress(weights, bits, group):
    """weight_packed, _scale and _shape, with the observer's minima and maxima."""
    args = QuantizationArgs(
        num_bits=bits, symmetric=True, strategy="group", group_size=group
    )
    groups = weights.unflatten(-1, (-1, group))
    scale, _ = calculate_qparams(
        groups.amin(dim=-1), groups.amax(dim=-1), args
    )
    compressor = BaseCompressor.get_value_from_registry("pack-quantized")
    stored = compressor.compress(
        {"weight": weights, "weight_scale": scale},
        QuantizationScheme(targets=["Linear"], weights=args),
    )
    shape = stored["weight_shape"]
    assert shape.tolist() == list(weights.shape)
    return stored["weight_packed"], stored["weight_scale"], shape


def raw(tensor):
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


def main():
    if version("compressed-tensors") != "0.20.1":
        sys.exit("expected compressed-tensors 0.20.1")
    data = Path(sys.argv[1])
    (data / "packed_int").mkdir(exist_ok=True)
    for name, dtype, stored in (
        ("bf16", torch.bfloat16, torch.bfloat16),
        ("f16", torch.float16, torch.float16),
        ("f32", torch.float32, torch.bfloat16),
    ):
        content = bytearray((data / "affine" / f"{name}.bin").read_bytes())
        weights = torch.frombuffer(content, dtype=dtype, count=ROWS * COLS)
        weights = weights.reshape(ROWS, COLS).to(stored)
        with open(data / "packed_int" / f"{name}.bin", "wb") as out:
            for bits in (2, 3, 4, 5, 6, 8):
                for group in (32, 128):
                    codes, scales, _ = compress(weights, bits, group)
                    out.write(raw(codes))
                    out.write(raw(scales))


if __name__ == "__main__":
    main()
