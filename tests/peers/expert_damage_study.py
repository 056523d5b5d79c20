"""Which number, known without data, foretells what rounding one expert costs?

Rounds every expert of a mixture alone (2 bits, g64, plain rounding), measures
the KL divergence from the model as it is, and correlates it with what the
weights say, with what tokens say that need no data (normal inputs, random
tokens, text that the model writes itself), and with real text, in other
windows. "noise" is the squared error of the weights, "output noise" that of the
outputs as the router weighs them. For mixtures as Qwen3's. What was found
stands in docs/xray.md.

usage: python tests/peers/expert_damage_study.py RAM TEXT WINDOWS MODEL_DIR
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from fragility_study import run
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import load_model
from router_load_study import WINDOW, windows
from scipy.stats import pearsonr, rankdata, spearmanr

GROUP = 64
BITS = 2
PROJECTIONS = ("gate_proj", "up_proj", "down_proj")
OTHER_WINDOWS = 32  # of real, random and own text
DRAWN = 16384  # normal inputs
TRIALS = 10000  # permutations, bootstrap samples


def rounded(weight):
    scheme = {"group_size": GROUP, "bits": BITS}
    return mx.dequantize(*mx.quantize(weight, **scheme), **scheme)


def numbers(weight):
    return np.array(weight.astype(mx.float32))


def expert_names(layer, expert):
    prefix = f"model.layers.{layer}.mlp.experts.{expert}"
    return [f"{prefix}.{projection}.weight" for projection in PROJECTIONS]


def damages(ram, text, count, source, weights, shape, folder):
    """KL of [layer, expert, window], in nats, and the protocol."""
    kls = []
    for layer in range(shape[0]):
        models = [folder / f"{layer}-{expert}" for expert in range(shape[1])]
        for expert, model in enumerate(models):
            shutil.copytree(source, model)
            path = model / "model.safetensors"
            for written in model, path:
                written.chmod(0o755)
            names = expert_names(layer, expert)
            new = {name: rounded(weights[name]) for name in names}
            mx.save_safetensors(
                str(path), weights | new, metadata={"format": "pt"}
            )
        report = folder / f"{layer}.json"
        run(
            *(ram, "evaluate", "perplexity", source, *models, "--data", text),
            *("--window", WINDOW, "--windows", count, "--dtype", "f32"),
            *("--threads", 1, "--json", report),
        )
        for model in models:
            shutil.rmtree(model)
        found = json.loads(report.read_text())
        kls.append([model["window_kl"] for model in found["models"][1:]])
    return np.array(kls), found["protocol"]


def other_windows(text, source, protocol):
    """Windows that were not measured, evenly over the text."""
    text = Path(text).read_text()
    cut = windows(text, source, protocol["windows_available"])
    rest = np.delete(cut, protocol["window_numbers"], axis=0)
    return rest[np.arange(OTHER_WINDOWS) * len(rest) // OTHER_WINDOWS]


def swiglu(expert, x):
    gate, up, down = expert
    gated = x @ gate.T
    return (gated / (1 + np.exp(-gated)) * (x @ up.T)) @ down.T


class Meter(nn.Module):
    """A layer's experts; counts what they are given and their noise."""

    def __init__(self, weights, layer, config):
        super().__init__()
        gate = f"model.layers.{layer}.mlp.gate.weight"
        self._router = numbers(weights[gate])
        self._per_token = config["num_experts_per_tok"]
        experts = [
            [weights[name] for name in expert_names(layer, expert)]
            for expert in range(config["num_experts"])
        ]
        self._experts = [[numbers(w) for w in group] for group in experts]
        self._rounded = [
            [numbers(rounded(w)) for w in group] for group in experts
        ]
        self.forget()

    def forget(self, measures=True):
        self._measures = measures
        self._tokens = 0
        self._load, self._noise = np.zeros((2, len(self._experts)))

    def measured(self):
        return self._load / self._tokens, self._noise / self._tokens

    def __call__(self, inputs):
        x = np.array(inputs).reshape(-1, inputs.shape[-1])
        logits = x @ self._router.T
        order = np.argsort(-logits, axis=1, kind="stable")
        chosen = order[:, : self._per_token]
        kept = np.take_along_axis(logits, chosen, axis=1)
        share = np.exp(kept - kept.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        out = np.zeros_like(x)
        self._tokens += len(x)
        for expert, weights in enumerate(self._experts):
            token, place = np.nonzero(chosen == expert)
            if not token.size:
                continue
            part = swiglu(weights, x[token])
            part_share = share[token, place][:, None]
            out[token] += part_share * part
            if self._measures:
                wrong = swiglu(self._rounded[expert], x[token]) - part
                self._load[expert] += token.size
                self._noise[expert] += ((part_share * wrong) ** 2).sum()
        return mx.array(out.reshape(inputs.shape))


def metered(source, weights):
    model, config = load_model(source)
    model.set_dtype(mx.float32)
    for number, layer in enumerate(model.model.layers):
        layer.mlp = Meter(weights, number, config)
    return model, config


def measured(model, tokens):
    """Load and output noise of [layer, expert]."""
    meters = [layer.mlp for layer in model.model.layers]
    for meter in meters:
        meter.forget()
    for row in tokens:
        mx.eval(model.model(mx.array(row)[None]))
    return [np.array(part) for part in zip(*(m.measured() for m in meters))]


def own_text(model, start, count):
    """Windows that the model writes, word after word as likely as it says."""
    mx.random.seed(1)
    for layer in model.model.layers:
        layer.mlp.forget(measures=False)
    cache = make_prompt_cache(model)
    tokens = [mx.full((count, 1), start)]
    for _ in range(WINDOW):
        logits = model(tokens[-1], cache=cache)[:, -1]
        tokens.append(mx.random.categorical(logits)[:, None])
        mx.eval(tokens[-1])
    return np.array(mx.concatenate(tokens[1:], axis=1))


def normal_inputs(model):
    """Load and output noise with the inputs of `simulated_load`."""
    random = np.random.default_rng(1)
    embedding = numbers(model.model.embed_tokens.weight)
    size = np.sqrt((embedding**2).mean(0) / (embedding**2).mean())
    found = []
    for layer in model.model.layers:
        norm = numbers(layer.post_attention_layernorm.weight)
        drawn = random.normal(size=(DRAWN, size.size)) * size * norm
        layer.mlp.forget()
        layer.mlp(drawn.astype(np.float32))
        found.append(layer.mlp.measured())
    return [np.array(part) for part in zip(*found)]


def of_weights(ram, source, weights, shape, folder):
    """Numbers of [layer, expert] that `ram analyze` or the weights say."""
    out = folder / "a"
    run(ram, "analyze", source, "-o", out, "--no-search", "--threads", 1)
    manifest = json.loads((out / "manifest.json").read_text())
    profile = mx.load(str(out / "profile.safetensors"))
    records = {record["name"]: record for record in manifest["tensors"]}
    scheme = {}
    for number, found in enumerate(manifest["schemes"]):
        if found.get("encoder") == "minmax" and found["group_size"] == GROUP:
            scheme[found["bits"]] = number
    names = "noise", "noise / norm", "noise / norm, 3 bits", "simulated load"
    names += "router row", "Frobenius norms", "spectral norms", "kurtosis"
    table = {name: np.zeros(shape) for name in names}
    for layer, expert in np.ndindex(*shape):
        here = [records[name] for name in expert_names(layer, expert)]
        norms = [record["squared_norm"] for record in here]
        noise = {
            bits: sum(r["squared_norm"] * r["nmse"][scheme[bits]] for r in here)
            for bits in (2, 3)
        }
        prefix = f"model.layers.{layer}"
        norm = numbers(weights[f"{prefix}.post_attention_layernorm.weight"])
        router = numbers(weights[f"{prefix}.mlp.gate.weight"])
        names_here = expert_names(layer, expert)
        gate, up, down = (numbers(weights[name]) for name in names_here)
        folded = gate * norm, up * norm, down
        load = profile[f"{prefix}.mlp.gate.weight.simulated_load"]
        kurtosis = [record["metrics"]["excess_kurtosis"] for record in here]
        values = (
            noise[2],
            noise[2] / sum(norms),
            noise[3] / sum(norms),
            load[expert].item(),
            np.linalg.norm(router[expert] * norm),
            np.prod([np.linalg.norm(matrix) for matrix in folded]),
            np.prod([np.linalg.norm(matrix, 2) for matrix in folded]),
            np.mean(kurtosis),
        )
        for name, value in zip(names, values):
            table[name][layer, expert] = value
    return table


def predictors(ram, real, source, weights, folder):
    """Number -> [layer, expert]."""
    model, config = metered(source, weights)
    shape = config["num_hidden_layers"], config["num_experts"]
    table = of_weights(ram, source, weights, shape, folder)
    noise, load = table["noise"], table["simulated load"]
    table["noise x simulated load"] = noise * load
    table["relative noise x simulated load"] = table["noise / norm, 3 bits"] * load
    random = np.random.default_rng(1)
    size = OTHER_WINDOWS, WINDOW
    tokens = {
        "random tokens": random.integers(config["vocab_size"], size=size),
        "own text": own_text(model, config["eos_token_id"], OTHER_WINDOWS),
        "real text": real,
    }
    found = {k: measured(model, ids) for k, ids in tokens.items()}
    found = {"normal inputs": normal_inputs(model)} | found
    for kind, (share, output_noise) in found.items():
        table[f"load, {kind}"] = share
        table[f"noise x load, {kind}"] = noise * share
        table[f"output noise, {kind}"] = output_noise
    return table


def within(damage, number):
    """Spearman of every layer."""
    return [spearmanr(*pair).statistic for pair in zip(damage, number)]


def chance(damage, number, random):
    """How often shuffling the experts of every layer gives as large a mean
    of the layers' rank correlations, of either sign."""

    def ranks(table):
        centred = rankdata(table, axis=1) - (table.shape[1] + 1) / 2
        return centred / np.linalg.norm(centred, axis=1, keepdims=True)

    a, b = ranks(damage), ranks(number)
    real = abs((a * b).sum(1).mean())
    shuffled = np.array([
        (random.permuted(a, axis=1) * b).sum(1).mean() for _ in range(TRIALS)
    ])
    return (1 + (abs(shuffled) >= real - 1e-12).sum()) / (TRIALS + 1)


def interval(damage, number, random):
    """95 % of the pooled Spearman; experts drawn again within layers."""
    found = []
    for _ in range(TRIALS // 10):
        pick = random.integers(damage.shape[1], size=damage.shape)
        drawn = [np.take_along_axis(t, pick, 1) for t in (damage, number)]
        found.append(spearmanr(*(t.ravel() for t in drawn)).statistic)
    return np.quantile(found, [0.025, 0.975])


def report(kls, table):
    random = np.random.default_rng(1)
    mean = kls.mean(2)
    halves = kls[..., ::2].mean(2), kls[..., 1::2].mean(2)
    heads = [f"layer {layer}" for layer in range(len(mean))]
    heads += "mean", "p", "Pearson of logs", "pooled", "95 %"
    print("number", *heads, sep="\t")
    rows = {name: (mean, number) for name, number in table.items()}
    rows["KL, half of the windows by the others"] = halves
    for name, (damage, number) in rows.items():
        each = within(damage, number)
        logs = (np.log(np.maximum(t, 1e-12)) for t in (damage, number))
        pearson = np.mean([pearsonr(*pair).statistic for pair in zip(*logs)])
        low, high = interval(damage, number, random)
        print(
            *(name, *(f"{x:.2f}" for x in each), f"{np.mean(each):.2f}"),
            f"{chance(damage, number, random):.4f}",
            f"{pearson:.2f}",
            f"{spearmanr(damage.ravel(), number.ravel()).statistic:.2f}",
            f"{low:.2f} to {high:.2f}",
            sep="\t",
            flush=True,
        )


def main(ram, text, count, source):
    mx.set_default_device(mx.cpu)
    source = Path(source)
    weights = mx.load(str(source / "model.safetensors"))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        config = json.loads((source / "config.json").read_text())
        shape = config["num_hidden_layers"], config["num_experts"]
        kls, protocol = damages(
            ram, text, count, source, weights, shape, folder
        )
        real = other_windows(text, source, protocol)
        table = predictors(ram, real, source, weights, folder)
    error = kls.std(2, ddof=1) / np.sqrt(kls.shape[2])
    for (layer, expert), kl in np.ndenumerate(kls.mean(2)):
        deviation = f"{error[layer, expert]:.1g}"
        print(layer, expert, f"{kl:.3g}", deviation, sep="\t")
    report(kls, table)


if __name__ == "__main__":
    main(*sys.argv[1:])
