#include "ram/container/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>

#include "ram/base/checked.h"
#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/tensor/shape_text.h"

namespace ram {
namespace {

constexpr uint64_t kLengthBytes = 8;

// value[key] for the entry of one tensor.
const Json& EntryField(const Json& entry, const char* key,
                       std::string_view source, const std::string& name) {
  if (!entry.is_object() || !entry.contains(key)) {
    Fail(ErrorKind::kCorrupt, "{}: {}: found no '{}', expected one", source,
         name, key);
  }
  return entry[key];
}

std::vector<uint64_t> UintArray(const Json& value, const char* key,
                                std::string_view source,
                                const std::string& name) {
  std::vector<uint64_t> numbers;
  bool good = value.is_array();
  if (good) {
    for (const Json& item : value) {
      const auto number = AsUint64(item);
      good = good && number.has_value();
      numbers.push_back(number.value_or(0));
    }
  }
  if (!good) {
    Fail(ErrorKind::kCorrupt,
         "{}: {}: {}: found {}, expected whole numbers, zero or more", source,
         name, key, value.dump().substr(0, 80));
  }
  return numbers;
}

SafetensorsEntry ParseEntry(const std::string& name, const Json& value,
                            uint64_t data_begin, uint64_t data_bytes,
                            std::string_view source) {
  SafetensorsEntry entry;
  entry.name = name;
  const Json& dtype = EntryField(value, "dtype", source, name);
  const auto parsed =
      dtype.is_string() ? ParseDType(dtype.get<std::string>()) : std::nullopt;
  if (!parsed) {
    Fail(ErrorKind::kUnsupported,
         "{}: {}: dtype: found {}, expected one of BF16, F16, F32, F8_E4M3 or "
         "another safetensors type",
         source, name, dtype.dump().substr(0, 40));
  }
  entry.dtype = *parsed;
  entry.shape = UintArray(EntryField(value, "shape", source, name), "shape",
                          source, name);
  const auto elements = CheckedProduct(entry.shape);
  const auto bytes =
      elements ? CheckedMul(*elements, DTypeBytes(entry.dtype)) : std::nullopt;
  if (!bytes) {
    Fail(ErrorKind::kCorrupt,
         "{}: {}: shape: found {}, expected a size that fits in 64 bits",
         source, name, ShapeText(entry.shape));
  }
  const auto offsets =
      UintArray(EntryField(value, "data_offsets", source, name), "data_offsets",
                source, name);
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    Fail(ErrorKind::kCorrupt,
         "{}: {}: data_offsets: found {}, expected [begin, end]", source, name,
         ShapeText(offsets));
  }
  if (offsets[1] > data_bytes) {
    Fail(ErrorKind::kCorrupt,
         "{}: {}: data_offsets: found {}, expected an end within the {} data "
         "bytes of the file (is it truncated?)",
         source, name, ShapeText(offsets), data_bytes);
  }
  if (offsets[1] - offsets[0] != *bytes) {
    Fail(ErrorKind::kCorrupt,
         "{}: {}: data_offsets: found {} bytes, expected {} for {} {}", source,
         name, offsets[1] - offsets[0], *bytes, DTypeName(entry.dtype),
         ShapeText(entry.shape));
  }
  entry.begin = data_begin + offsets[0];
  entry.end = data_begin + offsets[1];
  return entry;
}

std::map<std::string, std::string> ParseMetadata(const Json& value,
                                                 std::string_view source) {
  std::map<std::string, std::string> metadata;
  bool good = value.is_object();
  if (good) {
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) {
        good = false;
        break;
      }
      metadata[key] = text.get<std::string>();
    }
  }
  if (!good) {
    Fail(ErrorKind::kCorrupt,
         "{}: __metadata__: found {}, expected an object of strings", source,
         value.dump().substr(0, 80));
  }
  return metadata;
}

// Entries are sorted; they must cover the data exactly once.
void CheckCoverage(const std::vector<SafetensorsEntry>& entries,
                   uint64_t data_begin, uint64_t file_bytes,
                   std::string_view source) {
  uint64_t at = data_begin;
  const SafetensorsEntry* previous = nullptr;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin < at) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: data_offsets: found an overlap of {} bytes with {}, "
           "expected none",
           source, entry.name, at - entry.begin, previous->name);
    }
    if (entry.begin > at) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: data_offsets: found a gap of {} bytes before it, expected "
           "none",
           source, entry.name, entry.begin - at);
    }
    at = entry.end;
    previous = &entry;
  }
  if (at != file_bytes) {
    Fail(ErrorKind::kCorrupt,
         "{}: found {} bytes after the last tensor, expected none", source,
         file_bytes - at);
  }
}

}  // namespace

SafetensorsHeader ParseSafetensorsHeader(std::string_view header,
                                         uint64_t file_bytes,
                                         std::string_view source) {
  const uint64_t data_begin = kLengthBytes + header.size();
  if (file_bytes < data_begin) {
    Fail(ErrorKind::kCorrupt,
         "{}: found {} bytes, expected at least {} (is it truncated?)", source,
         file_bytes, data_begin);
  }
  const Json json = ParseJson(header, fmt::format("{}: header", source), 8);
  if (!json.is_object()) {
    Fail(ErrorKind::kCorrupt, "{}: header: found {}, expected a JSON object",
         source, json.type_name());
  }
  SafetensorsHeader result;
  result.entries.reserve(json.size());
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__") {
      // MLX writes null for none, as the reference reader allows.
      if (value.is_null()) continue;
      result.metadata = ParseMetadata(value, source);
    } else {
      result.entries.push_back(
          ParseEntry(name, value, data_begin, file_bytes - data_begin, source));
    }
  }
  std::sort(result.entries.begin(), result.entries.end(),
            [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
              return std::tie(a.begin, a.end, a.name) <
                     std::tie(b.begin, b.end, b.name);
            });
  CheckCoverage(result.entries, data_begin, file_bytes, source);
  return result;
}

SafetensorsHeader ReadSafetensorsHeader(const File& file) {
  const std::string source = file.path().string();
  if (file.size_bytes() < kLengthBytes) {
    Fail(ErrorKind::kCorrupt,
         "{}: found {} bytes, expected a safetensors file of at least {}",
         source, file.size_bytes(), kLengthBytes);
  }
  std::array<std::byte, kLengthBytes> prefix;
  file.ReadAt(0, prefix);
  if (std::memcmp(prefix.data(), "GGUF", 4) == 0) {
    Fail(ErrorKind::kUnsupported, "{}: found a GGUF file, expected safetensors",
         source);
  }
  uint64_t length = 0;
  for (size_t i = kLengthBytes; i-- > 0;) {
    length = length << 8 | static_cast<uint64_t>(prefix[i]);
  }
  if (length > kMaxSafetensorsHeaderBytes) {
    Fail(ErrorKind::kCorrupt,
         "{}: header length: found {} bytes, expected at most {}", source,
         length, kMaxSafetensorsHeaderBytes);
  }
  if (length > file.size_bytes() - kLengthBytes) {
    Fail(ErrorKind::kCorrupt,
         "{}: header length: found {} bytes, expected at most the {} that "
         "follow in the file (is it truncated?)",
         source, length, file.size_bytes() - kLengthBytes);
  }
  std::string header(length, '\0');
  file.ReadAt(kLengthBytes, std::as_writable_bytes(std::span(header)));
  return ParseSafetensorsHeader(header, file.size_bytes(), source);
}

SafetensorsLayout LayOutSafetensors(
    const std::vector<SafetensorsTensor>& tensors,
    const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":" + Json(metadata).dump() + ",";
  }
  SafetensorsLayout layout;
  uint64_t at = 0;
  for (const SafetensorsTensor& tensor : tensors) {
    const uint64_t bytes =
        std::accumulate(tensor.shape.begin(), tensor.shape.end(),
                        DTypeBytes(tensor.dtype), std::multiplies<>());
    header += fmt::format(
        "{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}},",
        Json(tensor.name).dump(), DTypeName(tensor.dtype),
        fmt::join(tensor.shape, ","), at, at + bytes);
    layout.offsets.push_back(at);
    at += bytes;
  }
  if (header.back() == ',') header.pop_back();
  header += '}';
  header.resize(RoundUp(header.size(), 8), ' ');

  for (size_t i = 0; i < kLengthBytes; ++i) {
    layout.prefix += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  }
  layout.prefix += header;
  for (uint64_t& offset : layout.offsets) offset += layout.prefix.size();
  layout.file_bytes = layout.prefix.size() + at;
  return layout;
}

}  // namespace ram
