"""`--like MIX` gives every tensor the type that llama.cpp itself gives it."""

import json

import gguf_models
import llama_library
import pytest
from conftest import ROOT, run_ram
from gguf import GGUFReader, LlamaFileType
from test_gguf_target import KEPT, compress

# Q2_K_S wants an importance matrix of llama-quantize.
MIXES = "Q2_K Q3_K_S Q3_K_M Q3_K_L IQ4_XS IQ4_NL Q4_0 Q4_1 Q4_K_S Q4_K_M"
MIXES += " Q5_0 Q5_1 Q5_K_S Q5_K_M Q6_K Q8_0"


def types(path):
    return {t.name: t.tensor_type.name for t in GGUFReader(path).tensors}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    return compress(ROOT / "models/wiki-dense", folder / "out", *KEPT)


@pytest.mark.parametrize("mix", MIXES.split())
def test_types_are_those_of_llama_quantize(kept, mix, tmp_path):
    number = getattr(LlamaFileType, "MOSTLY_" + mix)
    llama_library.quantize(kept, tmp_path / "theirs.gguf", int(number))
    ours = compress(ROOT / "models/wiki-dense", tmp_path / "ours", "--like", mix)
    assert types(ours) == types(tmp_path / "theirs.gguf")
    # A value of theirs more or less would show: the metadata is the same.
    assert ours.stat().st_size == (tmp_path / "theirs.gguf").stat().st_size


def test_a_published_mix_is_met(tmp_path):
    published = gguf_models.model("gemma-3-270m.gguf")
    if published is None:
        pytest.skip("the model cannot be had")
    ours = compress(published, tmp_path / "ours", "--like", "Q4_K_M")
    assert types(ours) == types(published)
    plan = json.loads((tmp_path / "ours/plan.json").read_text())
    assert plan["options"]["like"] == "Q4_K_M"
