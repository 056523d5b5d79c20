// ram.json: where an output comes from and what it holds
// (docs/ram.schema.json).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/json.h"
#include "ram/tensor/dtype.h"

namespace ram {

inline constexpr int kRecordVersion = 1;
inline constexpr char kRecordName[] = "ram.json";

struct ExportedFile {
  std::string name;
  uint64_t bytes = 0;
  std::string sha256;  // empty: not computed
};

struct Record {
  std::string tool;
  std::string target;
  std::string architecture;
  std::string manifest_sha256;  // empty when no manifest took part
  std::string plan_sha256;
  OrderedJson options;                // what to run again
  std::vector<ExportedFile> inputs;   // weight files and config.json
  std::vector<ExportedFile> outputs;  // every file but ram.json

  // What the plan does not say about a unit. With the plan's scheme it gives
  // the names, dtypes, shapes and hashes of the unit's stored tensors.
  struct UnitError {
    std::string unit;
    double nmse = 0;              // measured while writing
    DType dtype = DType::kBF16;   // of scales, biases and 16-bit weights
    std::vector<uint64_t> shape;  // before packing
    uint64_t nonfinite = 0;       // weights that are NaN or Inf (16 bits only)
    // XXH3 (64 bits) of each stored tensor, module by module: weight, then
    // scales and biases or shape.
    std::vector<uint64_t> xxh3;
    struct Module {
      std::string name;
      std::vector<uint64_t> shape;  // before packing

      bool operator==(const Module&) const = default;
    };
    std::vector<Module> modules;  // empty: one, of the unit's name and shape
  };
  std::vector<UnitError> units;

  struct PlainRecord {
    std::string name;
    DType dtype = DType::kBF16;
    std::vector<uint64_t> shape;
    uint64_t xxh3 = 0;
  };
  std::vector<PlainRecord> plain;

  OrderedJson audit;  // result of the audit made at writing time
};

// One line per file, unit and plain tensor; same record, same bytes.
std::string RecordToJson(const Record& record);
// Unknown fields are ignored. Throws kCorrupt naming `source` and the field.
Record RecordFromJson(std::string_view text, std::string_view source);
// DIRECTORY/ram.json. Throws kCorrupt when it is not there.
Record ReadRecord(const std::filesystem::path& directory);

}  // namespace ram
