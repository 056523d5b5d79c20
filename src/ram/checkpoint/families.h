// The descriptions behind AllArchitectures(), a file per kind of family.
#pragma once

#include <array>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "ram/checkpoint/architecture.h"

namespace ram {

std::vector<Architecture> DenseFamilies();
std::vector<Architecture> MixtureFamilies();  // many experts, usual attention
std::vector<Architecture> LatentFamilies();   // multi-head latent attention

using Patterns = std::vector<TensorPattern>;

// What feeds attention and the feed-forward block in most families.
inline constexpr std::string_view kInput = "input_layernorm.weight";
inline constexpr std::string_view kPostAttention =
    "post_attention_layernorm.weight";

// Shared pieces. All concatenate with Join.
Patterns Join(std::initializer_list<Patterns> parts);
Patterns EmbeddingAndFinalNorm();
Patterns Head();
// q, k, v and o of heads x head_dim; biases where the config asks for them.
Patterns Attention(uint32_t when = kAnyLayer);
Patterns QkNorm(uint32_t when = kAnyLayer);
// input_layernorm and post_attention_layernorm.
Patterns TwoNorms();
// gate, up and down of intermediate_size rows, fed by `norm`.
Patterns DenseMlp(std::string_view norm, uint32_t when = kAnyLayer);
// Router and experts under "mlp.", separate, packed or stacked by MLX;
// `experts` is the config key of their number.
Patterns MixtureMlp(std::string_view experts);

// Another form of what is stored fused: q, k and v, or gate and up, as matrices
// of their own, the way native writes them. Their paths, in this order.
Patterns SplitQkv(const std::array<std::string_view, 3>& paths,
                  std::string_view norm);
Patterns SplitGateUp(std::string_view norm);
// Another form of numbered experts: MLX's stacks of gate, up and down. Their
// paths, in this order; `canonical` as TensorPattern's.
Patterns SwitchMlp(const std::array<std::string_view, 3>& paths,
                   std::string_view canonical, std::string_view experts,
                   std::string_view wide);

// What DeepSeek-V3's kind of mixture has besides: shared experts, the
// router's correction.
Patterns RoutedExtras();
// What only a layer for multi-token prediction has.
Patterns PredictionLayer();

}  // namespace ram
