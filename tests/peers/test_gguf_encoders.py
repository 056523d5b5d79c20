"""Our encoders of ggml's blocks beside the quantisers of the `gguf` package,
decoded by that package."""

import subprocess
import sys

import blocks_side
import numpy as np
import pytest
from conftest import ROOT
from gguf.constants import GGMLQuantizationType
from gguf.quants import quantize

EFFORTS = ["fast", "best"]


def test_golden_files_are_the_packages_own(tmp_path):
    script = ROOT / "tests/peers/make_gguf_encoder_golden.py"
    subprocess.run([sys.executable, script, tmp_path], check=True)
    committed = sorted((ROOT / "tests/data/gguf_encode").iterdir())
    assert len(committed) == 8
    for path in committed:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("name", ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_no_block_is_worse_than_the_packages(name, effort, tmp_path):
    for label, weights in blocks_side.samples().items():
        blocks, _ = blocks_side.encode(name, effort, weights, tmp_path)
        ours = blocks_side.decode(name, blocks, weights.shape)
        theirs = blocks_side.decode(
            name, quantize(weights, GGMLQuantizationType[name]), weights.shape
        )
        # Sums in float32 cannot tell choices that are as good as equal.
        off = [
            ((weights - decoded).astype(np.float64) ** 2).reshape(-1, 32).sum(axis=1)
            for decoded in (ours, theirs)
        ]
        assert (off[0] <= off[1] * (1 + 1e-5)).all(), label
        assert off[0].sum() < off[1].sum(), label


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("name", ["F16", "BF16"])
def test_plain_numbers_are_the_packages(name, effort, tmp_path):
    for weights in blocks_side.samples().values():
        blocks, _ = blocks_side.encode(name, effort, weights, tmp_path)
        theirs = quantize(weights, GGMLQuantizationType[name])
        assert blocks.tobytes() == theirs.tobytes()


# Relative errors that no encoder of so many bits should exceed: of a uniform
# quantiser with 2^bits steps from -4 to 4 sigma, sqrt(1 / 12) of a step.
@pytest.mark.parametrize("name", blocks_side.TYPES)
def test_the_package_decodes_what_was_meant(name, tmp_path):
    bits = int(name.lstrip("IQ")[0])
    weights = blocks_side.samples()["Gaussian"]
    blocks, _ = blocks_side.encode(name, "best", weights, tmp_path)
    off = weights - blocks_side.decode(name, blocks, weights.shape)
    assert np.sqrt((off**2).mean()) < weights.std() * 8 / 2**bits / 12**0.5


@pytest.mark.parametrize("name", blocks_side.TYPES)
def test_bytes_do_not_depend_on_threads(name, tmp_path):
    weights = blocks_side.samples(rows=600)["Laplace"]
    one, _ = blocks_side.encode(name, "fast", weights, tmp_path, threads=1)
    three, _ = blocks_side.encode(name, "fast", weights, tmp_path, threads=3)
    assert one.tobytes() == three.tobytes()
