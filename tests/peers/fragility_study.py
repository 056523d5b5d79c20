"""Which numbers of a profile foretell that few bits ruin a model?

Damages models on purpose, measures what 3 bits (g64, plain rounding) cost each,
and counts how often an indicator over its limit was right. Its table stands in
docs/xray.md, its counts in src/ram/xray/fragility.cc.

usage: python tests/peers/fragility_study.py RAM TEXT WINDOWS MODEL_DIR...
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import mlx.core as mx
import numpy as np
from scipy.stats import spearmanr

COLLAPSE = 0.3  # nats per token
LIMITS = {
    "uneven-channels": 0.5,
    "channel-peak": 12,
    "kurtosis": 60,
    "channel-noise": 1 / 3,  # tried here, not in `ram`
}
GROUP = 64


def matrices(weights):
    return [
        name
        for name, weight in weights.items()
        if weight.ndim == 2 and "embed" not in name
    ]


def noise(share):
    def damage(weights, random):
        for name in matrices(weights):
            weight = weights[name]
            weight += share * weight.std() * random.normal(size=weight.shape)

    return damage


def shrink_rows(share, factor):
    def damage(weights, random):
        for name in matrices(weights):
            rows = random.random(weights[name].shape[0]) < share
            weights[name][rows] *= factor

    return damage


def scale_channels(count, factor, preserve):
    """The readers of a norm get `count` channels `factor` times as large; with
    `preserve` the norm makes up for it and the model computes the same."""

    def damage(weights, random):
        for norm in [n for n in weights if n.endswith("layernorm.weight")]:
            channels = random.choice(weights[norm].size, count, replace=False)
            if preserve:
                weights[norm][channels] /= factor
            layer = norm.rsplit(".", 2)[0] + "."
            for name in matrices(weights):
                attention = "self_attn" in name
                writes = "o_proj" in name or "down_proj" in name
                if name.startswith(layer) and not writes:
                    if attention == ("input_layernorm" in norm):
                        weights[name][:, channels] *= factor

    return damage


def scale_neurons(spread):
    """Up rows times t, down columns over t: the model computes the same."""

    def damage(weights, random):
        for name in [n for n in weights if n.endswith("up_proj.weight")]:
            scale = np.exp(spread * random.normal(size=weights[name].shape[0]))
            weights[name] *= scale[:, None]
            down = name.replace("up_proj", "down_proj")
            weights[down] /= scale[None, :]

    return damage


def prune(share):
    def damage(weights, random):
        for name in matrices(weights):
            size = np.abs(weights[name])
            weights[name][size < np.quantile(size, share)] = 0

    return damage


def reset_layers(*layers):
    def damage(weights, random):
        for name in matrices(weights):
            if any(f".layers.{layer}." in name for layer in layers):
                shape = weights[name].shape
                weights[name] = 0.02 * random.normal(size=shape)

    return damage


def super_weights(count):
    def damage(weights, random):
        for name in [n for n in weights if "down_proj" in n]:
            weight = weights[name]
            value = 60 * weight.std()
            for _ in range(count):
                at = tuple(random.integers(size) for size in weight.shape)
                weight[at] = value

    return damage


def fatten_tails(power):
    def damage(weights, random):
        for name in matrices(weights):
            old = weights[name]
            new = np.sign(old) * np.abs(old / old.std()) ** power
            weights[name] = new * old.std() / new.std()

    return damage


def soft_threshold(deviations):
    """What a strong L1 penalty does: all weights move towards zero."""

    def damage(weights, random):
        for name in matrices(weights):
            size = np.abs(weights[name])
            size = np.maximum(size - deviations * weights[name].std(), 0)
            weights[name] = np.sign(weights[name]) * size

    return damage


def filter_spectrum(keep):
    """Singular values, descending, become keep(values) times as large."""

    def damage(weights, random):
        for name in matrices(weights):
            left, values, right = np.linalg.svd(
                weights[name], full_matrices=False
            )
            weights[name] = left * (values * keep(values)) @ right

    return damage


def decay(values):
    """The filter of ridge regression, one half at the median."""
    return values**2 / (values**2 + np.median(values) ** 2)


def leading(share):
    return lambda values: np.arange(values.size) < share * values.size


DAMAGES = {
    "clean": lambda weights, random: None,
    "noise 0.1": noise(0.1),
    "noise 0.3": noise(0.3),
    "noise 0.6": noise(0.6),
    "half of the rows x 0.3": shrink_rows(0.5, 0.3),
    "all x 0.7": shrink_rows(1, 0.7),
    "4 channels x 8, preserved": scale_channels(4, 8, True),
    "4 channels x 30, preserved": scale_channels(4, 30, True),
    "16 channels x 8, preserved": scale_channels(16, 8, True),
    "2 channels x 8": scale_channels(2, 8, False),
    "pruned 30 %": prune(0.3),
    "pruned 50 %": prune(0.5),
    "layer 1 reset": reset_layers(1),
    "layers 2 and 3 reset": reset_layers(2, 3),
    "a super weight a layer": super_weights(1),
    "20 super weights a layer": super_weights(20),
    "neurons, spread 1": scale_neurons(1),
    "neurons, spread 2": scale_neurons(2),
    "tails ^ 1.3": fatten_tails(1.3),
    "tails ^ 1.6": fatten_tails(1.6),
    "soft threshold, 0.5": soft_threshold(0.5),
    "singular values decayed": filter_spectrum(decay),
    "rank cut to a quarter": filter_spectrum(leading(1 / 4)),
    "rank cut to a sixteenth": filter_spectrum(leading(1 / 16)),
}


def run(*arguments):
    subprocess.run(
        [*map(str, arguments), "-q"], check=True, stdout=subprocess.DEVNULL
    )


def damaged(source, damage, out):
    shutil.copytree(source, out)
    path = out / "model.safetensors"
    for written in out, path:
        written.chmod(0o755)
    weights = {
        name: np.array(weight.astype(mx.float32), dtype=np.float64)
        for name, weight in mx.load(str(path)).items()
    }
    damage(weights, np.random.default_rng(1))
    mx.save_safetensors(
        str(path),
        {
            name: mx.array(weight.astype(np.float32)).astype(mx.bfloat16)
            for name, weight in weights.items()
        },
        metadata={"format": "pt"},  # else MLX writes null, which ram refuses
    )


def channel_noise(moments, nmse):
    """Noise of a channel over its own mean square, at most 1; mean of the
    channels. As if the noise of a group were the same in its channels, and
    `nmse` times their mean square."""
    means = np.repeat(moments.reshape(-1, GROUP).mean(1), GROUP)
    used = moments > 0
    return np.minimum(1, nmse * means[used] / moments[used]).mean()


def indicators(analysis):
    """Their largest values over the matrices of the layers but routers."""
    manifest = json.loads((analysis / "manifest.json").read_text())
    profile = mx.load(str(analysis / "profile.safetensors"))
    largest = dict.fromkeys(LIMITS, 0.0)
    wanted = {"bits": 3, "group_size": GROUP, "encoder": "minmax"}
    scheme = next(
        number
        for number, scheme in enumerate(manifest["schemes"])
        if wanted.items() <= scheme.items()
    )
    for record in manifest["tensors"]:
        role = record.get("role")
        if record.get("layer") is None or role in (None, "router"):
            continue
        if "excess_kurtosis" not in record.get("metrics", {}):
            continue
        name = record["name"]
        moments = np.array(profile[f"{name}.column_second_moments"])
        moments = moments.astype(np.float64)
        columns = np.sqrt(moments)
        spread = np.log(columns[columns > 0]).std()
        found = {
            "uneven-channels": spread,
            "channel-peak": columns.max() / np.median(columns),
            "kurtosis": record["metrics"]["excess_kurtosis"],
            "channel-noise": channel_noise(moments, record["nmse"][scheme]),
        }
        for key, value in found.items():
            largest[key] = max(largest[key], float(value))
    return largest


def study(ram, text, windows, source, folder):
    for name, damage in DAMAGES.items():
        here = folder / name.replace(" ", "-")
        here.mkdir(parents=True)
        damaged(source, damage, here / "model")
        run(
            *(ram, "compress", here / "model", "-o", here / "small"),
            *("--policy", "uniform", "--bits", "3", "--group-size", GROUP),
        )
        run(
            *(ram, "evaluate", "perplexity", here / "model", here / "small"),
            *("--data", text, "--window", "512", "--windows", windows),
            *("--json", here / "report.json"),
        )
        run(ram, "analyze", here / "model", "-o", here / "a", "--no-search")
        report = json.loads((here / "report.json").read_text())
        yield name, report["models"], indicators(here / "a")
        shutil.rmtree(here)


def summarize(rows, models):
    """Of rows (model, KL, indicators)."""
    print("", "hits, misses, false alarms, sound", sep="\t", end="\t")
    print(*(f"rank correlation with KL in {name}" for name in models), sep="\t")
    for key, limit in LIMITS.items():
        counts = [0, 0, 0, 0]
        for _, kl, found in rows:
            counts[(found[key] <= limit) + 2 * (kl < COLLAPSE)] += 1
        correlations = []
        for name in models:
            pairs = [(kl, found[key]) for of, kl, found in rows if of == name]
            correlations.append(f"{spearmanr(*zip(*pairs)).statistic:.2f}")
        print(key, *counts, *correlations, sep="\t")


def main(ram, text, windows, *sources):
    sources = [Path(source) for source in sources]
    heads = ["model", "damage", "PPL", "KL at 3 bits", *LIMITS]
    print(*heads, "outlier windows at 16 bits", "at 3 bits", sep="\t")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for source in sources:
            for name, models, found in study(
                ram, text, windows, source, Path(folder) / source.name
            ):
                kl = models[1]["kl"]["mean"]
                rows.append((source.name, kl, found))
                print(
                    *(source.name, name, f"{models[0]['ppl']:.1f}"),
                    *(f"{kl:.3f}", *(f"{found[key]:.2f}" for key in LIMITS)),
                    *(model["outlier_windows"] for model in models),
                    sep="\t",
                    flush=True,
                )
    summarize(rows, [source.name for source in sources])


if __name__ == "__main__":
    main(*sys.argv[1:])
