"""Target vllm in the hands of transformers with compressed-tensors, on the CPU:
nothing is missing or left over, every weight is what our codes decode to, and
the logits are those of a model of those weights."""

import json
import sys
from pathlib import Path

import pytest
import torch
from compressed_tensors.quantization import QuantizationConfig
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import ROOT, run_ram  # noqa: E402

TINY = ROOT / "tests/data/vllm"
SIZES = dict(
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    vocab_size=80,
    max_position_embeddings=64,
    tie_word_embeddings=False,
    bos_token_id=None,
    eos_token_id=None,
    pad_token_id=None,
)
HEADS = SIZES | dict(head_dim=32)
ROUTED = dict(
    n_routed_experts=4,
    n_shared_experts=1,
    num_experts_per_tok=2,
    moe_intermediate_size=32,
    first_k_dense_replace=1,
    n_group=1,
    topk_group=1,
)
LATENT = SIZES | dict(
    num_key_value_heads=2,
    kv_lora_rank=32,
    q_lora_rank=32,
    qk_nope_head_dim=32,
    qk_rope_head_dim=32,
    v_head_dim=32,
)
# Families made here, with random weights.
FAMILIES = {
    "llama": HEADS | dict(tie_word_embeddings=True),
    "mistral": HEADS,
    "qwen2": SIZES,
    "mixtral": HEADS | dict(num_local_experts=3, num_experts_per_tok=2),
    "phi3": SIZES | dict(num_key_value_heads=2),
    "glm4": HEADS,
    "glm4_moe": HEADS | ROUTED,
    "glm4_moe_lite": LATENT
    | {k: v for k, v in ROUTED.items() if k != "first_k_dense_replace"},
    "deepseek_v3": LATENT | ROUTED,
    "gemma3_text": HEADS,
}
UNIFORM = ("--policy", "uniform", "--group-size", 32)
# A source and the options of `ram compress`.
CASES = [
    (TINY / "qwen3", UNIFORM),
    (
        TINY / "qwen3",
        ("--set", "*.self_attn.*=8:32", "--set", "*.mlp.*=4:32"),
    ),
    (
        TINY / "qwen3",
        (
            "--allow-unportable",
            *("--set", "*.qkv_proj=3:32", "--set", "*.o_proj=5:32"),
            *("--set", "*.gate_up_proj=6:32", "--set", "*.down_proj=2:32"),
        ),
    ),
    (TINY / "qwen3-moe", UNIFORM),
    (
        TINY / "qwen3-moe",
        ("--set", "*.self_attn.*=8:32", "--set", "*.experts=4:32"),
    ),
    (ROOT / "models/wiki-dense", ()),
    *((family, UNIFORM) for family in FAMILIES),
]


def write_model(family, folder):
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **FAMILIES[family])
    model = AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
    with torch.no_grad():
        for parameter in model.parameters():
            vector = parameter.dim() == 1
            noise = torch.randn(parameter.shape) * (0.02 if vector else 0.15)
            parameter.copy_(noise + vector)
    model.save_pretrained(folder)
    return folder


def signed_codes(words, bits, cols):
    """q of a stream of words, one bit after the other."""
    shifts = torch.arange(32)
    stream = (words.to(torch.int64).unsqueeze(-1) >> shifts) & 1
    stream = stream.flatten(-2)[:, : cols * bits].unflatten(-1, (cols, bits))
    return (stream << torch.arange(bits)).sum(-1) - (1 << (bits - 1))


def dequantized(folder):
    """The weights under their own names, in the type of their scales."""
    stored = load_file(folder / "model.safetensors")
    weights = {}
    for name, tensor in stored.items():
        module, _, kind = name.rpartition(".")
        if kind == "weight_packed":
            rows, cols = stored[f"{module}.weight_shape"].tolist()
            scale = stored[f"{module}.weight_scale"]
            bits = tensor.shape[1] * 32 // cols
            codes = signed_codes(tensor, bits, cols).unflatten(
                -1, (scale.shape[1], -1)
            )
            weight = (codes * scale.float().unsqueeze(-1)).flatten(-2)
            assert weight.shape == (rows, cols)
            weights[f"{module}.weight"] = weight.to(scale.dtype)
        elif kind not in ("weight_scale", "weight_shape"):
            weights[name] = tensor
    return weights


def load(folder):
    model, told = AutoModelForCausalLM.from_pretrained(
        folder, dtype="auto", output_loading_info=True
    )
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not told[what], f"{what}: {told[what]}"
    return model.eval()


def logits(model, vocabulary):
    tokens = torch.arange(24).reshape(2, 12) * 7 % vocabulary
    with torch.no_grad():
        return model(tokens).logits


@pytest.fixture(scope="module", params=range(len(CASES)))
def case(request, tmp_path_factory):
    source, options = CASES[request.param]
    folder = tmp_path_factory.mktemp("vllm")
    if source in FAMILIES:
        source = write_model(source, folder / "source")
    out = folder / "out"
    run_ram("compress", source, "-o", out, "--target", "vllm", *options)
    return out, folder


def test_config_passes_the_schema(case):
    out, _ = case
    config = json.loads((out / "config.json").read_text())
    parsed = QuantizationConfig.model_validate(config["quantization_config"])
    assert parsed.format == "pack-quantized"
    for group in parsed.config_groups.values():
        assert group.weights.symmetric and group.weights.strategy == "group"


def test_transformers_sees_our_weights(case):
    out, folder = case
    weights = dequantized(out)
    plain = folder / "plain"
    plain.mkdir(exist_ok=True)
    config = json.loads((out / "config.json").read_text())
    del config["quantization_config"]
    (plain / "config.json").write_text(json.dumps(config))
    save_file(weights, plain / "model.safetensors", {"format": "pt"})
    reference, packed = load(plain), load(out)
    vocabulary = config["vocab_size"]
    expected = logits(reference, vocabulary)
    found = logits(packed, vocabulary)  # decompresses at first use
    mine = dict(packed.named_parameters())
    for name, weight in reference.named_parameters():
        assert torch.equal(mine[name], weight), name
    assert torch.equal(found, expected)
