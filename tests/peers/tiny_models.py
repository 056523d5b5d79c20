"""Models of every family that target gguf can write, small and with random
weights: what bench/make_checkpoint makes of a config.json, the tokenizer of
models/wiki-dense beside it.
"""

import json
import os
import shutil
import subprocess

import numpy as np
from conftest import ROOT
from safetensors import safe_open
from safetensors.numpy import save_file

MAKE = os.environ.get(
    "MAKE_CHECKPOINT", str(ROOT / "build/release/bench/make_checkpoint")
)
TOKENIZER = ROOT / "models/wiki-dense"
VOCABULARY = 8192  # of that tokenizer

SIZES = dict(
    _name_or_path="tiny",
    vocab_size=VOCABULARY,
    hidden_size=256,
    intermediate_size=512,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=64,
    max_position_embeddings=512,
    rms_norm_eps=1e-6,
    rope_theta=10000.0,
    hidden_act="silu",
    tie_word_embeddings=False,
    attention_bias=False,
    torch_dtype="bfloat16",
    eos_token_id=8189,
)
EXPERTS = dict(num_experts_per_tok=3, moe_intermediate_size=256)
ROUTED = EXPERTS | dict(
    n_routed_experts=8,
    n_shared_experts=2,
    first_k_dense_replace=1,
    routed_scaling_factor=1.7,
    norm_topk_prob=True,
    n_group=1,
    topk_group=1,
    num_nextn_predict_layers=0,
)
LATENT = ROUTED | dict(
    kv_lora_rank=64,
    q_lora_rank=96,
    qk_nope_head_dim=64,
    qk_rope_head_dim=32,
    v_head_dim=48,
    num_key_value_heads=4,
)
GEMMA = dict(
    hidden_act=None,
    hidden_activation="gelu_pytorch_tanh",
    num_hidden_layers=7,
    query_pre_attn_scalar=64,
    sliding_window=16,
    rope_theta=1e6,
    rope_local_base_freq=1e4,
    tie_word_embeddings=True,
)

# name: (model_type, class, what differs from SIZES)
CONFIGS = {
    "llama": ("llama", "LlamaForCausalLM", {}),
    "llama-tied-biased": (
        "llama",
        "LlamaForCausalLM",
        dict(attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
    ),
    "llama-3-scaling": (
        "llama",
        "LlamaForCausalLM",
        dict(
            rope_theta=500000.0,
            rope_scaling=dict(
                rope_type="llama3",
                factor=8.0,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
                original_max_position_embeddings=8192,
            ),
        ),
    ),
    "llama-linear": (
        "llama",
        "LlamaForCausalLM",
        dict(rope_scaling=dict(rope_type="linear", factor=4.0)),
    ),
    "mistral": ("mistral", "MistralForCausalLM", {}),
    # Rows of 96 weights are no whole blocks of 256.
    "mixtral": (
        "mixtral",
        "MixtralForCausalLM",
        dict(
            num_local_experts=4, num_experts_per_tok=2, intermediate_size=96
        ),
    ),
    "qwen2": ("qwen2", "Qwen2ForCausalLM", dict(attention_bias=None)),
    "qwen3": ("qwen3", "Qwen3ForCausalLM", dict(tie_word_embeddings=True)),
    "qwen3-yarn": (
        "qwen3",
        "Qwen3ForCausalLM",
        dict(
            rope_scaling=dict(
                rope_type="yarn",
                factor=4.0,
                original_max_position_embeddings=32,
            )
        ),
    ),
    "qwen3-moe": (
        "qwen3_moe",
        "Qwen3MoeForCausalLM",
        EXPERTS
        | dict(
            num_experts=8,
            norm_topk_prob=True,
            decoder_sparse_step=1,
            mlp_only_layers=[],
        ),
    ),
    "glm4": (
        "glm4",
        "Glm4ForCausalLM",
        dict(attention_bias=None, partial_rotary_factor=0.5),
    ),
    "glm4-moe": (
        "glm4_moe",
        "Glm4MoeForCausalLM",
        ROUTED | dict(partial_rotary_factor=0.5, use_qk_norm=True),
    ),
    "glm4-moe-lite": (
        "glm4_moe_lite",
        "Glm4MoeLiteForCausalLM",
        LATENT | dict(head_dim=None),
    ),
    "deepseek-v3": (
        "deepseek_v3",
        "DeepseekV3ForCausalLM",
        LATENT
        | dict(
            head_dim=None,
            n_group=4,
            topk_group=2,
            rope_scaling=dict(
                rope_type="yarn",
                factor=4.0,
                mscale=1.0,
                mscale_all_dim=1.0,
                original_max_position_embeddings=32,
            ),
        ),
    ),
    "deepseek-v3-one-query": (
        "deepseek_v3",
        "DeepseekV3ForCausalLM",
        LATENT | dict(head_dim=None, q_lora_rank=None),
    ),
    "gemma3": ("gemma3_text", "Gemma3ForCausalLM", GEMMA),
    "gemma3-pattern": (
        "gemma3_text",
        "Gemma3ForCausalLM",
        GEMMA
        | dict(
            num_hidden_layers=3,
            sliding_window_pattern=2,
            rope_scaling=dict(rope_type="linear", factor=8.0),
            final_logit_softcapping=20.0,
        ),
    ),
    "phi3": ("phi3", "Phi3ForCausalLM", dict(head_dim=None)),
}


def add_corrections(folder, config):
    """The routers' corrections, which old checkpoints may lack."""
    tensors = {
        f"model.layers.{layer}.mlp.gate.e_score_correction_bias": (
            np.random.default_rng(layer)
            .normal(0, 0.05, config["n_routed_experts"])
            .astype(np.float32)
        )
        for layer in range(
            config["first_k_dense_replace"], config["num_hidden_layers"]
        )
    }
    save_file(tensors, folder / "corrections.safetensors")
    with safe_open(folder / "model.safetensors", "np") as file:
        where = dict.fromkeys(file.keys(), "model.safetensors")
    where |= dict.fromkeys(tensors, "corrections.safetensors")
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": where}))


def make(name, folder, tokenizer=TOKENIZER, **more):
    """The checkpoint's directory, made inside `folder`; `more` goes into its
    config.json."""
    model_type, class_name, changes = CONFIGS[name]
    config = SIZES | changes | more
    config |= dict(model_type=model_type, architectures=[class_name])
    config = {key: v for key, v in config.items() if v is not None}
    if changes.get("q_lora_rank", 0) is None:
        config["q_lora_rank"] = None
    (folder / "config.json").write_text(json.dumps(config))
    out = folder / name
    subprocess.run(
        [MAKE, folder / "config.json", out], check=True, capture_output=True
    )
    if "n_routed_experts" in config:
        add_corrections(out, config)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer / file, out / file)
    return out
