"""Writes tests/data/affine/{bf16,f16,f32}.bin: what MLX's CPU quantiser makes
of weights that are hard to round.

Needs mlx 0.32.4 (tests/peers/requirements.txt) and no GPU:
    python tests/peers/make_affine_golden.py tests/data/affine

A file, little-endian, no padding:
    the weights [ROWS, COLS] in the dtype of the file's name
    for bits in 2 3 4 5 6 8, for group in 32 64 128:
        codes   uint32 [ROWS, COLS * bits / 32]
        scales  16-bit [ROWS, COLS / group]
        biases  16-bit [ROWS, COLS / group]
Scales and biases have the dtype of the weights; those of f32 are cast to
bfloat16 here, as ram stores them.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import mlx.core as mx
import numpy as np

COLS = 256


def rows(rng, largest):
    normal = rng.standard_normal(COLS) * 0.02
    step = np.arange(COLS) % 16
    kinds = [
        normal,
        normal + 0.5,
        rng.standard_t(2, COLS) * 0.02,  # heavy tails
        np.where(rng.random(COLS) < 0.01, 3.0, normal),  # lone outliers
        np.full(COLS, 0.37),
        np.repeat([1e-3, -1e-3, 7.0, -7.0], COLS // 4),  # constant groups
        np.zeros(COLS),
        np.where(rng.random(COLS) < 0.5, 0.0, -0.0),
        normal * 2e-6,  # near MLX's smallest scale, 1e-7
        normal * 1e-9,  # below it
        rng.uniform(-1, 1, COLS) * largest / 4,
        -np.abs(normal),
        np.abs(normal) + 1.0,
        step / 16,  # codes on the grid and, at fewer bits, half-way
        (step - 7.5) / 32,
        np.where(np.arange(COLS) % 2 == 0, -0.25, 0.25),  # |min| = |max|
    ]
    return np.stack(kinds).astype(np.float32)


def write(path, weights, stored):
    with open(path, "wb") as out:
        view = {4: mx.uint32, 2: mx.uint16}[weights.dtype.size]
        out.write(np.array(weights.view(view)).tobytes())
        for bits in (2, 3, 4, 5, 6, 8):
            for group in (32, 64, 128):
                codes, scales, biases = mx.quantize(
                    weights, group_size=group, bits=bits
                )
                out.write(np.array(codes).tobytes())
                for pairs in (scales, biases):
                    cast = pairs.astype(stored)
                    out.write(np.array(cast.view(mx.uint16)).tobytes())


def main():
    if version("mlx") != "0.32.4":
        sys.exit("expected mlx 0.32.4")
    mx.set_default_device(mx.cpu)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, dtype, stored, largest in (
        ("bf16", mx.bfloat16, mx.bfloat16, 3e38),
        ("f16", mx.float16, mx.float16, 6e4),
        ("f32", mx.float32, mx.bfloat16, 3e38),
    ):
        rng = np.random.default_rng(20240229)
        weights = mx.array(rows(rng, largest)).astype(dtype)
        write(folder / f"{name}.bin", weights, stored)


main()
