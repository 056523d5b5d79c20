// model.safetensors.index.json: which tensor is in which shard. The format of
// huggingface transformers' sharded checkpoints.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace ram {

inline constexpr std::string_view kIndexName = "model.safetensors.index.json";
inline constexpr std::string_view kSingleName = "model.safetensors";

// Tensor name -> name of the file in the same directory that holds it. Throws
// kCorrupt, naming `source`, when the text is no index, is empty, or points
// outside the directory.
std::map<std::string, std::string> ParseWeightIndex(std::string_view text,
                                                    std::string_view source);

}  // namespace ram
