"""ggml's blocks: our encoders (block_tool), the `gguf` package's decoder, and
the errors that ggml's own search minimises (src/ram/quantization/
gguf_encode.h)."""

import os
import subprocess
from pathlib import Path

import numpy as np
from conftest import ROOT
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

TOOL = Path(os.environ.get("RAM_BLOCK_TOOL", ROOT / "build/release/block_tool"))
TYPES = [
    "Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K",
    "Q5_0", "Q5_1", "Q4_0", "Q4_1", "IQ4_NL", "IQ4_XS",
]  # fmt: skip


def bfloat16(values):
    """float32 -> the nearest bfloat16, as float32."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return bits.astype(np.uint32).view(np.float32)


def samples(cols=1024, rows=256):
    """Name -> weights [rows, cols], all of them bfloat16."""
    rng = np.random.default_rng(7)
    shape = (rows, cols)
    return {
        "Gaussian": bfloat16(0.02 * rng.standard_normal(shape)),
        "Laplace": bfloat16(0.02 * rng.laplace(size=shape)),
        "Student t3": bfloat16(0.02 * rng.standard_t(3, size=shape)),
    }


def encode(name, effort, weights, folder, threads=0, columns=None):
    """Our blocks of weights [rows, cols] that are bfloat16, and the seconds
    that the whole program took, those before writing apart."""
    source, out = Path(folder) / "weights.bf16", Path(folder) / "blocks"
    bits = np.ascontiguousarray(weights, np.float32).view(np.uint32) >> 16
    bits.astype("<u2").tofile(source)
    command = [TOOL, name, effort, str(weights.shape[-1]), str(threads), source, out]
    if columns is not None:
        columns.astype("<f4").tofile(Path(folder) / "columns")
        command.append(Path(folder) / "columns")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return np.fromfile(out, np.uint8), [float(s) for s in done.stdout.split()]


def decode(name, blocks, shape):
    kind = GGMLQuantizationType[name]
    weights, size = GGML_QUANT_SIZES[kind]
    blocks = blocks.reshape(-1, shape[-1] // weights * size)
    return dequantize(blocks, kind).reshape(shape)


def importance(name, weights):
    """What ggml multiplies squared errors by when it has no matrix."""
    size = np.abs(weights.astype(np.float64))
    if name == "Q2_K":
        return size
    if name in ("Q3_K", "Q6_K", "IQ4_NL", "IQ4_XS"):
        return size**2
    if name in ("Q4_K", "Q5_K"):
        runs = size.reshape(-1, 32)
        rms = np.sqrt((runs**2).mean(axis=1, keepdims=True))
        return (runs + rms).reshape(weights.shape)
    return np.ones(weights.shape)


def error(name, weights, decoded):
    off = weights.astype(np.float64) - decoded
    return float((importance(name, weights) * off * off).sum())
