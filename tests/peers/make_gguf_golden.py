"""Writes tests/data/gguf_blocks/TYPE.bin: random blocks of every type that ram
decodes, and the floats that the `gguf` package makes of them.

Needs gguf 0.19.0 (tests/peers/requirements.txt):
    python tests/peers/make_gguf_golden.py tests/data/gguf_blocks

A file, little-endian, no padding: 1,024 weights as blocks, then as float32.
Codes are random bytes; the 16-bit scales are random, finite, of both signs,
some of them zero or subnormal.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

WEIGHTS = 1024

# Where the 16-bit floats of a block are.
SCALES = {
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q8_0": [0],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
    "IQ4_NL": [0],
    "IQ4_XS": [0],
}
PLAIN = {"F32": 4, "F16": 2, "BF16": 2}


def random_scales(rng, count):
    scales = (rng.standard_normal(count) * 0.05).astype(np.float16)
    scales[rng.random(count) < 0.1] = 0
    scales[rng.random(count) < 0.1] = 3e-7
    return scales.view(np.uint8).reshape(count, 2)


def blocks(rng, name):
    weights, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    count = WEIGHTS // weights
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for offset in SCALES[name]:
        data[:, offset : offset + 2] = random_scales(rng, count)
    return data


def plain(rng, name):
    values = rng.standard_normal(WEIGHTS).astype(np.float32)
    if name == "F16":
        return values.astype(np.float16).view(np.uint8)
    if name == "BF16":
        return (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    return values.view(np.uint8)


def main():
    if version("gguf") != "0.19.0":
        sys.exit("expected gguf 0.19.0")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20240301)
    for name in [*PLAIN, *SCALES]:
        data = plain(rng, name) if name in PLAIN else blocks(rng, name)
        floats = dequantize(data, GGMLQuantizationType[name])
        assert floats.size == WEIGHTS and np.isfinite(floats).all()
        (folder / f"{name}.bin").write_bytes(
            data.tobytes() + floats.astype("<f4").tobytes()
        )


main()
