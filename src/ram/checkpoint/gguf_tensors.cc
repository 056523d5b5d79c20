#include "ram/checkpoint/gguf_tensors.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "ram/base/error.h"
#include "ram/checkpoint/model_config.h"
#include "ram/quantization/gguf_blocks.h"

namespace ram {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

// Modules within a layer, without ".weight" and ".bias".
constexpr std::array<Pair, 38> kModules = {{
    {"attn_norm", "input_layernorm"},
    {"ffn_norm", "post_attention_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"attn_qkv", "self_attn.qkv_proj"},
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"attn_q_a", "self_attn.q_a_proj"},
    {"attn_q_a_norm", "self_attn.q_a_layernorm"},
    {"attn_q_b", "self_attn.q_b_proj"},
    {"attn_kv_a_mqa", "self_attn.kv_a_proj_with_mqa"},
    {"attn_kv_a_norm", "self_attn.kv_a_layernorm"},
    {"attn_kv_b", "self_attn.kv_b_proj"},
    {"attn_k_b", "self_attn.embed_q"},
    {"attn_v_b", "self_attn.unembed_out"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
    {"ffn_gate_inp", "mlp.gate"},
    {"ffn_gate_exps", "mlp.switch_mlp.gate_proj"},
    {"ffn_up_exps", "mlp.switch_mlp.up_proj"},
    {"ffn_down_exps", "mlp.switch_mlp.down_proj"},
    {"ffn_gate_shexp", "mlp.shared_experts.gate_proj"},
    {"ffn_up_shexp", "mlp.shared_experts.up_proj"},
    {"ffn_down_shexp", "mlp.shared_experts.down_proj"},
    {"post_attention_norm", "post_attention_layernorm"},
    {"post_ffw_norm", "post_feedforward_layernorm"},
    {"nextn.eh_proj", "eh_proj"},
    {"nextn.enorm", "enorm"},
    {"nextn.hnorm", "hnorm"},
    {"nextn.embed_tokens", "embed_tokens"},
    {"nextn.shared_head_norm", "shared_head.norm"},
    {"nextn.shared_head_head", "shared_head.head"},
    // Mixtral's experts one by one, as older files have them.
    {"ffn_gate.*", "block_sparse_moe.experts.*.w1"},
    {"ffn_down.*", "block_sparse_moe.experts.*.w2"},
    {"ffn_up.*", "block_sparse_moe.experts.*.w3"},
}};

// What one family calls otherwise.
struct Exception {
  std::string_view model_type;
  std::string_view module;
  std::string_view name;
};
constexpr std::array<Exception, 7> kExceptions = {{
    {"gemma3_text", "ffn_norm", "pre_feedforward_layernorm"},
    {"glm4", "post_attention_norm", "post_self_attn_layernorm"},
    {"glm4", "post_ffw_norm", "post_mlp_layernorm"},
    {"mixtral", "ffn_gate_inp", "block_sparse_moe.gate"},
    {"mixtral", "ffn_gate_exps", "block_sparse_moe.switch_mlp.gate_proj"},
    {"mixtral", "ffn_up_exps", "block_sparse_moe.switch_mlp.up_proj"},
    {"mixtral", "ffn_down_exps", "block_sparse_moe.switch_mlp.down_proj"},
}};

constexpr std::array<Pair, 3> kAround = {{
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
}};

std::optional<std::string_view> ModuleName(const GgufFamily& family,
                                           std::string_view module) {
  for (const Exception& exception : kExceptions) {
    if (exception.model_type == family.model_type &&
        exception.module == module) {
      return exception.name;
    }
  }
  for (const auto& [gguf, name] : kModules) {
    if (gguf == module) return name;
  }
  return std::nullopt;
}

bool IsNumber(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c >= '0' && c <= '9';
  });
}

// Takes what is after the last dot off `text` and returns it.
std::string_view TakeLast(std::string_view& text) {
  const size_t dot = text.rfind('.');
  const std::string_view last =
      dot == text.npos ? std::string_view() : text.substr(dot + 1);
  if (dot != text.npos) text = text.substr(0, dot);
  return last;
}

// "attn_q.weight" -> "self_attn.q_proj.weight".
std::optional<std::string> NameInLayer(const GgufFamily& family,
                                       std::string_view path, bool fused) {
  if (path == "exp_probs_b.bias") {
    return "mlp.gate.e_score_correction_bias";
  }
  std::string_view module = path;
  const std::string_view kind = TakeLast(module);
  if (kind != "weight" && kind != "bias") return std::nullopt;
  std::string_view stem = module;
  const std::string_view expert = TakeLast(stem);
  if (IsNumber(expert)) {
    const auto name = ModuleName(family, fmt::format("{}.*", stem));
    if (!name) return std::nullopt;
    std::string full(*name);
    full.replace(full.find('*'), 1, expert);
    return fmt::format("{}.{}", full, kind);
  }
  if (fused && module == "ffn_up") {
    return fmt::format("mlp.gate_up_proj.{}", kind);
  }
  const auto name = ModuleName(family, module);
  if (!name) return std::nullopt;
  return fmt::format("{}.{}", *name, kind);
}

// The rows of a head, for q and k of a family that has them in pairs.
uint64_t HeadRows(const GgufFamily& family, std::string_view name,
                  const std::vector<uint64_t>& shape, const Json& config) {
  const bool rotated =
      name.ends_with(".attn_q.weight") || name.ends_with(".attn_k.weight") ||
      name.ends_with(".attn_q.bias") || name.ends_with(".attn_k.bias");
  if (!family.paired_heads || !rotated) return 0;
  const uint64_t rows = config["head_dim"].get<uint64_t>();
  return rows >= 2 && rows % 2 == 0 && shape[0] % rows == 0 ? rows : 0;
}

DType OtherDType(GgmlType type) {
  switch (type) {
    case GgmlType::kI8:
      return DType::kI8;
    case GgmlType::kI16:
      return DType::kI16;
    case GgmlType::kI32:
      return DType::kI32;
    case GgmlType::kI64:
      return DType::kI64;
    default:
      return DType::kF64;
  }
}

// Fills dtype and storage.
void SetStorage(const GgufTensor& stored, std::string_view source,
                TensorInfo& tensor) {
  const GgmlTypeFacts& facts = FactsOf(stored.type);
  if (const auto dtype = PlainDType(stored.type)) {
    tensor.dtype = *dtype;
  } else if (facts.block_weights == 1) {
    tensor.dtype = OtherDType(stored.type);
  } else if (CanDecodeBlocks(stored.type)) {
    tensor.dtype = DType::kBF16;
    tensor.storage.kind = Storage::Kind::kBlocks;
    tensor.storage.block_type = stored.type;
  } else {
    Fail(ErrorKind::kUnsupported,
         "{}: {}: found {}, expected F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, "
         "Q8_0, Q2_K to Q6_K, IQ4_NL or IQ4_XS",
         source, stored.name, facts.name);
  }
  if (tensor.shape.size() == 1 && !tensor.storage.dense()) {
    Fail(ErrorKind::kUnsupported,
         "{}: {}: found a vector in {}, expected F32, F16 or BF16", source,
         stored.name, facts.name);
  }
}

}  // namespace

std::string HuggingFaceName(const GgufFamily& family, std::string_view name,
                            bool fused) {
  for (const auto& [gguf, around] : kAround) {
    if (name == gguf) return std::string(around);
  }
  constexpr std::string_view kBlock = "blk.";
  if (name.starts_with(kBlock)) {
    const std::string_view rest = name.substr(kBlock.size());
    const size_t dot = rest.find('.');
    if (dot != rest.npos && IsNumber(rest.substr(0, dot))) {
      if (const auto path = NameInLayer(family, rest.substr(dot + 1), fused)) {
        return fmt::format("model.layers.{}.{}", rest.substr(0, dot), *path);
      }
    }
  }
  return std::string(name);
}

std::vector<TensorInfo> GgufTensors(const GgufFamily& family,
                                    const GgufHeader& header,
                                    const Json& config,
                                    const std::string& file) {
  const bool fused = family.model_type == "glm4" || family.model_type == "phi3";
  std::vector<TensorInfo> tensors;
  tensors.reserve(header.tensors.size());
  for (const GgufTensor& stored : header.tensors) {
    TensorInfo tensor;
    tensor.name = HuggingFaceName(family, stored.name, fused);
    if (tensor.name != stored.name) tensor.stored_name = stored.name;
    tensor.file = file;
    tensor.shape = stored.shape;
    tensor.offset = stored.offset;
    SetStorage(stored, header.metadata.source(), tensor);
    tensor.storage.head_rows =
        HeadRows(family, stored.name, stored.shape, config);
    if (family.norms_plus_one && stored.name.ends_with("norm.weight")) {
      if (tensor.dtype != DType::kF32) {
        Fail(ErrorKind::kUnsupported,
             "{}: {}: found a norm in {}, expected F32",
             header.metadata.source(), stored.name, DTypeName(tensor.dtype));
      }
      tensor.storage.shift = -1;
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace ram
