// The tensors of a GGUF file under Hugging Face's names (stacks of experts and
// the halves of kv_b_proj under MLX's), with what undoes the changes that
// llama.cpp's converter makes to them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ram/checkpoint/gguf_config.h"
#include "ram/checkpoint/model.h"

namespace ram {

// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight". `fused`:
// ffn_up holds gate and up. A name of no known meaning stays.
std::string HuggingFaceName(const GgufFamily& family, std::string_view name,
                            bool fused);

// In the order of `header`; `file` is the name of the file they are in,
// `config` GgufConfig's. Throws kUnsupported for types that cannot be decoded.
std::vector<TensorInfo> GgufTensors(const GgufFamily& family,
                                    const GgufHeader& header,
                                    const Json& config,
                                    const std::string& file);

}  // namespace ram
