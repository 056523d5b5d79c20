#include "ram/analysis/manifest.h"

#include <cmath>
#include <limits>
#include <unordered_map>

#include "ram/analysis/parsed_manifest.h"
#include "ram/base/checked.h"
#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/tensor/shape_text.h"

namespace ram {
namespace {

// No checkpoint is larger; keeps every later product of sizes within 64 bits.
constexpr uint64_t kMaxTensorWeights = uint64_t{1} << 48;

void CheckShape(const std::vector<uint64_t>& shape, const std::string& name,
                std::string_view source) {
  const auto weights = CheckedProduct(shape);
  if (weights && *weights <= kMaxTensorWeights) return;
  Fail(ErrorKind::kCorrupt,
       "{}: {}: shape: found {}, expected at most 2^48 weights", source, name,
       ShapeText(shape));
}

void CheckTensor(const ParsedTensor& tensor, size_t schemes,
                 std::string_view source) {
  const std::string& name = tensor.record.name;
  CheckShape(tensor.shape, name, source);
  CheckShape(tensor.source_shape, name, source);
  const uint64_t weights = *CheckedProduct(tensor.shape);
  if (tensor.weights && *tensor.weights != weights) {
    Fail(ErrorKind::kCorrupt, "{}: {}: weights: found {}, expected {} for {}",
         source, name, *tensor.weights, weights, ShapeText(tensor.shape));
  }
  const size_t errors = tensor.record.nmse.size();
  if (errors != 0 && errors != schemes) {
    Fail(ErrorKind::kCorrupt,
         "{}: {}: nmse: found {} errors, expected one for each of {} schemes",
         source, name, errors, schemes);
  }
}

// The tensors as they lie in the files, in the order of the entries.
std::vector<TensorInfo> StoredTensors(const ParsedManifest& parsed,
                                      std::string_view source) {
  std::vector<TensorInfo> tensors;
  std::unordered_map<std::string_view, size_t> index;
  uint64_t offset = 0;
  for (const ParsedTensor& entry : parsed.tensors) {
    const std::string& name =
        entry.has_source ? entry.source_tensor : entry.record.name;
    const auto& shape = entry.has_source ? entry.source_shape : entry.shape;
    const auto [found, added] = index.emplace(name, tensors.size());
    if (added) {
      if (tensors.empty() || tensors.back().file != entry.file) offset = 0;
      tensors.push_back(
          {name, entry.file, entry.dtype, shape, offset, entry.storage});
      offset += tensors.back().bytes();
      continue;
    }
    if (!entry.has_source) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found two entries, expected one",
           source, name);
    }
    if (tensors[found->second].shape != shape) {
      Fail(ErrorKind::kCorrupt, "{}: {}: source: found {}, expected {}", source,
           entry.record.name, ShapeText(shape),
           ShapeText(tensors[found->second].shape));
    }
  }
  return tensors;
}

using Entries = std::unordered_map<std::string_view, const ParsedTensor*>;

// The entry of a matrix, or of the whole tensor that holds it: a foreign
// manifest may not cut tensors as we do.
const ParsedTensor& EntryOf(const Matrix& matrix, const Model& model,
                            const Entries& entries, std::string_view source) {
  const auto own = entries.find(matrix.name);
  if (own != entries.end()) return *own->second;
  const auto whole = entries.find(model.tensors[matrix.tensor].name);
  if (whole != entries.end() && !whole->second->has_source) {
    return *whole->second;
  }
  Fail(ErrorKind::kCorrupt, "{}: {}: found no entry, expected one [{}, {}]",
       source, matrix.name, matrix.rows, matrix.cols);
}

void FillMatrix(const ParsedTensor& entry, std::string_view source,
                Matrix& matrix) {
  const bool own = entry.record.name == matrix.name;
  if (own && entry.has_source &&
      entry.shape != std::vector<uint64_t>{matrix.rows, matrix.cols}) {
    Fail(ErrorKind::kCorrupt, "{}: {}: shape: found {}, expected [{}, {}]",
         source, matrix.name, ShapeText(entry.shape), matrix.rows, matrix.cols);
  }
  if (!own) return;
  if (entry.role) matrix.role = *entry.role;
  if (entry.layer) matrix.layer = static_cast<int>(*entry.layer);
  if (entry.expert) matrix.expert = static_cast<int>(*entry.expert);
}

void CheckIndices(const ParsedTensor& entry, std::string_view source) {
  constexpr uint64_t kMost = std::numeric_limits<int>::max();
  if (entry.layer.value_or(0) > kMost || entry.expert.value_or(0) > kMost) {
    Fail(ErrorKind::kCorrupt,
         "{}: {}: found layer {} and expert {}, expected less than 2^31",
         source, entry.record.name, entry.layer.value_or(0),
         entry.expert.value_or(0));
  }
}

void FillRecords(const ParsedManifest& parsed, std::string_view source,
                 Manifest& manifest) {
  Entries entries;
  for (const ParsedTensor& entry : parsed.tensors) {
    CheckIndices(entry, source);
    if (!entries.emplace(entry.record.name, &entry).second) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found two entries, expected one",
           source, entry.record.name);
    }
  }
  manifest.matrices.reserve(manifest.model.matrices.size());
  for (Matrix& matrix : manifest.model.matrices) {
    const ParsedTensor& entry =
        EntryOf(matrix, manifest.model, entries, source);
    FillMatrix(entry, source, matrix);
    MatrixRecord& record = manifest.matrices.emplace_back(entry.record);
    record.name = matrix.name;
    record.nmse.resize(parsed.schemes.size(), std::nan(""));
  }
}

}  // namespace

std::vector<MeasuredScheme> AffineMeasuredSchemes() {
  std::vector<MeasuredScheme> schemes;
  for (const Encoder encoder : {Encoder::kMinMax, Encoder::kSearch}) {
    for (int i = 0; i < kAffineSchemeCount; ++i) {
      schemes.push_back({AffineSchemeAt(i), encoder});
    }
  }
  return schemes;
}

std::vector<MeasuredScheme> BlockMeasuredSchemes(Encoder encoder) {
  std::vector<MeasuredScheme> schemes;
  for (const GgmlType type : kBlockTypes) {
    schemes.push_back({Blocks(type), encoder});
  }
  return schemes;
}

std::vector<MeasuredScheme> IntMeasuredSchemes(Encoder encoder) {
  std::vector<MeasuredScheme> schemes;
  for (const int bits : kAffineBits) {
    for (const int group : kIntGroups) {
      schemes.push_back({SignedInt(bits, group), encoder});
    }
  }
  return schemes;
}

Manifest ManifestFromJson(std::string_view text, std::string_view source) {
  ParsedManifest parsed = ParseManifest(text, source);
  for (const ParsedTensor& tensor : parsed.tensors) {
    CheckTensor(tensor, parsed.schemes.size(), source);
  }
  Manifest manifest;
  manifest.model = DescribeModel(std::move(parsed.config),
                                 StoredTensors(parsed, source), source);
  if (!parsed.architecture.empty() && manifest.model.config.is_null()) {
    manifest.model.architecture = parsed.architecture;
    manifest.model.model_type = parsed.model_type;
  }
  FillRecords(parsed, source, manifest);
  manifest.tool = std::move(parsed.tool);
  manifest.seed = parsed.seed;
  manifest.config_sha256 = std::move(parsed.config_sha256);
  manifest.files = std::move(parsed.files);
  manifest.gguf_metadata_bytes = parsed.gguf_metadata_bytes;
  manifest.schemes = std::move(parsed.schemes);
  return manifest;
}

Manifest ReadManifest(const std::filesystem::path& path) {
  return ManifestFromJson(ReadTextFile(path), path.string());
}

}  // namespace ram
