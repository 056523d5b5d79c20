// manifest.json as it is written, before the model is rebuilt from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/analysis/manifest.h"

namespace ram {

// One entry of "tensors": a canonical matrix or a plain tensor.
struct ParsedTensor {
  MatrixRecord record;
  std::string file;
  DType dtype = DType::kBF16;
  std::vector<uint64_t> shape;
  std::optional<uint64_t> weights;
  std::optional<std::string> role;
  std::optional<uint64_t> layer;
  std::optional<uint64_t> expert;
  // The stored tensor, where the matrix is only a part or a view of it.
  bool has_source = false;
  std::string source_tensor;
  std::vector<uint64_t> source_shape;
  Storage storage;  // of the stored tensor
};

struct ParsedManifest {
  uint64_t version = 0;
  std::string tool;
  uint64_t seed = 42;
  std::optional<uint64_t> gguf_metadata_bytes;
  std::string architecture;
  std::string model_type;
  Json config;
  std::string config_sha256;
  std::vector<FileRecord> files;
  std::vector<MeasuredScheme> schemes;
  std::vector<ParsedTensor> tensors;
};

// Checks types and presence of fields, not what they say about the model.
// Throws kCorrupt "SOURCE: FIELD: found ..., expected ...".
ParsedManifest ParseManifest(std::string_view text, std::string_view source);

}  // namespace ram
