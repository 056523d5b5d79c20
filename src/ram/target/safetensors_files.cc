#include "ram/target/safetensors_files.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <numeric>
#include <tuple>

#include "ram/base/checked.h"
#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/container/safetensors.h"

namespace ram {
namespace {

using Kind = StoredTensor::Kind;

StoredTensor Stored(std::string name, Kind kind, uint32_t index, DType dtype,
                    std::vector<uint64_t> shape) {
  StoredTensor tensor{std::move(name), kind, index, dtype, std::move(shape)};
  tensor.bytes =
      std::accumulate(tensor.shape.begin(), tensor.shape.end(),
                      DTypeBytes(dtype), std::multiplies<uint64_t>());
  return tensor;
}

// What is written together: the tensors of a module, or one plain tensor.
using TensorSet = std::vector<StoredTensor>;

TensorSet ModuleItem(const Unit& unit, uint32_t index, uint32_t module,
                     const ModuleTensors& tensors) {
  TensorSet item;
  for (const ModuleTensor& tensor : tensors) {
    std::vector<uint64_t> shape = {2};
    if (tensor.kind != Kind::kShape) {
      shape = unit.module_shape(module);
      shape.back() = tensor.last;
    }
    item.push_back(
        Stored(fmt::format("{}{}", unit.module_name(module), tensor.suffix),
               tensor.kind, index, tensor.dtype, std::move(shape)));
    item.back().module = module;
  }
  return item;
}

struct Source {
  uint32_t tensor;
  bool plain;
  uint32_t index;
  uint32_t module;
  auto operator<=>(const Source&) const = default;
};

// Modules and plain tensors in the order of the input.
std::vector<Source> SourcesInOrder(const TargetLayout& layout) {
  std::vector<Source> sources;
  sources.reserve(layout.units.size() + layout.plain.size());
  for (uint32_t u = 0; u < layout.units.size(); ++u) {
    const Unit& unit = layout.units[u];
    for (uint32_t m = 0; m < unit.module_count(); ++m) {
      sources.push_back({unit.modules.empty() ? unit.first_tensor
                                              : unit.modules[m].first_tensor,
                         false, u, m});
    }
  }
  for (uint32_t p = 0; p < layout.plain.size(); ++p) {
    sources.push_back({layout.plain[p].tensor, true, p, 0});
  }
  std::sort(sources.begin(), sources.end());
  return sources;
}

std::vector<TensorSet> ItemsInOrder(const SafetensorsStyle& style,
                                    const TargetLayout& layout,
                                    std::span<const Scheme> schemes) {
  std::vector<TensorSet> items;
  for (const Source& source : SourcesInOrder(layout)) {
    if (source.plain) {
      const PlainTensor& plain = layout.plain[source.index];
      items.push_back({Stored(plain.name, Kind::kPlain, source.index,
                              plain.dtype, plain.shape)});
    } else {
      const Unit& unit = layout.units[source.index];
      items.push_back(ModuleItem(
          unit, source.index, source.module,
          style.tensors(unit, unit.module_shape(source.module).back(),
                        schemes[source.index])));
    }
  }
  return items;
}

// At least the bytes of the tensor's entry in the header.
uint64_t HeaderBytesBound(uint64_t name_size, uint64_t dimensions) {
  return name_size + 21 * dimensions + 100;
}

// Length, braces, metadata and padding of a shard.
constexpr uint64_t kShardFixedBytes = 64;

uint64_t Bound(std::span<const StoredTensor> tensors) {
  uint64_t bytes = 0;
  for (const StoredTensor& tensor : tensors) {
    bytes += tensor.bytes +
             HeaderBytesBound(tensor.name.size(), tensor.shape.size());
  }
  return bytes;
}

class Sharder {
 public:
  explicit Sharder(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  void Add(TensorSet& item) {
    // A module too large for any shard is split by tensor.
    if (kShardFixedBytes + Bound(item) > max_bytes_ && item.size() > 1) {
      for (StoredTensor& tensor : item) {
        TensorSet single;
        single.push_back(std::move(tensor));
        Add(single);
      }
      return;
    }
    const uint64_t bytes = Bound(item);
    if (shards_.empty() || filled_ + bytes > max_bytes_) {
      shards_.emplace_back();
      filled_ = kShardFixedBytes;
    }
    filled_ += bytes;
    for (StoredTensor& tensor : item) {
      shards_.back().push_back(std::move(tensor));
    }
  }

  std::vector<TensorSet> Take() {
    if (shards_.empty()) shards_.emplace_back();
    return std::move(shards_);
  }

 private:
  uint64_t max_bytes_;
  uint64_t filled_ = 0;
  std::vector<TensorSet> shards_;
};

OutputFileLayout LayOutShard(std::string name, std::string_view format,
                             TensorSet tensors) {
  std::vector<SafetensorsTensor> entries;
  entries.reserve(tensors.size());
  for (const StoredTensor& tensor : tensors) {
    entries.push_back({tensor.name, tensor.dtype, tensor.shape});
  }
  SafetensorsLayout laid_out =
      LayOutSafetensors(entries, {{"format", std::string(format)}});
  for (size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].offset = laid_out.offsets[i];
  }
  return {std::move(name), std::move(laid_out.prefix), std::move(tensors),
          laid_out.file_bytes};
}

uint64_t Digits(uint64_t number) {
  uint64_t digits = 1;
  for (; number >= 10; number /= 10) ++digits;
  return digits;
}

// A tensor to be stored, by its sizes alone.
struct TensorSize {
  uint64_t name_size = 0;    // as it is
  uint64_t quoted_size = 0;  // as a JSON string
  uint64_t dimensions = 0;
  uint64_t shape_size = 0;  // "4096,512"
  uint64_t dtype_size = 0;  // "BF16"
  uint64_t bytes = 0;
};

TensorSize SizeOf(std::string_view name, std::string_view suffix,
                  std::span<const uint64_t> shape, uint64_t last, DType dtype) {
  TensorSize size;
  size.name_size = name.size() + suffix.size();
  const bool plain_text = std::all_of(name.begin(), name.end(), [](char c) {
    return c >= ' ' && c < 127 && c != '"' && c != '\\';
  });
  size.quoted_size =
      suffix.size() +
      (plain_text ? name.size() + 2 : Json(std::string(name)).dump().size());
  size.dimensions = shape.size();
  size.dtype_size = DTypeName(dtype).size();
  size.bytes = DTypeBytes(dtype);
  for (size_t i = 0; i < shape.size(); ++i) {
    const uint64_t dimension = i + 1 == shape.size() ? last : shape[i];
    size.bytes *= dimension;
    size.shape_size += Digits(dimension) + (i > 0 ? 1 : 0);
  }
  return size;
}

// LayOutSafetensors' file of these tensors.
uint64_t ShardBytes(std::string_view format,
                    std::span<const TensorSize> tensors) {
  constexpr std::string_view kEntry =
      R"(:{"dtype":"","shape":[],"data_offsets":[,]})";
  // Braces and metadata, and a comma between entries.
  uint64_t header =
      std::string_view(R"({"__metadata__":{"format":""}})").size() +
      format.size() + tensors.size();
  uint64_t at = 0;
  for (const TensorSize& tensor : tensors) {
    header += tensor.quoted_size + kEntry.size() + tensor.dtype_size +
              tensor.shape_size + Digits(at) + Digits(at + tensor.bytes);
    at += tensor.bytes;
  }
  return 8 + RoundUp(header, 8) + at;
}

}  // namespace

uint64_t SafetensorsFileBytes(const SafetensorsStyle& style,
                              const TargetLayout& layout,
                              std::span<const Scheme> schemes,
                              uint64_t max_shard_bytes) {
  uint64_t total = 0, filled = 0;
  std::vector<TensorSize> shard, item;
  const auto bound = [](std::span<const TensorSize> tensors) {
    uint64_t bytes = 0;
    for (const TensorSize& tensor : tensors) {
      bytes +=
          tensor.bytes + HeaderBytesBound(tensor.name_size, tensor.dimensions);
    }
    return bytes;
  };
  const auto add = [&](std::span<const TensorSize> tensors) {
    const uint64_t bytes = bound(tensors);
    if (!shard.empty() && filled + bytes > max_shard_bytes) {
      total += ShardBytes(style.format, shard);
      shard.clear();
    }
    if (shard.empty()) filled = kShardFixedBytes;
    filled += bytes;
    shard.insert(shard.end(), tensors.begin(), tensors.end());
  };
  for (const Source& source : SourcesInOrder(layout)) {
    if (source.plain) {
      const PlainTensor& plain = layout.plain[source.index];
      add(std::array{SizeOf(plain.name, "", plain.shape,
                            plain.shape.empty() ? 1 : plain.shape.back(),
                            plain.dtype)});
      continue;
    }
    const Unit& unit = layout.units[source.index];
    const auto& shape = unit.module_shape(source.module);
    constexpr std::array<uint64_t, 1> kPair = {2};
    item.clear();
    for (const ModuleTensor& tensor :
         style.tensors(unit, shape.back(), schemes[source.index])) {
      const bool pair = tensor.kind == Kind::kShape;
      item.push_back(SizeOf(unit.module_name(source.module), tensor.suffix,
                            pair ? std::span<const uint64_t>(kPair) : shape,
                            pair ? 2 : tensor.last, tensor.dtype));
    }
    if (kShardFixedBytes + bound(item) > max_shard_bytes && item.size() > 1) {
      for (const TensorSize& tensor : item) add(std::array{tensor});
    } else {
      add(item);
    }
  }
  return total + ShardBytes(style.format, shard);
}

std::vector<OutputFileLayout> LayOutSafetensorsFiles(
    const SafetensorsStyle& style, const TargetLayout& layout,
    std::span<const Scheme> schemes, uint64_t max_shard_bytes) {
  Sharder sharder(max_shard_bytes);
  for (TensorSet& item : ItemsInOrder(style, layout, schemes)) {
    sharder.Add(item);
  }
  std::vector<TensorSet> shards = sharder.Take();
  std::vector<OutputFileLayout> files;
  files.reserve(shards.size());
  for (size_t i = 0; i < shards.size(); ++i) {
    files.push_back(LayOutShard(
        shards.size() == 1 ? "model.safetensors"
                           : fmt::format("model-{:05}-of-{:05}.safetensors",
                                         i + 1, shards.size()),
        style.format, std::move(shards[i])));
  }
  return files;
}

}  // namespace ram
