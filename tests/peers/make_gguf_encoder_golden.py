"""Writes tests/data/gguf_encode: weights, and the blocks that the `gguf`
package makes of them by rounding to nearest.

Needs gguf 0.19.0 (tests/peers/requirements.txt):
    python tests/peers/make_gguf_encoder_golden.py tests/data/gguf_encode

weights.bin: 1,024 float32, all of them bfloat16: 256 each Gaussian, Laplace,
heavy-tailed (Student's t, 3 degrees of freedom), and uniform in [0.5, 1].
TYPE.bin: the blocks of those types that the package can encode.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from gguf.constants import GGMLQuantizationType
from gguf.quants import quantize

TYPES = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]


def weights():
    rng = np.random.default_rng(20240401)
    parts = [
        0.02 * rng.standard_normal(256),
        0.02 * rng.laplace(size=256),
        0.02 * rng.standard_t(3, size=256),
        rng.uniform(0.5, 1, 256),
    ]
    bits = np.concatenate(parts).astype(np.float32).view(np.uint32)
    return (bits & np.uint32(0xFFFF0000)).view(np.float32)


def main():
    if version("gguf") != "0.19.0":
        sys.exit("expected gguf 0.19.0")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    values = weights()
    (folder / "weights.bin").write_bytes(values.astype("<f4").tobytes())
    for name in TYPES:
        blocks = quantize(values, GGMLQuantizationType[name])
        (folder / f"{name}.bin").write_bytes(blocks.tobytes())


main()
