// What a runtime can store: units that can have a precision of their own, the
// schemes legal for each, names as the runtime wants them, exact bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ram/checkpoint/model.h"
#include "ram/quantization/scheme.h"
#include "ram/tensor/dtype.h"

namespace ram {

// What a module in signed integers has besides: its shape, two numbers.
inline constexpr uint64_t kIntShapeBytes = 16;

// One of several modules that a unit is stored as.
struct UnitModule {
  std::string name;
  std::vector<uint64_t> shape;  // [rows, cols], cols that of its own members
  uint32_t members = 0;         // of Unit::members, consecutive
  uint32_t first_tensor = 0;    // Model::tensors: where it begins
};

// The smallest thing the target can give its own precision: one matrix, a
// stack of experts, or modules that the runtime fuses.
struct Unit {
  std::string name;  // module path in the output: "model.layers.0.mlp.up_proj"
  std::vector<uint32_t> members;  // Model::matrices, in storage order
  // Shape of the output weight before packing: members share rows x cols, and
  // `shape` is [rows, cols], [experts, rows, cols] or [heads, rows, cols]. With
  // modules of different cols these are the first's, and rows all weights over
  // cols.
  std::vector<uint64_t> shape;
  uint64_t rows = 0;  // of all members together
  uint64_t cols = 0;
  std::string role;
  int layer = -1;
  DType kept_dtype = DType::kBF16;  // of 16-bit weights and of scales
  std::vector<Scheme> legal;        // ascending bits, then ascending bytes; the
                                    // last is always 16-bit float
  uint32_t first_tensor = 0;        // Model::tensors: where it begins
  std::vector<UnitModule> modules;  // empty: one, of the unit's name and shape
  // Rows of each head in llama.cpp's rotary order (Storage::head_rows); 0: as
  // they are.
  uint64_t head_rows = 0;

  uint32_t module_count() const {
    return modules.empty() ? 1 : static_cast<uint32_t>(modules.size());
  }
  const std::string& module_name(uint32_t module) const {
    return modules.empty() ? name : modules[module].name;
  }
  const std::vector<uint64_t>& module_shape(uint32_t module) const {
    return modules.empty() ? shape : modules[module].shape;
  }
  uint64_t weights() const { return rows * cols; }
  uint64_t bytes(const Scheme& scheme) const {
    const bool ints = scheme.kind == SchemeKind::kInt;
    return SchemeBytes(scheme, rows, cols) +
           (ints ? kIntShapeBytes * module_count() : 0);
  }
};

// A tensor that is copied, or cast to a 16-bit type.
struct PlainTensor {
  uint32_t tensor = 0;  // Model::tensors
  std::string name;
  DType dtype = DType::kBF16;
  std::vector<uint64_t> shape;
  // Some runtimes want another layout of the same elements.
  enum class Change : uint8_t {
    kNone,
    kMoveAxis21,
    kAddOne
  } change = Change::kNone;
  uint64_t head_rows = 0;  // as Unit's, of a bias
};

struct DroppedTensor {
  std::string tensor;
  std::string why;
};

struct TargetLayout {
  std::vector<Unit> units;         // in the order of their first member
  std::vector<PlainTensor> plain;  // in the order of their tensors
  std::vector<DroppedTensor> dropped;
  // GGUF's key-value pairs, serialised, and how many they are. Whoever knows
  // the tokenizer adds them to what Describe returns; sizes need the number of
  // bytes alone.
  std::string metadata;
  uint64_t metadata_bytes = 0;
  uint64_t metadata_pairs = 0;
  // What llama.cpp divides the frequencies of the rotary embedding by, where
  // the model stretches it so; empty: nothing.
  std::vector<float> rope_factors;
};

// A tensor in an output file.
struct StoredTensor {
  // kWeight: 16-bit floats, or blocks. kShape: the shape of what codes hold.
  enum class Kind : uint8_t {
    kCodes,
    kScales,
    kBiases,
    kShape,
    kWeight,
    kPlain
  };
  std::string name;
  Kind kind;
  uint32_t index;  // of the unit, or of the plain tensor
  DType dtype;     // of blocks: unused
  std::vector<uint64_t> shape;
  uint64_t offset = 0;  // absolute, in its file
  uint64_t bytes = 0;
  uint32_t module = 0;  // of the unit
};

struct OutputFileLayout {
  std::string name;
  std::string prefix;  // length and header, ready to write
  std::vector<StoredTensor> tensors;
  uint64_t file_bytes = 0;
};

// What the weight files of a target are.
enum class OutputFormat : uint8_t {
  kSafetensors,  // with config.json, an index and the tokenizer beside them
  kGguf,         // with everything inside
};

class Target {
 public:
  virtual ~Target() = default;
  virtual std::string_view name() const = 0;
  virtual OutputFormat format() const = 0;

  // What its units hold where they are not left at 16 bits.
  virtual SchemeKind kind() const = 0;
  // Every scheme that some unit can hold, but for 16 bits; ascending bits, then
  // bytes.
  virtual std::span<const Scheme> Schemes() const = 0;
  // What "BITS bits in groups of GROUP" means here, `bits` under 16; without a
  // group, the target's own. nullopt for what it cannot hold.
  virtual std::optional<Scheme> SchemeOf(
      int bits, std::optional<int> group_size) const = 0;
  // `wanted`, one of Schemes(), if the unit can hold it; else what stands in
  // for it there, at last 16 bits.
  virtual Scheme Closest(const Unit& unit, const Scheme& wanted) const = 0;
  // How `uniform` chooses codes here: as the runtime's own converter, where we
  // do that too.
  virtual Encoder UniformEncoder() const = 0;

  // Throws kUnsupported when the runtime cannot hold this model at all.
  virtual TargetLayout Describe(const Model& model) const = 0;
  // Every weight file, to the byte, for one scheme per unit.
  virtual std::vector<OutputFileLayout> LayOutFiles(
      const TargetLayout& layout, std::span<const Scheme> schemes) const = 0;
  // Their bytes together, headers included, without laying them out.
  virtual uint64_t FileBytes(const TargetLayout& layout,
                             std::span<const Scheme> schemes) const = 0;
  // config.json of the output, from the source's; of kSafetensors.
  virtual std::string ConfigText(const Model& model, const TargetLayout& layout,
                                 std::span<const Scheme> schemes) const = 0;
  // What is to be said of this choice to who will load it.
  virtual std::vector<std::string> Notes(const TargetLayout&,
                                         std::span<const Scheme>) const {
    return {};
  }
};

// The labels of Schemes(), for messages: "2-bit g128, ... or 8-bit g32".
std::string SchemesText(const Target& target);

// "mlx", "gguf", "native". Throws kUsage for an unknown name, listing the known
// ones.
const Target& FindTarget(std::string_view name);

// Bytes of all weight files together, headers included.
uint64_t TotalFileBytes(std::span<const OutputFileLayout> files);

}  // namespace ram
