"""What MLX and mlx-lm make of a checkpoint."""

from dataclasses import dataclass

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.utils import load_model


def load(path):
    """The module tree as mlx-lm builds it from the directory alone. Strict: a
    missing or an extra tensor raises."""
    model, _ = load_model(path, lazy=True, strict=True)
    return model


def parameters(model):
    return dict(tree_flatten(model.parameters()))


def quantized_modules(model):
    """Module path -> module, for those that hold codes."""
    return {
        path: module
        for path, module in model.named_modules()
        if "scales" in module and "biases" in module
    }


def raw(array):
    """The bytes of an array as it is stored."""
    if array.dtype in (mx.bfloat16, mx.float16):
        array = array.view(mx.uint16)
    return np.array(array).tobytes()


@dataclass
class Difference:
    largest: float  # of |logits - reference|
    scale: float  # largest |reference|


def in_float32(model):
    """The same model computing in float32: codes stay as they are, scales,
    biases and plain weights widen exactly."""
    model.set_dtype(mx.float32)
    return model


def with_weights_of(reference, compressed):
    """`reference` (an uncompressed module tree) with every weight replaced by
    what `compressed` stores, decoded in float32."""
    in_float32(reference)
    quantized = quantized_modules(compressed)
    weights = []
    for name, value in parameters(compressed).items():
        path, _, leaf = name.rpartition(".")
        if path not in quantized:
            weights.append((name, value.astype(mx.float32)))
        elif leaf == "weight":
            module = quantized[path]
            decoded = mx.dequantize(
                value,
                module.scales.astype(mx.float32),
                module.biases.astype(mx.float32),
                group_size=module.group_size,
                bits=module.bits,
            )
            weights.append((name, decoded))
    reference.load_weights(weights, strict=True)
    return reference


def logits_difference(model, reference, tokens):
    ids = mx.array([tokens])
    ours, theirs = model(ids), reference(ids)
    mx.eval(ours, theirs)
    return Difference(
        float(mx.max(mx.abs(ours - theirs))), float(mx.max(mx.abs(theirs)))
    )
