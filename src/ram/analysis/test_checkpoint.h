// Small checkpoints for tests.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "ram/base/temporary_directory.h"
#include "ram/container/safetensors.h"
#include "ram/tensor/convert.h"

namespace ram {

struct RandomTensor {
  std::string name;
  DType dtype;
  std::vector<uint64_t> shape;
  std::vector<float> values;
};

// Writes `directory`/name as a safetensors file.
inline std::filesystem::path WriteTensors(
    const TemporaryDirectory& directory, std::string_view name,
    const std::vector<RandomTensor>& tensors) {
  std::vector<SafetensorsTensor> entries;
  for (const RandomTensor& tensor : tensors) {
    entries.push_back({tensor.name, tensor.dtype, tensor.shape});
  }
  const SafetensorsLayout layout = LayOutSafetensors(entries, {});
  std::string text = layout.prefix;
  for (const RandomTensor& tensor : tensors) {
    std::string data(tensor.values.size() * DTypeBytes(tensor.dtype), '\0');
    FromFloat(tensor.dtype, tensor.values,
              reinterpret_cast<std::byte*>(data.data()));
    text += data;
  }
  return directory.Write(name, text);
}

}  // namespace ram
