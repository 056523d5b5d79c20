#include "ram/container/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>
#include <unordered_set>

#include "ram/base/checked.h"
#include "ram/base/error.h"
#include "ram/tensor/shape_text.h"

namespace ram {
namespace {

constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;
constexpr size_t kMaxDimensions = 4;  // ggml's own limit
// The fewest bytes a thing takes: a length, a type, a value or an offset.
constexpr uint64_t kMinValueBytes = 8 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 4 + 8 + 4 + 8;
constexpr uint64_t kMinStringBytes = 8;
constexpr uint64_t kMinArrayBytes = 4 + 8;

// Names and keys in messages: short, and nothing that a terminal would obey.
std::string Quoted(std::string_view text) {
  std::string quoted;
  for (const char c : text.substr(0, 80)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) {
      quoted += c;
    } else {
      quoted += fmt::format("\\x{:02x}", byte);
    }
  }
  return quoted;
}

// The bytes of a header, read once from front to back: from memory, or from a
// file in pieces.
class Cursor {
 public:
  Cursor(std::string_view bytes, std::string_view source)
      : source_(source), window_(bytes), file_bytes_(bytes.size()) {}
  Cursor(const File& file, std::string_view source)
      : source_(source), file_(&file), file_bytes_(file.size_bytes()) {}

  const std::string& source() const { return source_; }
  uint64_t position() const { return begin_ + at_; }
  uint64_t file_bytes() const { return file_bytes_; }
  // What a header may still take.
  uint64_t left() const {
    return std::min(file_bytes_, kMaxGgufHeaderBytes) - position();
  }

  // The next `count` bytes; `thing` names them in the message when the file
  // has fewer. Valid until the next call.
  std::string_view Take(uint64_t count, std::string_view thing) {
    if (count > left()) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found {} bytes left, expected {} (is it truncated?)",
           source_, thing, left(), count);
    }
    if (window_.size() - at_ < count) Fill(count);
    const std::string_view taken = window_.substr(at_, count);
    at_ += count;
    return taken;
  }

  template <typename T>
  T Number(std::string_view thing) {
    T number;
    std::memcpy(&number, Take(sizeof(T), thing).data(), sizeof(T));
    return number;
  }

  // A count of things of which each takes at least `min_bytes`.
  uint64_t Count(uint64_t min_bytes, uint64_t limit, std::string_view thing) {
    const auto count = Number<uint64_t>(thing);
    if (count > left() / min_bytes) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found {}, expected at most {} in the {} bytes left",
           source_, thing, count, left() / min_bytes, left());
    }
    if (count > limit) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected at most {}",
           source_, thing, count, limit);
    }
    return count;
  }

  std::string_view String(std::string_view thing) {
    const auto length = Number<uint64_t>(thing);
    if (length > left()) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found a string of {} bytes, expected at most the {} left",
           source_, thing, length, left());
    }
    return Take(length, thing);
  }

 private:
  // Moves the window so that it starts at the position and holds `count`.
  void Fill(uint64_t count) {
    constexpr uint64_t kPieceBytes = uint64_t{1} << 20;
    const uint64_t begin = position();
    buffer_.resize(std::min(std::max(count, kPieceBytes), file_bytes_ - begin));
    file_->ReadAt(begin, std::as_writable_bytes(std::span(buffer_)));
    begin_ = begin;
    at_ = 0;
    window_ = buffer_;
  }

  std::string source_;
  const File* file_ = nullptr;
  std::string buffer_;
  std::string_view window_;  // bytes begin_.. of the file
  uint64_t begin_ = 0;
  size_t at_ = 0;
  uint64_t file_bytes_;
};

// Parses the typed values.
class ValueReader {
 public:
  explicit ValueReader(Cursor& cursor) : cursor_(cursor) {}

  GgufValue Read(const std::string& key) {
    GgufValue value;
    value.type = Type(key);
    if (value.type == GgufValueType::kArray) {
      ReadArray(key, 1, value);
    } else {
      ReadElements(value.type, 1, key, value);
    }
    return value;
  }

 private:
  GgufValueType Type(const std::string& key) {
    const auto id = cursor_.Number<uint32_t>(key);
    if (id > static_cast<uint32_t>(GgufValueType::kF64)) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found value type {}, expected one of 0 to 12",
           cursor_.source(), key, id);
    }
    return static_cast<GgufValueType>(id);
  }

  static uint64_t MinBytes(GgufValueType type) {
    static constexpr std::array<uint64_t, 13> kBytes = {
        1, 1, 2, 2, 4, 4, 4, 1, kMinStringBytes, kMinArrayBytes, 8, 8, 8};
    return kBytes[static_cast<size_t>(type)];
  }

  void ReadArray(const std::string& key, int depth, GgufValue& value) {
    if (depth > kMaxGgufArrayDepth) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found arrays nested deeper than {}, expected less",
           cursor_.source(), key, kMaxGgufArrayDepth);
    }
    value.element_type = Type(key);
    const uint64_t count =
        cursor_.Count(MinBytes(value.element_type), elements_left_, key);
    elements_left_ -= count;
    if (value.element_type != GgufValueType::kArray) {
      ReadElements(value.element_type, count, key, value);
      return;
    }
    for (uint64_t i = 0; i < count; ++i) {
      // An array costs far more memory than bytes in the file.
      if (++arrays_ > kMaxArrays) {
        Fail(ErrorKind::kCorrupt,
             "{}: {}: found more than {} arrays in arrays, expected fewer",
             cursor_.source(), key, kMaxArrays);
      }
      GgufValue& inner = value.arrays.emplace_back();
      inner.type = GgufValueType::kArray;
      ReadArray(key, depth + 1, inner);
    }
  }

  template <typename T, typename Out>
  void ReadNumbers(uint64_t count, const std::string& key,
                   std::vector<Out>& out) {
    // The count is bounded by the bytes left.
    const std::string_view bytes = cursor_.Take(count * sizeof(T), key);
    out.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
      T number;
      std::memcpy(&number, bytes.data() + i * sizeof(T), sizeof(T));
      out.push_back(static_cast<Out>(number));
    }
  }

  void ReadElements(GgufValueType type, uint64_t count, const std::string& key,
                    GgufValue& value) {
    switch (type) {
      case GgufValueType::kU8:
        return ReadNumbers<uint8_t>(count, key, value.unsigneds);
      case GgufValueType::kI8:
        return ReadNumbers<int8_t>(count, key, value.signeds);
      case GgufValueType::kU16:
        return ReadNumbers<uint16_t>(count, key, value.unsigneds);
      case GgufValueType::kI16:
        return ReadNumbers<int16_t>(count, key, value.signeds);
      case GgufValueType::kU32:
        return ReadNumbers<uint32_t>(count, key, value.unsigneds);
      case GgufValueType::kI32:
        return ReadNumbers<int32_t>(count, key, value.signeds);
      case GgufValueType::kF32:
        return ReadNumbers<float>(count, key, value.floats);
      case GgufValueType::kU64:
        return ReadNumbers<uint64_t>(count, key, value.unsigneds);
      case GgufValueType::kI64:
        return ReadNumbers<int64_t>(count, key, value.signeds);
      case GgufValueType::kF64:
        return ReadNumbers<double>(count, key, value.floats);
      case GgufValueType::kBool:
        ReadNumbers<uint8_t>(count, key, value.unsigneds);
        return CheckBools(key, value.unsigneds);
      case GgufValueType::kString:
        for (uint64_t i = 0; i < count; ++i) {
          value.strings.Add(cursor_.String(key));
        }
        return;
      case GgufValueType::kArray:
        return;  // not an element: see ReadArray
    }
  }

  void CheckBools(const std::string& key, const std::vector<uint64_t>& bits) {
    for (const uint64_t bit : bits) {
      if (bit <= 1) continue;
      Fail(ErrorKind::kCorrupt, "{}: {}: found a bool of {}, expected 0 or 1",
           cursor_.source(), key, bit);
    }
  }

  static constexpr uint64_t kMaxArrays = uint64_t{1} << 16;
  Cursor& cursor_;
  uint64_t elements_left_ = kMaxGgufElements;
  uint64_t arrays_ = 0;
};

uint32_t ReadVersion(Cursor& cursor) {
  const std::string_view magic = cursor.Take(kGgufMagic.size(), "magic");
  if (magic != kGgufMagic) {
    Fail(ErrorKind::kCorrupt, "{}: magic: found \"{}\", expected \"{}\"",
         cursor.source(), Quoted(magic), kGgufMagic);
  }
  const auto version = cursor.Number<uint32_t>("version");
  if (version == 2 || version == 3) return version;
  const bool swapped = version != 0 && (version & 0xFFFF) == 0;
  Fail(ErrorKind::kUnsupported, "{}: version: found {}, expected 2 or 3{}",
       cursor.source(), version, swapped ? " (a big-endian file?)" : "");
}

GgufMetadata::Map ReadMetadata(Cursor& cursor, uint64_t count) {
  GgufMetadata::Map values;
  ValueReader reader(cursor);
  for (uint64_t i = 0; i < count; ++i) {
    std::string key(cursor.String(fmt::format("metadata key {}", i)));
    const std::string thing = Quoted(key);
    GgufValue value = reader.Read(thing);
    if (!values.emplace(std::move(key), std::move(value)).second) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found the key twice, expected it once",
           cursor.source(), thing);
    }
  }
  return values;
}

uint64_t AlignmentOf(const GgufMetadata& metadata) {
  static const std::string kKey = "general.alignment";
  const uint64_t alignment = metadata.Uint(kKey).value_or(kDefaultAlignment);
  if (!std::has_single_bit(alignment) || alignment > kMaxAlignment) {
    Fail(ErrorKind::kCorrupt,
         "{}: {}: found {}, expected a power of two up to {}",
         metadata.source(), kKey, alignment, kMaxAlignment);
  }
  return alignment;
}

// Bytes of a tensor; `thing` names it.
uint64_t TensorBytes(const GgufTensor& tensor, std::string_view thing,
                     std::string_view source) {
  const GgmlTypeFacts& facts = FactsOf(tensor.type);
  if (tensor.shape.back() % facts.block_weights != 0) {
    Fail(ErrorKind::kCorrupt,
         "{}: {}: found rows of {} weights, expected a multiple of {} for {}",
         source, thing, tensor.shape.back(), facts.block_weights, facts.name);
  }
  const auto elements = CheckedProduct(tensor.shape);
  // 8 bytes each are more than any type takes.
  if (!elements || !CheckedMul(*elements, 8)) {
    Fail(ErrorKind::kCorrupt,
         "{}: {}: shape: found {}, expected a size that fits in 64 bits",
         source, thing, ShapeText(tensor.shape));
  }
  return *elements / facts.block_weights * facts.block_bytes;
}

GgufTensor ReadTensor(Cursor& cursor, uint64_t index) {
  GgufTensor tensor;
  tensor.name = cursor.String(fmt::format("name of tensor {}", index));
  const std::string thing = Quoted(tensor.name);
  if (tensor.name.empty()) {
    Fail(ErrorKind::kCorrupt, "{}: tensor {}: found no name, expected one",
         cursor.source(), index);
  }
  const auto dimensions = cursor.Number<uint32_t>(thing);
  if (dimensions == 0 || dimensions > kMaxDimensions) {
    Fail(ErrorKind::kCorrupt, "{}: {}: found {} dimensions, expected 1 to {}",
         cursor.source(), thing, dimensions, kMaxDimensions);
  }
  for (uint32_t i = 0; i < dimensions; ++i) {
    tensor.shape.push_back(cursor.Number<uint64_t>(thing));
  }
  std::reverse(tensor.shape.begin(), tensor.shape.end());
  if (std::count(tensor.shape.begin(), tensor.shape.end(), 0) > 0) {
    Fail(ErrorKind::kCorrupt, "{}: {}: shape: found {}, expected no zero",
         cursor.source(), thing, ShapeText(tensor.shape));
  }
  const auto id = cursor.Number<uint32_t>(thing);
  const auto type = ParseGgmlType(id);
  if (!type) {
    Fail(ErrorKind::kUnsupported,
         "{}: {}: found tensor type {}, expected one that ggml defines",
         cursor.source(), thing, id);
  }
  tensor.type = *type;
  tensor.bytes = TensorBytes(tensor, thing, cursor.source());
  tensor.offset = cursor.Number<uint64_t>(thing);
  return tensor;
}

// Makes the offset absolute.
void PlaceTensor(const GgufHeader& header, uint64_t file_bytes,
                 GgufTensor& tensor) {
  const std::string& source = header.metadata.source();
  if (tensor.offset % header.alignment != 0) {
    Fail(ErrorKind::kCorrupt,
         "{}: {}: offset: found {}, expected a multiple of {}", source,
         Quoted(tensor.name), tensor.offset, header.alignment);
  }
  const uint64_t data_bytes =
      file_bytes - std::min(file_bytes, header.data_offset);
  if (tensor.offset > data_bytes || tensor.bytes > data_bytes - tensor.offset) {
    Fail(ErrorKind::kCorrupt,
         "{}: {}: found {} bytes at offset {}, expected them within the {} "
         "data bytes of the file (is it truncated?)",
         source, Quoted(tensor.name), tensor.bytes, tensor.offset, data_bytes);
  }
  tensor.offset += header.data_offset;
}

void CheckOverlap(const GgufHeader& header) {
  uint64_t end = header.data_offset;
  const GgufTensor* previous = nullptr;
  for (const GgufTensor& tensor : header.tensors) {
    if (tensor.offset < end) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: offset: found an overlap of {} bytes with {}, expected "
           "none",
           header.metadata.source(), Quoted(tensor.name), end - tensor.offset,
           Quoted(previous->name));
    }
    end = tensor.offset + tensor.bytes;
    previous = &tensor;
  }
}

GgufHeader ReadHeader(Cursor& cursor) {
  GgufHeader header;
  header.version = ReadVersion(cursor);
  const uint64_t tensors =
      cursor.Count(kMinTensorBytes, kMaxGgufTensors, "number of tensors");
  const uint64_t values =
      cursor.Count(kMinValueBytes, kMaxGgufValues, "number of metadata");
  header.metadata = GgufMetadata(cursor.source(), ReadMetadata(cursor, values));
  header.alignment = AlignmentOf(header.metadata);

  std::unordered_set<std::string> names;
  for (uint64_t i = 0; i < tensors; ++i) {
    header.tensors.push_back(ReadTensor(cursor, i));
    if (!names.insert(header.tensors.back().name).second) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found the tensor twice, expected once",
           cursor.source(), Quoted(header.tensors.back().name));
    }
  }
  header.data_offset = RoundUp(cursor.position(), header.alignment);
  for (GgufTensor& tensor : header.tensors) {
    PlaceTensor(header, cursor.file_bytes(), tensor);
  }
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const GgufTensor& a, const GgufTensor& b) {
                     return a.offset < b.offset;
                   });
  CheckOverlap(header);
  return header;
}

}  // namespace

bool IsGguf(const File& file) {
  std::array<char, kGgufMagic.size()> magic{};
  if (file.size_bytes() < magic.size()) return false;
  file.ReadAt(0, std::as_writable_bytes(std::span(magic)));
  return std::string_view(magic.data(), magic.size()) == kGgufMagic;
}

GgufHeader ReadGgufHeader(const File& file) {
  Cursor cursor(file, file.path().string());
  return ReadHeader(cursor);
}

GgufHeader ParseGguf(std::string_view bytes, std::string_view source) {
  Cursor cursor(bytes, source);
  return ReadHeader(cursor);
}

}  // namespace ram
