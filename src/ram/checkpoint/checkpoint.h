// A checkpoint on disk: a Hugging Face directory (one safetensors file, or
// shards with an index), a GGUF file (or the first of several that it was
// split into) or a single .safetensors file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ram/base/file.h"
#include "ram/checkpoint/model.h"
#include "ram/quantization/affine.h"

namespace ram {

class Checkpoint {
 public:
  // Opens and validates every header (no weights are read). Throws kIo,
  // kCorrupt, kUnsupported. A directory without config.json stands for the only
  // GGUF model in it.
  static Checkpoint Open(const std::filesystem::path& path);

  // The directory or the file; of a GGUF model always the file.
  const std::filesystem::path& path() const { return path_; }
  // A single .safetensors file: there is no config.json.
  bool bare_file() const { return bare_file_; }
  const Model& model() const { return model_; }

  // The weight files, by name, in the order of Model::tensors.
  const std::vector<std::string>& weight_files() const { return file_names_; }
  const File& file(const std::string& name) const;
  // config.json as it lies on disk, or made from GGUF's metadata
  // (gguf_config.h); empty for a bare file.
  const std::string& config_text() const { return config_text_; }
  // Other files a runtime needs, that exist here: tokenizer*, vocab*,
  // merges.txt, generation_config.json, chat_template*, special_tokens_map,
  // preprocessor_config, *.model. Names, sorted.
  std::vector<std::string> CompanionFiles() const;

  // Bytes of a tensor: elements, codes or blocks, rows in the model's order.
  void ReadTensor(uint32_t tensor, uint64_t byte_offset,
                  std::span<std::byte> out) const;
  // Rows [row, row + out.size() / cols) of a canonical matrix as floats, FP8
  // blocks scaled, codes decoded. Thread-safe. For a transposed matrix this
  // gathers.
  void ReadRows(const Matrix& matrix, uint64_t row, std::span<float> out) const;

  // The tensor that holds the matrix; its `storage` says how.
  const TensorInfo& TensorOf(const Matrix& matrix) const {
    return model_.tensors[matrix.tensor];
  }
  // Rows as they are stored, for kernels that decode them themselves; the
  // matrix is contiguous(). Dense rows: rows [row, row + out.size() /
  // TensorOf(matrix).row_bytes()). Thread-safe.
  void ReadStoredRows(const Matrix& matrix, uint64_t row,
                      std::span<std::byte> out) const;
  // Codes, scales and biases (of TensorOf(matrix).dtype; made for kInt schemes,
  // else throws kUnsupported): as many rows of AffineCodeBytes, ScaleBytes.
  void ReadStoredRows(const Matrix& matrix, uint64_t row,
                      const AffineOutput& out) const;

  // Throws kIo when any file is not the one that was opened.
  void CheckUnchanged() const;

 private:
  Checkpoint() = default;
  void OpenDirectory();
  void OpenBareFile();
  void OpenGguf();  // path_ is in files_ already
  const File& OpenFile(const std::string& name);
  // The files an index names, sorted; throws kCorrupt when one is missing.
  std::vector<std::string> ShardsOf(
      const std::map<std::string, std::string>& index) const;

  std::filesystem::path path_;
  bool bare_file_ = false;
  std::string config_text_;
  std::vector<std::string> file_names_;
  std::map<std::string, std::unique_ptr<File>> files_;  // config.json, too
  Model model_;
};

}  // namespace ram
