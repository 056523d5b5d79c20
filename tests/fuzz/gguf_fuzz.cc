// Any bytes as a GGUF file: either a valid header or one ram::Error.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ram/base/error.h"
#include "ram/container/gguf.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

// Every getter of every value: nothing, a value, or one Error.
template <typename Getter>
void Try(Getter get) {
  try {
    get();
  } catch (const ram::Error&) {
  }
}

void ReadEveryValue(const ram::GgufMetadata& metadata) {
  for (const auto& [key, value] : metadata.values()) {
    const std::string& name = key;
    Require(value.type == ram::GgufValueType::kArray || value.size() == 1);
    Try([&] { (void)metadata.Uint(name); });
    Try([&] { (void)metadata.Number(name); });
    Try([&] { (void)metadata.Bool(name); });
    Try([&] { (void)metadata.Text(name); });
    Try([&] { (void)metadata.Uints(name); });
    Try([&] { (void)metadata.Ints(name); });
    Try([&] { (void)metadata.Numbers(name); });
    Try([&] { (void)metadata.Bools(name); });
    Try([&] {
      const ram::GgufStrings* const strings = metadata.Strings(name);
      size_t bytes = 0;
      for (size_t i = 0; i < strings->size(); ++i) {
        bytes += (*strings)[i].size();
      }
      Require(bytes <= ram::kMaxGgufHeaderBytes);
    });
  }
}

// What every caller of the reader relies on.
void CheckHeader(const ram::GgufHeader& header, uint64_t file_bytes) {
  uint64_t end = header.data_offset;
  for (const ram::GgufTensor& tensor : header.tensors) {
    Require(tensor.offset >= end && tensor.offset % header.alignment == 0);
    uint64_t elements = 1;
    for (const uint64_t size : tensor.shape) elements *= size;
    const ram::GgmlTypeFacts& facts = ram::FactsOf(tensor.type);
    Require(elements > 0 && tensor.shape.back() % facts.block_weights == 0);
    Require(elements / facts.block_weights * facts.block_bytes == tensor.bytes);
    end = tensor.offset + tensor.bytes;
    Require(end <= file_bytes);
  }
  ReadEveryValue(header.metadata);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    CheckHeader(ram::ParseGguf(
                    std::string_view(reinterpret_cast<const char*>(data), size),
                    "fuzz"),
                size);
  } catch (const ram::Error&) {
  }
  return 0;
}
