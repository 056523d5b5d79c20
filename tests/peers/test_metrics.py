"""Metrics and errors in manifest.json, against numpy and MLX."""

import json

import mlx.core as mx
import numpy as np
import pytest
from conftest import ROOT, SHARED

FILES = {
    "wiki-dense": ROOT / "models/wiki-dense/model.safetensors",
    "gpt2": SHARED / "models/real-tensors/gpt2-124m-partial.safetensors",
    "tiny-llm": SHARED / "models/real-tensors/tiny-llm-layer.safetensors",
}
HERE = [name for name, path in FILES.items() if path.exists()]


def manifest(outputs, name):
    out = outputs.analyze(FILES[name], "--spectra")
    return json.loads((out / "manifest.json").read_text())


def matrices(outputs, name):
    """(record, weights in float32) for every 2-D tensor that was measured."""
    weights = mx.load(str(FILES[name]))
    for record in manifest(outputs, name)["tensors"]:
        weight = weights.get(record["name"])
        if weight is None or weight.ndim != 2 or not record.get("metrics"):
            continue
        yield record, np.array(weight.astype(mx.float32))


def minmax_nrmse(weight, bits, group):
    """Method page, rounding error: plain min-max, a short last group padded
    with zeros."""
    rows, cols = weight.shape
    padded = np.zeros((rows, -(-cols // group) * group))
    padded[:, :cols] = weight
    groups = padded.reshape(rows, -1, group)
    low = groups.min(-1, keepdims=True)
    levels = 2**bits - 1
    scale = np.maximum((groups.max(-1, keepdims=True) - low) / levels, 1e-12)
    decoded = np.clip(np.rint((groups - low) / scale), 0, levels) * scale + low
    error = (decoded - groups).reshape(rows, -1)[:, :cols]
    return np.sqrt((error**2).mean() / (weight.astype(float) ** 2).mean())


def concentration(weight):
    w = weight.astype(float)
    gram = w @ w.T if w.shape[0] < w.shape[1] else w.T @ w
    energy = np.linalg.eigvalsh(gram)[::-1]  # squared singular values
    if len(energy) > 512:
        energy = energy[:256]
    top = max(1, int(len(energy) * 0.1))
    return energy[:top].sum() / energy.sum()


@pytest.mark.parametrize("name", HERE)
def test_kurtosis_is_that_of_numpy(outputs, name):
    """Sums in double on both sides: agreement to 1e-6 relative leaves room for
    the order of 10^7 additions only."""
    seen = 0
    for record, weight in matrices(outputs, name):
        w = weight.astype(float)
        centred = w - w.mean()
        expected = (centred**4).mean() / (centred**2).mean() ** 2 - 3
        found = record["metrics"]["excess_kurtosis"]
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)
        seen += 1
    assert seen > 0


@pytest.mark.parametrize("name", HERE)
def test_rounding_error_is_that_of_the_definition(outputs, name):
    """numpy works in double, `ram` may round in float32: a tie that falls the
    other way moves one weight by a step that its neighbours outnumber."""
    for record, weight in matrices(outputs, name):
        assert record["metrics"]["rounding_error_4bit_g128"] == pytest.approx(
            minmax_nrmse(weight, 4, 128), rel=1e-4
        )


@pytest.mark.parametrize("name", HERE)
def test_output_noise_is_that_of_the_closed_form(outputs, name):
    for record, weight in matrices(outputs, name):
        w = weight.astype(float)
        step = (w.max() - w.min()) / 16
        expected = step * np.sqrt(w.size / 12) / np.linalg.norm(w)
        assert record["metrics"]["output_noise"] == pytest.approx(
            expected, rel=1e-6
        )


@pytest.mark.parametrize("name", HERE)
def test_spectral_concentration_is_that_of_all_eigenvalues(outputs, name):
    seen = 0
    for record, weight in matrices(outputs, name):
        if min(weight.shape) > 1024:  # cubic
            continue
        found = record["metrics"]["spectral_concentration"]
        assert found == pytest.approx(concentration(weight), abs=2e-3)
        seen += 1
    assert seen > 0


@pytest.mark.parametrize("name", HERE)
def test_minmax_errors_are_those_of_mx_quantize(outputs, name):
    """nmse of every affine scheme, against encoding and decoding with MLX in
    the type that `ram` would store."""
    everything = manifest(outputs, name)
    schemes = everything["schemes"]
    checked = 0
    for record, weight in matrices(outputs, name):
        if weight.size > 1_000_000:
            continue
        w = weight.astype(float)
        # F32 sources: codes are chosen before scales are cast to BF16.
        source = mx.array(weight)
        if record["dtype"] == "BF16":
            source = source.astype(mx.bfloat16)
        for scheme, nmse in zip(schemes, record["nmse"]):
            if scheme.get("encoder", "minmax") != "minmax" or nmse is None:
                continue
            bits, group = scheme["bits"], scheme["group_size"]
            codes, scales, biases = mx.quantize(
                source, group_size=group, bits=bits
            )
            decoded = np.array(
                mx.dequantize(
                    codes,
                    scales.astype(mx.bfloat16).astype(mx.float32),
                    biases.astype(mx.bfloat16).astype(mx.float32),
                    group_size=group,
                    bits=bits,
                )
            ).astype(float)
            expected = ((decoded - w) ** 2).sum() / (w**2).sum()
            assert nmse == pytest.approx(expected, rel=1e-5), record["name"]
            checked += 1
    assert checked >= 18


@pytest.mark.parametrize("name", HERE)
def test_profile_holds_row_norms_and_column_moments(outputs, name):
    out = outputs.analyze(FILES[name], "--spectra")
    profile = mx.load(str(out / "profile.safetensors"))
    seen = 0
    for record, weight in matrices(outputs, name):
        w = weight.astype(float)
        rows = np.array(profile[f"{record['name']}.row_norms"])
        columns = np.array(
            profile[f"{record['name']}.column_second_moments"]
        )
        np.testing.assert_allclose(rows, np.linalg.norm(w, axis=1), rtol=1e-5)
        np.testing.assert_allclose(columns, (w**2).mean(0), rtol=1e-5)
        seen += 1
    assert seen > 0
