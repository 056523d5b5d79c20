"""Writes tests/data/vllm/NAME/: a tiny model as Hugging Face stores it
(config.json, model.safetensors) and, in packed.safetensors, its projections as
compressed-tensors packs them: attention with 8 bits, all else with 4, in
groups of 32.

Needs tests/peers/live-requirements.txt:
    python tests/peers/make_vllm_golden.py tests/data/vllm
"""

import sys
from pathlib import Path

import torch
from make_packed_int_golden import compress
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

GROUP = 32
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
    "vocab_size": 80,
    "max_position_embeddings": 64,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
MODELS = {
    "qwen3": {"model_type": "qwen3"},
    "qwen3-moe": {
        "model_type": "qwen3_moe",
        "num_experts": 3,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 32,
        "num_hidden_layers": 1,
    },
}


def bits_of(name):
    """Of a module; None for those that stay as they are."""
    if ".self_attn." in name and name.endswith("_proj"):
        return 8
    return 4 if ".mlp." in name and name.endswith("_proj") else None


def write(folder, options):
    options = {**SIZES, **options}
    torch.manual_seed(1)
    config = AutoConfig.for_model(options.pop("model_type"), **options)
    model = AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
    with torch.no_grad():
        for parameter in model.parameters():
            spread = 0.02 if parameter.dim() == 1 else 0.15
            noise = torch.randn(parameter.shape) * spread
            parameter.copy_(noise + (parameter.dim() == 1))
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    packed = {}
    for name, weight in load_file(folder / "model.safetensors").items():
        module = name.removesuffix(".weight")
        bits = bits_of(module)
        if bits is None:
            continue
        codes, scale, shape = compress(weight, bits, GROUP)
        packed[f"{module}.weight_packed"] = codes
        packed[f"{module}.weight_scale"] = scale
        packed[f"{module}.weight_shape"] = shape
    save_file(packed, folder / "packed.safetensors", {"format": "pt"})


def main():
    for name, options in MODELS.items():
        write(Path(sys.argv[1]) / name, options)


if __name__ == "__main__":
    main()
