"""Writes tests/data/forward/NAME/: tiny models with random weights and what
transformers makes of them.

Needs tests/peers/live-requirements.txt and no GPU:
    python tests/peers/make_forward_golden.py tests/data/forward

NAME/config.json, NAME/model.safetensors: the checkpoint, weights rounded to
bfloat16. NAME/golden.json, all computed in float32 with eager attention:
    tokens          token ids of one text
    log_probs       the log-probability of tokens[1], tokens[2], ...
    next_log_probs  of every token of the vocabulary after the text
"""

import json
import shutil
import sys
from pathlib import Path

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

VOCABULARY = 96
TOKENS = 56
SMALL = dict(
    vocab_size=VOCABULARY,
    hidden_size=48,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    max_position_embeddings=128,
    tie_word_embeddings=False,
    bos_token_id=None,
    eos_token_id=None,
    pad_token_id=None,
)
EXPERTS = dict(moe_intermediate_size=24, num_experts_per_tok=3)
LATENT = dict(
    kv_lora_rank=20,
    q_lora_rank=28,
    qk_nope_head_dim=12,
    qk_rope_head_dim=8,
    v_head_dim=10,
    num_key_value_heads=4,
)
ROUTED = dict(
    n_routed_experts=8,
    n_shared_experts=2,
    routed_scaling_factor=1.7,
    norm_topk_prob=True,
    num_nextn_predict_layers=0,
    **EXPERTS,
)
LLAMA3 = dict(
    rope_type="llama3",
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=32,
)


def without(settings, *keys):
    return {k: v for k, v in settings.items() if k not in keys}


# name: (model_type, settings, replaced in config.json afterwards)
MODELS = {
    "llama": ("llama", SMALL, {}),
    "llama-tied-biased": (
        "llama",
        SMALL
        | dict(tie_word_embeddings=True, attention_bias=True, mlp_bias=True),
        {},
    ),
    # The way published Llama 3 checkpoints write it.
    "llama3-scaled": (
        "llama",
        SMALL | dict(rope_parameters=LLAMA3 | dict(rope_theta=500.0)),
        {"rope_parameters": None, "rope_theta": 500.0, "rope_scaling": LLAMA3},
    ),
    "llama-linear": (
        "llama",
        SMALL
        | dict(
            rope_parameters=dict(rope_type="linear", factor=4.0, rope_theta=1e4)
        ),
        {
            "rope_parameters": None,
            "rope_theta": 1e4,
            "rope_scaling": {"type": "linear", "factor": 4.0},
        },
    ),
    "mistral-window": ("mistral", SMALL | dict(sliding_window=11), {}),
    "qwen2": ("qwen2", without(SMALL, "head_dim"), {}),
    "qwen2-window": (
        "qwen2",
        without(SMALL, "head_dim")
        | dict(
            use_sliding_window=True, sliding_window=9, max_window_layers=1
        ),
        {"layer_types": None},
    ),
    "qwen3": ("qwen3", SMALL | dict(tie_word_embeddings=True), {}),
    "qwen3-yarn": (
        "qwen3",
        SMALL
        | dict(
            rope_parameters=dict(
                rope_type="yarn",
                factor=4.0,
                rope_theta=1e4,
                original_max_position_embeddings=32,
            )
        ),
        {},
    ),
    "qwen3-moe": (
        "qwen3_moe",
        SMALL
        | EXPERTS
        | dict(num_experts=8, norm_topk_prob=True, mlp_only_layers=[1]),
        {},
    ),
    "qwen3-moe-raw-weights": (
        "qwen3_moe",
        SMALL
        | EXPERTS
        | dict(num_experts=8, norm_topk_prob=False, decoder_sparse_step=2),
        {},
    ),
    "mixtral": (
        "mixtral",
        SMALL | dict(num_local_experts=4, num_experts_per_tok=2),
        {},
    ),
    "phi3": ("phi3", without(SMALL, "head_dim"), {}),
    "glm4": ("glm4", SMALL | dict(attention_bias=True), {}),
    "glm4-moe": (
        "glm4_moe",
        SMALL
        | ROUTED
        | dict(use_qk_norm=True, attention_bias=True, first_k_dense_replace=1),
        {},
    ),
    "glm4-moe-lite": (
        "glm4_moe_lite",
        without(SMALL, "head_dim") | ROUTED | LATENT | dict(n_shared_experts=1),
        {},
    ),
    "deepseek-v3": (
        "deepseek_v3",
        without(SMALL, "head_dim")
        | ROUTED
        | LATENT
        | dict(
            n_group=4,
            topk_group=2,
            first_k_dense_replace=1,
            rope_parameters=dict(
                rope_type="yarn",
                factor=4.0,
                rope_theta=1e4,
                original_max_position_embeddings=32,
                mscale=1.0,
                mscale_all_dim=0.7,
            ),
        ),
        {},
    ),
    "deepseek-v3-one-query": (
        "deepseek_v3",
        without(SMALL, "head_dim")
        | ROUTED
        | LATENT
        | dict(
            q_lora_rank=None,
            n_group=1,
            topk_group=1,
            first_k_dense_replace=0,
            attention_bias=True,
        ),
        {},
    ),
    "gemma3": (
        "gemma3_text",
        SMALL
        | dict(
            num_hidden_layers=4,
            sliding_window=13,
            tie_word_embeddings=True,
            query_pre_attn_scalar=24,
            layer_types=["sliding_attention"] * 3 + ["full_attention"],
        ),
        {},
    ),
    "gemma3-old-config": (
        "gemma3_text",
        SMALL
        | dict(
            num_hidden_layers=3,
            sliding_window=13,
            tie_word_embeddings=True,
            query_pre_attn_scalar=16,
            final_logit_softcapping=20.0,
            layer_types=[
                "sliding_attention",
                "full_attention",
                "sliding_attention",
            ],
            rope_parameters=dict(
                sliding_attention=dict(rope_type="default", rope_theta=1e4),
                full_attention=dict(
                    rope_type="linear", factor=8.0, rope_theta=1e6
                ),
            ),
        ),
        {
            "layer_types": None,
            "sliding_window_pattern": 2,
            "rope_parameters": None,
            "rope_theta": 1e6,
            "rope_local_base_freq": 1e4,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        },
    ),
}


def randomise(model, generator):
    """Weights that make every part matter, on the bfloat16 grid."""
    for name, tensor in list(model.named_parameters()) + [
        (name, buffer)
        for name, buffer in model.named_buffers()
        if name.endswith("e_score_correction_bias")
    ]:
        noise = torch.randn(tensor.shape, generator=generator)
        if "norm" in name:
            centre = 0.0 if "Gemma3" in type(model).__name__ else 1.0
            value = centre + 0.3 * noise
        elif tensor.dim() == 1:
            value = 0.3 * noise
        elif "embed_tokens" in name:
            value = 0.5 * noise
        else:
            value = 1.5 * noise / tensor.shape[-1] ** 0.5
        with torch.no_grad():
            tensor.copy_(value.to(torch.bfloat16))


def save(directory, model_type, settings, replaced):
    generator = torch.Generator().manual_seed(42)
    config = AutoConfig.for_model(model_type, **settings)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    randomise(model, generator)
    model.to(torch.bfloat16).save_pretrained(directory)
    (directory / "generation_config.json").unlink(missing_ok=True)
    path = directory / "config.json"
    config = json.loads(path.read_text())
    for key, value in replaced.items():
        if value is None:
            config.pop(key, None)
        else:
            config[key] = value
    for key in ("transformers_version", "use_cache"):
        config.pop(key, None)
    path.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def load(directory):
    model, info = AutoModelForCausalLM.from_pretrained(
        directory,
        dtype=torch.float32,
        attn_implementation="eager",
        output_loading_info=True,
    )
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[kind], f"{directory}: {kind}: {info[kind]}"
    return model.eval()


def golden(directory):
    generator = torch.Generator().manual_seed(7)
    tokens = torch.randint(0, VOCABULARY, (1, TOKENS), generator=generator)
    with torch.no_grad():
        logits = load(directory)(tokens).logits[0].double()
    log_probs = torch.log_softmax(logits, dim=-1)
    came = log_probs[:-1].gather(1, tokens[0, 1:, None])[:, 0]
    return {
        "transformers": transformers.__version__,
        "tokens": tokens[0].tolist(),
        "log_probs": [round(x, 7) for x in came.tolist()],
        "next_log_probs": [round(x, 7) for x in log_probs[-1].tolist()],
    }


def main():
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    for name, (model_type, settings, replaced) in MODELS.items():
        directory = out / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        save(directory, model_type, settings, replaced)
        (directory / "golden.json").write_text(
            json.dumps(golden(directory)) + "\n"
        )
        print(name)


if __name__ == "__main__":
    main()
