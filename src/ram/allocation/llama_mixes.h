// The mixes of block types that llama-quantize knows by name, as it gives them
// out without an importance matrix: baselines for the gguf target. Source:
// llama.cpp, src/llama-quant.cpp (llama_tensor_get_type_impl), 2026.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ram/allocation/decision.h"

namespace ram {

// What its rules look at beside the name of a tensor.
struct LlamaModelFacts {
  int layers = 0;
  int attention_values = 0;  // layers that have an attn_v (or attn_qkv)
  int heads_per_kv = 1;      // query heads that share a key head
  int experts = 0;
  bool tied_head = false;  // token_embd.weight is the head, too
};

// "Q4_K_M", in any case. Throws kUsage, listing the names.
std::string_view ParseLlamaMix(std::string_view name);

// The type of the tensor NAME.weight ("blk.3.attn_v", "output") whose rows
// have `cols` weights. `place` counts the tensors of its kind before it: those
// of layers before its own. Shapes that the type does not fit are left to
// Target::Closest.
GgmlType LlamaMixType(std::string_view mix, const LlamaModelFacts& facts,
                      std::string_view name, int place, uint64_t cols);

// --like MIX.
std::vector<Choice> DecideLike(Problem& problem);

}  // namespace ram
