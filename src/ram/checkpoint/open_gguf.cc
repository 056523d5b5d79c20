// Checkpoint::OpenGguf: one GGUF file, or those it was split into.
#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "ram/base/error.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/checkpoint/gguf_config.h"
#include "ram/checkpoint/gguf_tensors.h"
#include "ram/container/gguf.h"

namespace ram {
namespace {

constexpr uint64_t kMaxSplits = 99'999;  // five digits
constexpr uint64_t kMaxTableElements = 4096;

struct Part {
  std::string name;
  const File* file;
  GgufHeader header;
};

std::string SplitSuffix(uint64_t number, uint64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number, count);
}

// How many files the model is split into; 1 for none. Throws kUnsupported for
// another than the first.
uint64_t SplitCount(const Part& part) {
  const GgufMetadata& metadata = part.header.metadata;
  const uint64_t count = metadata.Uint("split.count").value_or(1);
  if (count <= 1) return 1;
  const uint64_t number = metadata.Uint("split.no").value_or(0);
  if (count > kMaxSplits) {
    Fail(ErrorKind::kCorrupt, "{}: split.count: found {}, expected at most {}",
         metadata.source(), count, kMaxSplits);
  }
  if (number != 0) {
    Fail(ErrorKind::kUnsupported,
         "{}: split.no: found part {} of {}, expected the first (name the file "
         "that ends with {})",
         metadata.source(), number + 1, count, SplitSuffix(1, count));
  }
  if (!part.name.ends_with(SplitSuffix(1, count))) {
    Fail(ErrorKind::kUnsupported,
         "{}: found the first of {} files, expected its name to end with {} "
         "(that is how the others are found)",
         metadata.source(), count, SplitSuffix(1, count));
  }
  return count;
}

void CheckSplit(const Part& part, uint64_t number, uint64_t count) {
  const GgufMetadata& metadata = part.header.metadata;
  const auto found_count = metadata.Uint("split.count");
  const auto found_number = metadata.Uint("split.no");
  if (found_count == count && found_number == number) return;
  Fail(ErrorKind::kCorrupt,
       "{}: split.no and split.count: found {} and {}, expected {} and {}",
       metadata.source(), found_number ? fmt::to_string(*found_number) : "none",
       found_count ? fmt::to_string(*found_count) : "none", number, count);
}

// One header with the metadata of the first part and the tensors of all.
GgufHeader Merge(const std::vector<Part>& parts) {
  GgufHeader merged = parts.front().header;
  for (size_t i = 1; i < parts.size(); ++i) {
    const auto& tensors = parts[i].header.tensors;
    merged.tensors.insert(merged.tensors.end(), tensors.begin(), tensors.end());
  }
  return merged;
}

std::vector<float> ReadTable(const std::vector<Part>& parts,
                             std::string_view name) {
  for (const Part& part : parts) {
    for (const GgufTensor& tensor : part.header.tensors) {
      if (tensor.name != name) continue;
      if (tensor.type != GgmlType::kF32 || tensor.shape.size() != 1 ||
          tensor.shape[0] > kMaxTableElements) {
        Fail(ErrorKind::kCorrupt,
             "{}: {}: found {} of {} elements, expected "
             "an F32 vector of at most {}",
             part.header.metadata.source(), name, FactsOf(tensor.type).name,
             tensor.shape[0], kMaxTableElements);
      }
      std::vector<float> table(tensor.shape[0]);
      part.file->ReadAt(tensor.offset,
                        std::as_writable_bytes(std::span(table)));
      return table;
    }
  }
  return {};
}

}  // namespace

void Checkpoint::OpenGguf() {
  const std::string first = path_.filename();
  std::vector<Part> parts;
  const auto add = [&](const std::string& name) -> Part& {
    auto& file = files_[name];
    if (!file) {
      file = std::make_unique<File>(File::Open(path_.parent_path() / name));
    }
    file_names_.push_back(name);
    parts.push_back({name, file.get(), ReadGgufHeader(*file)});
    return parts.back();
  };
  const uint64_t count = SplitCount(add(first));
  const std::string stem = first.substr(
      0, first.size() - std::min(first.size(), SplitSuffix(1, count).size()));
  for (uint64_t i = 1; i < count; ++i) {
    CheckSplit(add(stem + SplitSuffix(i + 1, count)), i, count);
  }

  const GgufHeader merged = Merge(parts);
  const GgufFamily family = GgufFamilyOf(merged);
  Json config = GgufConfig(family, merged, [&](std::string_view name) {
    return ReadTable(parts, name);
  });
  std::vector<TensorInfo> tensors;
  for (const Part& part : parts) {
    auto more = GgufTensors(family, part.header, config, part.name);
    std::move(more.begin(), more.end(), std::back_inserter(tensors));
  }
  config_text_ = config.dump(2) + "\n";
  model_ = DescribeModel(std::move(config), std::move(tensors), path_.string());
}

}  // namespace ram
