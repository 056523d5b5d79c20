// Any bytes as a GGUF file: either a valid header or one ram::Error.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ram/base/error.h"
#include "ram/checkpoint/gguf_config.h"
#include "ram/checkpoint/gguf_tensors.h"
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

// The model that the metadata and the tensors make, or one Error.
void CheckModel(const ram::GgufHeader& header) {
  const ram::GgufFamily family = ram::GgufFamilyOf(header);
  ram::Json config = ram::GgufConfig(family, header, [](std::string_view name) {
    return std::vector<float>(name.size() % 9, 8.0F);
  });
  Require(!config.dump().empty());
  std::vector<ram::TensorInfo> tensors =
      ram::GgufTensors(family, header, config, "fuzz");
  Require(tensors.size() == header.tensors.size());
  const ram::Model model =
      ram::DescribeModel(std::move(config), std::move(tensors), "fuzz");
  for (const ram::Matrix& matrix : model.matrices) {
    const ram::TensorInfo& tensor = model.tensors[matrix.tensor];
    Require(matrix.source_cols == tensor.shape.back());
    Require(matrix.rows * matrix.cols <= tensor.elements());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const ram::GgufHeader header = ram::ParseGguf(
        std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
    CheckHeader(header, size);
    CheckModel(header);
  } catch (const ram::Error&) {
  }
  return 0;
}
