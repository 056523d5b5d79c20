"""Does real text choose the experts that simulated tokens choose?

Sends windows of a text through a mixture of experts in mlx-lm, notes what every
router picks, and compares each expert's share with `simulated_load` of `ram
analyze`. "even" takes all experts as chosen alike; "other half" compares two
halves of the text, so it is the best that can be asked for. The remaining rows
draw inputs with more of what real ones have, to see what the simulation lacks.
What was found stands in docs/metrics.md.

usage: python tests/peers/router_load_study.py RAM TEXT MODEL_DIR [WINDOWS]
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx_lm.utils import load_model
from scipy.stats import pearsonr, spearmanr
from tokenizers import Tokenizer

WINDOW = 512
DRAWN = 16384  # tokens of the simulations made here
ENDS = 4  # the most and the least loaded experts that are compared


class Recorder(nn.Module):
    """A router that keeps what it is given."""

    def __init__(self, gate):
        super().__init__()
        self.gate = gate
        self.inputs = []

    def __call__(self, x):
        flat = x.reshape(-1, x.shape[-1]).astype(mx.float32)
        self.inputs.append(np.array(flat))
        return self.gate(x)


def windows(text, model, count):
    """`count` windows, evenly over the text."""
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    cut = np.array(ids[: len(ids) // WINDOW * WINDOW]).reshape(-1, WINDOW)
    return cut[np.arange(count) * len(cut) // count]


def simulated_loads(ram, model):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "a"
        subprocess.run(
            [ram, "analyze", model, "-o", out, "--no-search"],
            check=True,
            capture_output=True,
        )
        profile = mx.load(str(out / "profile.safetensors"))
        return {
            name.removesuffix(".weight.simulated_load"): np.array(load)
            for name, load in profile.items()
            if name.endswith(".simulated_load")
        }


def share(logits, per_token):
    """Of the tokens, for every expert."""
    chosen = np.argsort(-logits, axis=1, kind="stable")[:, :per_token]
    counts = np.bincount(chosen.ravel(), minlength=logits.shape[1])
    return counts / len(logits)


def more_like_the_text(inputs, norm, embedding, router, per_token):
    """Loads from inputs that ever more is known of."""
    random = np.random.default_rng(1)
    normal = random.normal(size=(DRAWN, inputs.shape[1]))
    mean, second = inputs.mean(0), (inputs**2).mean(0)
    centred = np.linalg.cholesky(np.cov(inputs.T) + 1e-9 * np.eye(mean.size)).T
    moments = inputs.T @ inputs / len(inputs) + 1e-9 * np.eye(mean.size)
    rows = norm * embedding / np.sqrt((embedding**2).mean(1, keepdims=True))
    drawn = {
        "rows of the embedding": rows,
        "its size of channels": normal * np.sqrt(second),
        "its second moments": normal @ np.linalg.cholesky(moments).T,
        "its channels' means, sizes": mean + normal * inputs.std(0),
        "its mean and covariance": mean + normal @ centred,
    }
    return {k: share(x @ router.T, per_token) for k, x in drawn.items()}


def compare(load, real):
    """Spearman, Pearson, mean difference, agreement of the ends."""
    order, other = np.argsort(load), np.argsort(real)
    tops = len({*order[-ENDS:]} & {*other[-ENDS:]})
    ends = len({*order[:ENDS]} & {*other[:ENDS]})
    apart = 100 * np.abs(load - real).mean()
    if np.ptp(load) == 0:
        return ["-", "-", f"{apart:.2f}", "-", "-"]
    found = spearmanr(load, real).statistic, pearsonr(load, real).statistic
    return [*(f"{x:.2f}" for x in found), f"{apart:.2f}", tops, ends]


def main(ram, text, source, count=64):
    mx.set_default_device(mx.cpu)
    source = Path(source)
    model, config = load_model(source)
    model.set_dtype(mx.float32)
    per_token = config["num_experts_per_tok"]
    simulated = simulated_loads(ram, source)
    embedding = np.array(model.model.embed_tokens.weight)
    recorders = {}
    for number, layer in enumerate(model.model.layers):
        if hasattr(layer.mlp, "gate"):
            layer.mlp.gate = Recorder(layer.mlp.gate)
            recorders[f"model.layers.{number}.mlp.gate"] = layer
    for window in windows(Path(text).read_text(), source, int(count)):
        mx.eval(model(mx.array(window)[None]))
    print("router", "loads", "Spearman", "Pearson", sep="\t", end="\t")
    print(f"mean difference, pp\tof top {ENDS}\tof last {ENDS}")
    for name, layer in recorders.items():
        recorder = layer.mlp.gate
        inputs = np.concatenate(recorder.inputs).astype(np.float64)
        router = np.array(recorder.gate.weight).astype(np.float64)
        logits = inputs @ router.T
        real = share(logits, per_token)
        blocks = np.arange(len(inputs)) // WINDOW
        halves = [share(logits[blocks % 2 == h], per_token) for h in (0, 1)]
        norm = np.array(layer.post_attention_layernorm.weight)
        rows = {
            "simulated": (simulated[name], real),
            "even": (np.full(real.shape, per_token / real.size), real),
            "other half": halves,
        }
        for kind, load in more_like_the_text(
            inputs, norm, embedding, router, per_token
        ).items():
            rows[kind] = load, real
        for kind, pair in rows.items():
            print(name, kind, *compare(*pair), sep="\t", flush=True)
        for kind, load in ("text", real), ("simulated", simulated[name]):
            print(name, f"least, most by {kind}", sep="\t", end="\t")
            print(f"{100 * load.min():.1f} %", f"{100 * load.max():.1f} %")


if __name__ == "__main__":
    main(*sys.argv[1:])
