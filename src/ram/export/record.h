// ram.json: where an output comes from and what it holds
// (docs/ram.schema.json).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/json.h"
#include "ram/export/export_model.h"

namespace ram {

inline constexpr int kRecordVersion = 1;

struct Record {
  std::string tool;
  std::string target;
  std::string architecture;
  std::string manifest_sha256;  // empty when no manifest took part
  std::string plan_sha256;
  OrderedJson options;  // what to run again
  std::vector<ExportedFile> inputs;
  std::vector<ExportedFile> outputs;
  struct UnitError {
    std::string unit;
    double nmse = 0;  // measured while writing
  };
  std::vector<UnitError> units;
  OrderedJson audit;  // result of the audit made at writing time
};

std::string RecordToJson(const Record& record);
Record RecordFromJson(std::string_view text, std::string_view source);

}  // namespace ram
