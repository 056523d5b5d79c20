#include "ram/target/affine_files.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <tuple>

#include "ram/base/error.h"
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

// What is written together: the tensors of a unit, or one plain tensor.
using Item = std::vector<StoredTensor>;

Item UnitItem(const Unit& unit, uint32_t index, const Scheme& scheme) {
  if (scheme.kind == SchemeKind::kFloat) {
    return {Stored(unit.name + ".weight", Kind::kWeight, index, unit.kept_dtype,
                   unit.shape)};
  }
  std::vector<uint64_t> codes = unit.shape;
  std::vector<uint64_t> scales = unit.shape;
  codes.back() = unit.cols * static_cast<uint64_t>(scheme.bits) / 32;
  scales.back() = unit.cols / static_cast<uint64_t>(scheme.group_size);
  Item item;
  item.push_back(Stored(unit.name + ".weight", Kind::kCodes, index, DType::kU32,
                        std::move(codes)));
  item.push_back(Stored(unit.name + ".scales", Kind::kScales, index,
                        unit.kept_dtype, scales));
  item.push_back(Stored(unit.name + ".biases", Kind::kBiases, index,
                        unit.kept_dtype, std::move(scales)));
  return item;
}

std::vector<Item> ItemsInOrder(const TargetLayout& layout,
                               std::span<const Scheme> schemes) {
  struct Source {
    uint32_t tensor;
    bool plain;
    uint32_t index;
    auto operator<=>(const Source&) const = default;
  };
  std::vector<Source> sources;
  for (uint32_t u = 0; u < layout.units.size(); ++u) {
    sources.push_back({layout.units[u].first_tensor, false, u});
  }
  for (uint32_t p = 0; p < layout.plain.size(); ++p) {
    sources.push_back({layout.plain[p].tensor, true, p});
  }
  std::sort(sources.begin(), sources.end());
  std::vector<Item> items;
  items.reserve(sources.size());
  for (const Source& source : sources) {
    if (source.plain) {
      const PlainTensor& plain = layout.plain[source.index];
      items.push_back({Stored(plain.name, Kind::kPlain, source.index,
                              plain.dtype, plain.shape)});
    } else {
      items.push_back(UnitItem(layout.units[source.index], source.index,
                               schemes[source.index]));
    }
  }
  return items;
}

// At least the bytes of the tensor's entry in the header.
uint64_t HeaderBytesBound(const StoredTensor& tensor) {
  return tensor.name.size() + 21 * tensor.shape.size() + 100;
}

uint64_t Bound(std::span<const StoredTensor> tensors) {
  uint64_t bytes = 0;
  for (const StoredTensor& tensor : tensors) {
    bytes += tensor.bytes + HeaderBytesBound(tensor);
  }
  return bytes;
}

class Sharder {
 public:
  explicit Sharder(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  void Add(Item& item) {
    // A unit too large for any shard is split by tensor.
    if (kFixed + Bound(item) > max_bytes_ && item.size() > 1) {
      for (StoredTensor& tensor : item) {
        Item single;
        single.push_back(std::move(tensor));
        Add(single);
      }
      return;
    }
    const uint64_t bytes = Bound(item);
    if (shards_.empty() || filled_ + bytes > max_bytes_) {
      shards_.emplace_back();
      filled_ = kFixed;
    }
    filled_ += bytes;
    for (StoredTensor& tensor : item) {
      shards_.back().push_back(std::move(tensor));
    }
  }

  std::vector<Item> Take() {
    if (shards_.empty()) shards_.emplace_back();
    return std::move(shards_);
  }

 private:
  static constexpr uint64_t kFixed = 64;  // length, braces, metadata, padding
  uint64_t max_bytes_;
  uint64_t filled_ = 0;
  std::vector<Item> shards_;
};

OutputFileLayout LayOutShard(std::string name, Item tensors) {
  std::vector<SafetensorsTensor> entries;
  entries.reserve(tensors.size());
  for (const StoredTensor& tensor : tensors) {
    entries.push_back({tensor.name, tensor.dtype, tensor.shape});
  }
  SafetensorsLayout laid_out = LayOutSafetensors(entries, {{"format", "mlx"}});
  for (size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].offset = laid_out.offsets[i];
  }
  return {std::move(name), std::move(laid_out.prefix), std::move(tensors),
          laid_out.file_bytes};
}

}  // namespace

std::vector<OutputFileLayout> LayOutAffineFiles(const TargetLayout& layout,
                                                std::span<const Scheme> schemes,
                                                uint64_t max_shard_bytes) {
  Sharder sharder(max_shard_bytes);
  for (Item& item : ItemsInOrder(layout, schemes)) sharder.Add(item);
  std::vector<Item> shards = sharder.Take();
  std::vector<OutputFileLayout> files;
  files.reserve(shards.size());
  for (size_t i = 0; i < shards.size(); ++i) {
    files.push_back(LayOutShard(
        shards.size() == 1 ? "model.safetensors"
                           : fmt::format("model-{:05}-of-{:05}.safetensors",
                                         i + 1, shards.size()),
        std::move(shards[i])));
  }
  return files;
}

}  // namespace ram
