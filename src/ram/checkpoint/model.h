// A checkpoint as one object without its bytes: which tensors there are, and
// which canonical matrices they hold. Built from a directory, and again from a
// manifest, by the same function.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/json.h"
#include "ram/quantization/scheme.h"
#include "ram/tensor/dtype.h"
#include "ram/tensor/ggml_type.h"

namespace ram {

// How the elements of a tensor lie in its file.
struct Storage {
  enum class Kind : uint8_t {
    kDense,   // one after the other, each of TensorInfo::dtype
    kAffine,  // codes of `scheme`; scales and, unless it is kInt, biases apart
    kBlocks,  // ggml's blocks (quantization/gguf_blocks.h)
  };
  Kind kind = Kind::kDense;
  Scheme scheme;        // bits and group size of codes
  int64_t scales = -1;  // indices into Model::tensors; -1 for none
  int64_t biases = -1;
  GgmlType block_type = GgmlType::kF32;  // of kBlocks
  // llama.cpp keeps the rows of a head in the order in which it rotates them:
  // row i + j * head_rows / 2 of each head lies at 2 * i + j. 0: as they are.
  uint64_t head_rows = 0;
  float shift = 0;  // to be added to F32 elements (Gemma's norms in GGUF: -1)

  bool dense() const { return kind == Kind::kDense; }
};

// A tensor as the model sees it: Hugging Face's name and the shape of the
// weights, however they are stored.
struct TensorInfo {
  std::string name;
  std::string file;  // name relative to the checkpoint; may be empty (replay)
  // Of the elements; of codes: of their scales; of blocks: what to write
  // instead.
  DType dtype = DType::kBF16;
  std::vector<uint64_t> shape;
  uint64_t offset = 0;  // absolute byte offset in `file`
  Storage storage = {};
  std::string stored_name = {};  // in the file, where that is not `name`

  const std::string& name_in_file() const {
    return stored_name.empty() ? name : stored_name;
  }
  uint64_t elements() const;   // validated not to overflow
  uint64_t row_bytes() const;  // of shape.back() elements, scales apart
  uint64_t bytes() const;      // of all rows
};

// "BF16", "4-bit g64", "Q4_K".
std::string StorageLabel(const TensorInfo& tensor);

// Which part of the model something belongs to.
enum class Section : uint8_t { kText, kVision, kMtp };
std::string_view SectionName(Section section);

// A weight matrix [rows, cols] = [out, in] that is multiplied with activations
// along cols, whatever the checkpoint's packing. Identified by `name`, or by
// (layer, role, expert, part).
//
// Its source is a tensor seen as 2-D rows of `source_cols` (all leading
// dimensions flattened); block b of `blocks` takes the block_rows rows from
// first_row + b * block_stride on. Not transposed: blocks stacked, rows =
// blocks * block_rows, cols = source_cols. Transposed: each block is
// transposed first, rows = blocks * source_cols, cols = block_rows.
struct Matrix {
  std::string
      name;  // canonical, e.g. "model.layers.0.mlp.experts.3.up_proj.weight"
  std::string role;  // see docs/architecture.md, e.g. "down_proj", "router"
  std::string part;  // of a fused tensor: "q", "gate", "embed_q"; else empty
  int layer = -1;
  int expert = -1;
  Section section = Section::kText;
  uint32_t tensor = 0;  // index into Model::tensors
  uint64_t rows = 0;
  uint64_t cols = 0;

  uint64_t first_row = 0;
  uint64_t block_rows = 0;
  uint64_t block_stride = 0;
  uint64_t blocks = 1;
  uint64_t source_cols = 0;
  bool transposed = false;

  std::string norm;  // tensor name of the norm that feeds it; empty: none known

  uint64_t weights() const { return rows * cols; }
  // A row for each token.
  bool is_vocabulary() const {
    return role == "embed_tokens" || role == "lm_head";
  }
  // Rows r.. of the matrix are consecutive bytes of the file.
  bool contiguous() const {
    return !transposed && (blocks == 1 || block_stride == block_rows);
  }
};

// What becomes of a tensor.
enum class TensorUse : uint8_t {
  kMatrices,  // holds one or more canonical matrices
  kPlain,     // norms, biases, convolutions, tables: copied
  kScale,     // scales of FP8 blocks, scales and biases of codes: consumed with
              // their weight
  kIgnored,   // stored but never read by any runtime (e.g. rotary tables)
};

struct Model {
  Json config;               // config.json; null for a bare file
  std::string architecture;  // "Qwen3ForCausalLM"; "unknown" for a bare file
  std::string model_type;    // "qwen3"
  bool known = false;        // an architecture description was found
  bool tied_head = false;    // the embedding is the head, too

  std::vector<TensorInfo> tensors;    // by file, then by offset
  std::vector<TensorUse> uses;        // parallel to tensors
  std::vector<int64_t> block_scales;  // of FP8: index of the scales, or -1
  std::vector<Section> sections;      // parallel to tensors
  std::vector<Matrix> matrices;       // in the order of their tensors

  uint64_t weights() const;            // all elements but scales
  uint64_t quantized_weights() const;  // those that are stored as codes
  DType main_dtype() const;            // the dtype that holds most weights
  // Integer from config (text_config is looked into, too).
  std::optional<uint64_t> ConfigUint(const char* key) const;
};

// What is to be said to whoever takes the model for a float original; nullopt
// where no weights are stored as codes.
std::optional<std::string> QuantizedNote(const Model& model);

// Sorts the tensors by role into canonical matrices. Throws kCorrupt when
// config.json contradicts the shapes (names config key, tensor, found,
// expected), on zero experts, on empty matrices. An unknown architecture is
// cut by shape and by the usual names, known = false. `source` names the
// checkpoint in messages.
Model DescribeModel(Json config, std::vector<TensorInfo> tensors,
                    std::string_view source);

}  // namespace ram
