"""Writes tests/data/mlx_names/*.json: for a tiny config of every family, the
parameters that mlx-lm's own model class has. Run with the packages of
tests/peers/requirements.txt; the files are committed.

    python tests/peers/make_mlx_names.py
"""

import importlib
import json
import pathlib

import mlx_lm
from mlx.utils import tree_flatten

DENSE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "vocab_size": 128,
    "rope_theta": 10000.0,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
MIXTURE = DENSE | {
    "moe_intermediate_size": 32,
    "num_experts_per_tok": 2,
    "norm_topk_prob": True,
}
ROUTED = MIXTURE | {
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "routed_scaling_factor": 1.0,
    "n_group": 1,
    "topk_group": 1,
    "topk_method": "noaux_tc",
    "first_k_dense_replace": 1,
    "num_nextn_predict_layers": 1,
    "attention_bias": False,
    "rope_scaling": None,
}
LATENT = ROUTED | {
    "q_lora_rank": 32,
    "kv_lora_rank": 64,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 16,
    "v_head_dim": 32,
    "num_key_value_heads": 4,
}
HYBRID = MIXTURE | {
    "head_dim": 16,
    "num_hidden_layers": 4,
    "full_attention_interval": 4,
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_conv_kernel_dim": 4,
    "mtp_num_hidden_layers": 1,
    "attention_bias": False,
}
GEMMA = DENSE | {
    "head_dim": 16,
    "query_pre_attn_scalar": 16,
    "sliding_window": 32,
    "sliding_window_pattern": 2,
    "rope_local_base_freq": 10000.0,
    "tie_word_embeddings": True,
}

CONFIGS = {
    "llama": DENSE | {"architectures": ["LlamaForCausalLM"]},
    "llama_bias": DENSE | {"attention_bias": True, "mlp_bias": True},
    "mistral": DENSE | {"head_dim": 16},
    "mixtral": DENSE | {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen2": DENSE | {"tie_word_embeddings": True},
    "qwen3": DENSE | {"head_dim": 16, "attention_bias": False},
    "qwen3_moe": MIXTURE
    | {
        "head_dim": 16,
        "num_experts": 4,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [0],
    },
    "qwen3_5_moe": {
        "text_config": HYBRID
        | {
            "num_experts": 4,
            "shared_expert_intermediate_size": 32,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
            "model_type": "qwen3_5_moe_text",
        },
        "tie_word_embeddings": False,
    },
    "qwen3_5": {
        "text_config": HYBRID | {"model_type": "qwen3_5_text"},
        "tie_word_embeddings": False,
    },
    "glm4": DENSE
    | {"head_dim": 16, "attention_bias": True, "partial_rotary_factor": 0.5},
    "glm4_moe": ROUTED
    | {"head_dim": 16, "use_qk_norm": True, "partial_rotary_factor": 0.5},
    "glm4_moe_lite": dict(LATENT),
    "deepseek_v3": LATENT
    | {
        "scoring_func": "sigmoid",
        "moe_layer_freq": 1,
        "num_experts_per_tok": 2,
    },
    "dbrx": {
        "vocab_size": 128,
        "d_model": 64,
        "n_layers": 2,
        "n_heads": 4,
        "ffn_config": {
            "ffn_hidden_size": 96,
            "moe_num_experts": 4,
            "moe_top_k": 2,
        },
        "attn_config": {"kv_n_heads": 2, "clip_qkv": 8, "rope_theta": 500000},
        "tie_word_embeddings": False,
    },
    "phi3": DENSE | {"tie_word_embeddings": False},
    "gemma3_text": dict(GEMMA),
    "gemma3": {
        "text_config": GEMMA | {"model_type": "gemma3_text"},
        "vocab_size": 128,
        "tie_word_embeddings": True,
    },
    "gpt2": {
        "n_ctx": 64,
        "n_embd": 64,
        "n_head": 4,
        "n_inner": 256,
        "n_layer": 2,
        "n_positions": 64,
        "layer_norm_epsilon": 1e-5,
        "vocab_size": 128,
        "num_key_value_heads": 4,
    },
}
# What mlx-lm renames before it looks for a class.
MODULES = {"mistral": "llama", "llama_bias": "llama"}


def parameters(model_type, config):
    module = importlib.import_module(f"mlx_lm.models.{model_type}")
    model = module.Model(module.ModelArgs.from_dict(config))
    if model_type.startswith("gemma3"):  # the head goes when it is not stored
        getattr(model, "language_model", model).sanitize({})
    return {k: list(v.shape) for k, v in tree_flatten(model.parameters())}


def main():
    folder = pathlib.Path(__file__).parent.parent / "data" / "mlx_names"
    folder.mkdir(parents=True, exist_ok=True)
    for name, config in CONFIGS.items():
        module = MODULES.get(name, name)
        config["model_type"] = "llama" if name == "llama_bias" else name
        found = parameters(module, json.loads(json.dumps(config)))
        text = json.dumps(
            {
                "mlx_lm": mlx_lm.__version__,
                "config": config,
                "parameters": dict(sorted(found.items())),
            },
        )
        text = text.replace('], "', '],\n "').replace(', "config"', ',\n"config"')
        text = text.replace(', "parameters": {', ',\n"parameters": {\n ')
        (folder / f"{name}.json").write_text(text + "\n")
        print(f"{name}: {len(found)} parameters")


if __name__ == "__main__":
    main()
