// Whether a checkpoint holds everything that its config.json calls for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ram/checkpoint/architecture.h"
#include "ram/checkpoint/block_scales.h"
#include "ram/checkpoint/model_config.h"

namespace ram {

// Counts what was seen, layer by layer; layer -1 is the model around them.
class Coverage {
 public:
  Coverage(const std::vector<TensorPattern>& patterns,
           const ModelConfig& config);

  // A tensor matched `pattern` (one of the constructor's) in this layer.
  void Saw(const TensorPattern& pattern, uint64_t layer);

  // Throws kCorrupt "SOURCE: NAME: found nothing, ..." naming the first
  // missing tensor of layer `layer`, whose names begin with `prefix`.
  void Check(uint64_t layer, std::string_view prefix, const TensorTable& table,
             std::string_view source) const;

 private:
  // What a pattern provides: a role, or the path of what is not a matrix.
  struct Slots {
    std::vector<uint32_t> ids;
    uint64_t count = 1;  // of each, for one tensor
    uint64_t needed = 1;
    bool seen = false;
  };

  uint32_t Intern(std::string key);
  // The name under which the checkpoint would store what is missing.
  std::string MissingName(size_t pattern, uint32_t id, std::string_view prefix,
                          const TensorTable& table) const;

  const std::vector<TensorPattern>& patterns_;
  const ModelConfig& config_;
  std::unordered_map<std::string, uint32_t> ids_;
  std::vector<Slots> slots_;                   // parallel to patterns_
  std::vector<std::vector<uint64_t>> counts_;  // [layer][id], grown on demand
};

}  // namespace ram
