#include "ram/target/gguf_files.h"

#include <cassert>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "ram/base/checked.h"
#include "ram/base/error.h"
#include "ram/container/gguf_writer.h"

namespace ram {
namespace {

constexpr std::string_view kSuffix = ".weight";  // of units
constexpr uint64_t kMaxFiles = 65'535;           // split.count is a u16

GgmlType TypeOf(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return GgmlType::kF32;
    case DType::kF16:
      return GgmlType::kF16;
    default:
      assert(dtype == DType::kBF16);
      return GgmlType::kBF16;
  }
}

GgmlType TypeOf(const Unit& unit, const Scheme& scheme) {
  return scheme.kind == SchemeKind::kBlocks ? scheme.type
                                            : TypeOf(unit.kept_dtype);
}

// A unit or a plain tensor, in the order of the files.
struct Item {
  bool plain = false;
  uint32_t index = 0;
  uint64_t name_bytes = 0;
  std::span<const uint64_t> shape;
  GgmlType type = GgmlType::kF32;

  uint64_t bytes() const { return GgufTensorBytes({{}, shape, type}); }
  // Of its description in the header.
  uint64_t entry_bytes() const {
    return 8 + name_bytes + 4 + 8 * shape.size() + 4 + 8;
  }
};

// Calls body(item) for all, by source tensor; units and plain tensors are
// sorted by it already.
template <typename Body>
void ForEachItem(const TargetLayout& layout, std::span<const Scheme> schemes,
                 const Body& body) {
  size_t u = 0, p = 0;
  while (u < layout.units.size() || p < layout.plain.size()) {
    const bool unit_next =
        u < layout.units.size() &&
        (p == layout.plain.size() ||
         layout.units[u].first_tensor <= layout.plain[p].tensor);
    if (unit_next) {
      const Unit& unit = layout.units[u];
      body(Item{false, static_cast<uint32_t>(u),
                unit.name.size() + kSuffix.size(), unit.shape,
                TypeOf(unit, schemes[u])});
      ++u;
    } else {
      const PlainTensor& plain = layout.plain[p];
      body(Item{true, static_cast<uint32_t>(p), plain.name.size(), plain.shape,
                TypeOf(plain.dtype)});
      ++p;
    }
  }
}

// Tells where a new file begins: body is asked for each item's padded bytes.
class Splitter {
 public:
  explicit Splitter(uint64_t max_bytes) : max_bytes_(max_bytes) {}
  // Whether a tensor of this many bytes is the first of another file.
  bool Begins(uint64_t bytes) {
    const bool begins = filled_ > 0 && filled_ + bytes > max_bytes_;
    if (begins) filled_ = 0;
    filled_ += bytes;
    return begins;
  }

 private:
  uint64_t max_bytes_;
  uint64_t filled_ = 0;
};

// What the first file says about the weights. Of several types that hold as
// many of them, the one with the fewest bits.
GgufPairs TypePairs(const TargetLayout& layout,
                    std::span<const Scheme> schemes) {
  constexpr uint32_t kQuantizationVersion = 2;  // of ggml's blocks
  std::map<std::pair<int, GgmlType>, uint64_t> weights;
  for (size_t u = 0; u < layout.units.size(); ++u) {
    weights[{schemes[u].bits, TypeOf(layout.units[u], schemes[u])}] +=
        layout.units[u].weights();
  }
  GgmlType most = GgmlType::kF16;
  uint64_t count = 0;
  for (const auto& [type, held] : weights) {
    if (held <= count) continue;
    most = type.second;
    count = held;
  }
  GgufPairs pairs;
  pairs.AddU32("general.file_type", GgufFileType(most));
  pairs.AddU32("general.quantization_version", kQuantizationVersion);
  return pairs;
}

// What each of several files says about itself.
GgufPairs SplitPairs(uint64_t number, uint64_t count, uint64_t tensors) {
  GgufPairs pairs;
  pairs.AddU16("split.no", static_cast<uint16_t>(number));
  pairs.AddU16("split.count", static_cast<uint16_t>(count));
  pairs.AddI32("split.tensors.count", static_cast<int32_t>(tensors));
  return pairs;
}

uint64_t RopeBytes(const TargetLayout& layout) {
  return layout.rope_factors.size() * sizeof(float);
}

class LayOut {
 public:
  LayOut(const TargetLayout& layout, std::span<const Scheme> schemes,
         uint64_t max_bytes)
      : layout_(layout),
        type_pairs_(TypePairs(layout, schemes)),
        rope_shape_{layout.rope_factors.size()} {
    Splitter splitter(max_bytes);
    files_.emplace_back();
    if (RopeBytes(layout) > 0) ++tensors_;
    ForEachItem(layout, schemes, [&](const Item& item) {
      if (splitter.Begins(RoundUp(item.bytes(), kGgufAlignment))) {
        files_.emplace_back();
      }
      files_.back().push_back(item);
      ++tensors_;
    });
    if (files_.size() > kMaxFiles || tensors_ > INT32_MAX) {
      Fail(ErrorKind::kUnsupported,
           "target gguf: found {} tensors in {} files, expected at most {} "
           "files",
           tensors_, files_.size(), kMaxFiles);
    }
  }

  std::vector<OutputFileLayout> Files() const {
    std::vector<OutputFileLayout> files;
    for (size_t i = 0; i < files_.size(); ++i) files.push_back(FileAt(i));
    return files;
  }

 private:
  OutputFileLayout FileAt(size_t number) const {
    OutputFileLayout file;
    const size_t count = files_.size();
    file.name = count == 1 ? "model.gguf"
                           : fmt::format("model-{:05}-of-{:05}.gguf",
                                         number + 1, count);
    const bool first = number == 0;
    std::string pairs;
    uint64_t pair_count = 0;
    if (first) {
      pairs = layout_.metadata + type_pairs_.bytes();
      pair_count = layout_.metadata_pairs + type_pairs_.count();
    }
    if (count > 1) {
      const GgufPairs split = SplitPairs(number, count, tensors_);
      pairs += split.bytes();
      pair_count += split.count();
    }
    for (const Item& item : files_[number]) {
      file.tensors.push_back(Stored(item));
    }
    const bool rope = first && RopeBytes(layout_) > 0;
    std::vector<GgufTensorEntry> entries;
    if (rope) entries.push_back({kGgufRopeTable, rope_shape_, GgmlType::kF32});
    for (size_t i = 0; i < file.tensors.size(); ++i) {
      const Item& item = files_[number][i];
      entries.push_back({file.tensors[i].name, item.shape, item.type});
    }
    GgufFileLayout laid_out = LayOutGguf(pair_count, pairs, entries);
    for (size_t i = 0; i < file.tensors.size(); ++i) {
      file.tensors[i].offset = laid_out.offsets[i + (rope ? 1 : 0)];
    }
    file.prefix = std::move(laid_out.prefix);
    if (rope) AppendRope(file.prefix);
    file.file_bytes = laid_out.file_bytes;
    return file;
  }

  void AppendRope(std::string& prefix) const {
    const size_t begin = prefix.size();
    prefix.resize(begin + RoundUp(RopeBytes(layout_), kGgufAlignment), '\0');
    std::memcpy(prefix.data() + begin, layout_.rope_factors.data(),
                RopeBytes(layout_));
  }

  StoredTensor Stored(const Item& item) const {
    StoredTensor stored;
    stored.index = item.index;
    stored.bytes = item.bytes();
    stored.shape.assign(item.shape.begin(), item.shape.end());
    if (item.plain) {
      stored.name = layout_.plain[item.index].name;
      stored.kind = StoredTensor::Kind::kPlain;
      stored.dtype = layout_.plain[item.index].dtype;
    } else {
      stored.name = layout_.units[item.index].name + std::string(kSuffix);
      stored.kind = StoredTensor::Kind::kWeight;
      stored.dtype = layout_.units[item.index].kept_dtype;
    }
    return stored;
  }

  const TargetLayout& layout_;
  const GgufPairs type_pairs_;
  const std::vector<uint64_t> rope_shape_;
  std::vector<std::vector<Item>> files_;
  uint64_t tensors_ = 0;  // in all files
};

}  // namespace

uint32_t GgufFileType(GgmlType type) {
  switch (type) {
    case GgmlType::kF32:
      return 0;
    case GgmlType::kQ4_0:
      return 2;
    case GgmlType::kQ4_1:
      return 3;
    case GgmlType::kQ8_0:
      return 7;
    case GgmlType::kQ5_0:
      return 8;
    case GgmlType::kQ5_1:
      return 9;
    case GgmlType::kQ2_K:
      return 10;
    case GgmlType::kQ3_K:
      return 11;
    case GgmlType::kQ4_K:
      return 14;
    case GgmlType::kQ5_K:
      return 16;
    case GgmlType::kQ6_K:
      return 18;
    case GgmlType::kIQ4_NL:
      return 25;
    case GgmlType::kIQ4_XS:
      return 30;
    case GgmlType::kBF16:
      return 32;
    default:
      return 1;  // mostly F16
  }
}

std::vector<OutputFileLayout> LayOutGgufFiles(const TargetLayout& layout,
                                              std::span<const Scheme> schemes,
                                              uint64_t max_data_bytes) {
  return LayOut(layout, schemes, max_data_bytes).Files();
}

uint64_t GgufFilesBytes(const TargetLayout& layout,
                        std::span<const Scheme> schemes,
                        uint64_t max_data_bytes) {
  constexpr uint64_t kFixed = 4 + 4 + 8 + 8;  // magic, version, two counts
  const uint64_t split_bytes = SplitPairs(0, 1, 0).bytes().size();
  uint64_t files = 1, data = 0, total = 0;
  uint64_t header =
      kFixed + layout.metadata_bytes + TypePairs({}, {}).bytes().size();
  if (RopeBytes(layout) > 0) {
    header += 8 + kGgufRopeTable.size() + 4 + 8 + 4 + 8;
    data += RoundUp(RopeBytes(layout), kGgufAlignment);
  }
  // A header of several files has the split's pairs besides; whether there are
  // several is known at the end for the first alone.
  uint64_t first_header = 0;
  Splitter splitter(max_data_bytes);
  ForEachItem(layout, schemes, [&](const Item& item) {
    const uint64_t bytes = RoundUp(item.bytes(), kGgufAlignment);
    if (splitter.Begins(bytes)) {
      if (files == 1) {
        first_header = header;
      } else {
        total += RoundUp(header, kGgufAlignment);
      }
      ++files;
      header = kFixed + split_bytes;
    }
    header += item.entry_bytes();
    data += bytes;
  });
  if (files == 1) return RoundUp(header, kGgufAlignment) + data;
  return total + RoundUp(header, kGgufAlignment) +
         RoundUp(first_header + split_bytes, kGgufAlignment) + data;
}

}  // namespace ram
