// What a model family's checkpoint looks like: for every tensor its role, its
// shape as formulas over config.json, the norm that feeds it and how it is cut
// into canonical matrices. The one place this is written down; splitting,
// checking, generating and exporting all derive from it.
//
// Roles of a matrix:
//   embed_tokens, lm_head        the vocabulary tables
//   q_proj k_proj v_proj o_proj  attention
//   qkv_proj                     the three in one, where they cannot be cut
//                                (GPT-2 stores them as columns)
//   q_a_proj q_b_proj kv_a_proj  multi-head latent attention
//   embed_q, unembed_out         the two halves of kv_b_proj, per head: keys
//                                (transposed, as they meet the query) and
//                                values
//   linear_qkv linear_z linear_a linear_b linear_out  gated delta net
//   gate_proj up_proj down_proj  feed-forward; of an expert where expert >= 0
//   shared_gate_proj shared_up_proj shared_down_proj shared_expert_gate
//   router                       chooses the experts
//   vision                       anything of a vision tower or its projector
//   other                        purpose unknown (also: input of MTP layers)
// Layers for multi-token prediction use the same roles, in Section::kMtp.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ram {

// How the rows of a tensor (of each expert, for a stack) divide.
enum class Cut : uint8_t {
  kWhole,
  kQkv,     // q, then k, then v
  kGateUp,  // gate, then up, the same number of rows each
  kKvB,     // per head: qk_nope_head_dim rows of keys, v_head_dim of values
  kHeads,   // whole, but a block per head; stored [heads * rows, cols] or
            // [heads, rows, cols]
};

// What a layer is. A pattern applies to a layer that is all of Pattern::when.
enum LayerTrait : uint32_t {
  kAnyLayer = 0,
  kDense = 1u << 0,
  kMoe = 1u << 1,
  kFullAttention = 1u << 2,
  kLinearAttention = 1u << 3,
  kAttentionBias = 1u << 4,
  kQueryLora = 1u << 5,
  kNoQueryLora = 1u << 6,
  kQkNorm = 1u << 7,
  kSharedExpert = 1u << 8,
  kMtpLayer = 1u << 9,
  kMlpBias = 1u << 10,
  // Another form of what an earlier pattern of the family holds, or a tensor
  // that may be absent: recognised and checked, never missed or generated.
  kOptional = 1u << 31,
};

struct TensorPattern {
  // Within a layer, or within the model: "self_attn.q_proj.weight". '*' is the
  // number of an expert.
  std::string_view path;
  // Empty: not a matrix. Ignored for a cut, whose pieces have their own roles.
  std::string_view role;
  // One formula per dimension, a sum of products of config keys and numbers:
  // "2 * hidden_size + vocab_size".
  std::vector<std::string_view> shape;
  std::string_view norm = {};  // path of the norm before it, in the same place
  uint32_t when = kAnyLayer;
  Cut cut = Cut::kWhole;
  bool stacked = false;  // the leading rows are those of expert 0, then 1...
  // Stored [in, out]. MLX and native store these [out, in]; which it is shows
  // in the matrices that are not square.
  bool transposed = false;
  // The matrix's path, where it is not `path`; '*' as above, '#' its role.
  std::string_view canonical = {};
};

struct ConfigAlias {
  std::string_view key;   // as the patterns call it: "hidden_size"
  std::string_view name;  // as config.json does: "attn_config.kv_n_heads"
};

struct ConfigDefault {
  std::string_view key;
  uint64_t value;
};

struct Architecture {
  std::string_view family;                    // "Qwen3-MoE"
  std::vector<std::string_view> model_types;  // config.json: model_type
  std::vector<std::string_view> class_names;  // config.json: architectures[0]
  std::string_view prefix = "model.";         // of everything but the head
  std::string_view head_prefix = {};          // of the head
  // What MLX writes for these two; empty: the same.
  std::string_view mlx_prefix = {};
  std::string_view mlx_head_prefix = {};
  std::string_view layers = "layers";         // the word before the number
  std::vector<TensorPattern> model_patterns;  // under the prefix
  std::vector<TensorPattern> head_patterns;   // under the head's prefix
  std::vector<TensorPattern> layer_patterns;  // under a layer
  std::vector<TensorPattern> mtp_patterns;    // under "mtp."
  std::vector<ConfigAlias> aliases;
  std::vector<ConfigDefault> defaults;  // what the family's own code assumes
  std::string_view experts_key = {};    // "num_experts"; empty: no experts
  std::string_view mtp_key = {};        // how many extra layers there may be
  bool always_tied = false;  // there is no head of its own whatever config says
};

std::span<const Architecture> AllArchitectures();

// By model_type, then by class name; null when unknown.
const Architecture* FindArchitecture(std::string_view model_type,
                                     std::string_view class_name);

}  // namespace ram
