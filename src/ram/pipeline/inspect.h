// What is in a checkpoint, from its headers alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ram/base/json.h"
#include "ram/checkpoint/checkpoint.h"

namespace ram {

// Tensors whose names differ only in numbers.
struct NamePattern {
  std::string pattern;  // "model.layers.{0-47}.mlp.experts.{0-127}.up_proj"
  std::string dtype;    // "BF16", or "mixed"
  std::string shape;    // "768 x 2048", or "various"
  std::string use;      // "matrices", "plain", "scale", "ignored"
  uint64_t tensors = 0;
  uint64_t weights = 0;
  uint64_t bytes = 0;
};

struct RoleSummary {
  std::string section;  // "text", "vision", "mtp"
  std::string role;
  uint64_t matrices = 0;
  uint64_t weights = 0;
  std::string shape;  // "4096 x 12288", or "various"
  // How many weights are stored how: "BF16", "4-bit g64".
  std::map<std::string, uint64_t> weights_per_storage;
  uint64_t layers = 0;   // that have this role
  uint64_t experts = 0;  // most in one layer; 0 without experts
};

struct Inspection {
  std::string path;
  std::string architecture;
  std::string model_type;
  bool known = false;
  bool bare_file = false;
  bool tied_head = false;
  uint64_t files = 0;
  uint64_t file_bytes = 0;
  uint64_t tensors = 0;
  uint64_t weights = 0;
  uint64_t quantized_weights = 0;  // of these, stored as codes
  uint64_t matrices = 0;
  uint64_t layers = 0;
  std::map<std::string, uint64_t> weights_per_dtype;
  std::vector<RoleSummary> roles;     // most weights first
  std::vector<NamePattern> patterns;  // in the order of the files
};

Inspection Inspect(const Checkpoint& checkpoint);
OrderedJson InspectionToJson(const Inspection& inspection);

}  // namespace ram
