"""Real GGUF models: what `ram` reads is what the `gguf` package decodes, and
what it writes from them computes what it should in mlx-lm."""

import json

import gguf_models
import mlx.core as mx
import numpy as np
import pytest
from conftest import run_ram
from gguf import GGUFReader
from gguf.quants import dequantize
from mlx_side import in_float32, load, logits_difference, parameters

MODELS = [
    path for path in map(gguf_models.model, gguf_models.MODELS) if path
]
KEPT = ("--policy", "uniform", "--set", "*=16")


def unpaired(weight, heads):
    """Undoes LlamaModel.permute of llama.cpp's converter."""
    rows = weight.reshape(heads, weight.shape[0] // heads // 2, 2, -1)
    return rows.swapaxes(1, 2).reshape(weight.shape)


MODULES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_norm": "input_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
NORMS = {
    "llama": {"ffn_norm": "post_attention_layernorm"},
    "gemma3": {
        "post_attention_norm": "post_attention_layernorm",
        "ffn_norm": "pre_feedforward_layernorm",
        "post_ffw_norm": "post_feedforward_layernorm",
    },
}


def decoded(path):
    """Every tensor under Hugging Face's name, in float32, by `gguf`."""
    reader = GGUFReader(path)
    arch = reader.fields["general.architecture"].contents()
    field = lambda key: reader.fields[f"{arch}.{key}"].contents()
    heads = {
        "attn_q": field("attention.head_count"),
        "attn_k": field("attention.head_count_kv"),
    }
    found = {}
    for tensor in reader.tensors:
        shape = [int(n) for n in reversed(tensor.shape)]
        weight = dequantize(tensor.data, tensor.tensor_type).reshape(shape)
        name = tensor.name
        if name.startswith("blk."):
            _, layer, module, leaf = name.split(".")
            if arch == "llama" and module in heads:
                weight = unpaired(weight, heads[module])
            inner = MODULES.get(module) or NORMS[arch][module]
            full = f"model.layers.{layer}.{inner}.{leaf}"
        else:
            full = {
                "token_embd.weight": "model.embed_tokens.weight",
                "output_norm.weight": "model.norm.weight",
            }[name]
        if arch == "gemma3" and name.endswith("norm.weight"):
            weight = weight - np.float32(1)
        found[full] = weight
    return found


def stored(folder):
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        found.update(mx.load(str(path)))
    return found


@pytest.fixture(scope="module", params=MODELS, ids=lambda path: path.stem)
def kept(request, tmp_path_factory):
    """The model with every matrix kept at 16 bits, for MLX."""
    out = tmp_path_factory.mktemp("gguf") / "out"
    run_ram("compress", request.param, "-o", out, *KEPT)
    return request.param, out


def test_weights_are_what_the_package_decodes(kept):
    """Matrices rounded to bfloat16, to the bit; norms in float32, as stored."""
    path, out = kept
    ours, theirs = stored(out), decoded(path)
    assert set(ours) == set(theirs)
    for name, weight in theirs.items():
        wanted = mx.array(weight).astype(ours[name].dtype)
        assert mx.array_equal(ours[name], wanted), name


def test_mlx_computes_the_same_from_both(kept):
    """The same float32 computation on the same numbers."""
    path, out = kept
    reference = in_float32(load(out))
    weights = [
        (name, mx.array(weight).astype(mx.bfloat16).astype(mx.float32))
        if weight.ndim == 2
        else (name, mx.array(weight))
        for name, weight in decoded(path).items()
    ]
    ours = in_float32(load(out))
    reference.load_weights(weights, strict=True)
    difference = logits_difference(ours, reference, [1, 504, 3575, 282, 4649])
    assert difference.scale > 1
    assert difference.largest == 0
    assert set(parameters(ours)) == {name for name, _ in weights}


TEXT = (
    "The quick brown fox jumps over the lazy dog . It was the best of times , "
    "it was the worst of times ."
).split()


def test_the_model_still_speaks(kept):
    """A wrong row order, norm or scale makes English as unlikely as chance,
    ln 49,152 = 10.8 nats a token; both models give it 2 to 3."""
    path, out = kept
    tokens = GGUFReader(path).fields["tokenizer.ggml.tokens"].contents()
    ids = {token: i for i, token in enumerate(tokens)}
    space = "Ġ" if "Ġthe" in ids else "▁"
    text = [ids[TEXT[0]]]
    text += [ids.get(space + w, ids.get(w)) for w in TEXT[1:]]
    if "<bos>" in ids:
        text = [ids["<bos>"]] + text
    logits = load(out)(mx.array([text]))[0].astype(mx.float32)
    likely = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    losses = [-float(likely[i, text[i + 1]]) for i in range(len(text) - 1)]
    assert np.mean(losses) < 4


def test_every_command_works(kept, tmp_path):
    path, _ = kept
    inspected = json.loads(run_ram("inspect", path, "--json"))
    assert inspected["architecture"].endswith("ForCausalLM")
    run_ram("analyze", path, "-o", tmp_path / "analysis")
    plan = tmp_path / "plan.json"
    manifest = tmp_path / "analysis/manifest.json"
    run_ram("allocate", manifest, "--target", "mlx", "-o", plan)
    out = tmp_path / "out"
    run_ram("compress", path, "-o", out, "--plan", plan)
    run_ram("audit", out, "--source", path)
    run_ram("reproduce", out, "--source", path)
    load(out)
