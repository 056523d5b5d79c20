// The audit in progress: what lies in an output, beside what should.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ram/allocation/plan.h"
#include "ram/base/file.h"
#include "ram/export/audit.h"
#include "ram/export/digest_chains.h"
#include "ram/export/record.h"
#include "ram/export/tensor_hashes.h"
#include "ram/target/target.h"

namespace ram {

inline constexpr char kConfigName[] = "config.json";

class OutputAudit {
 public:
  OutputAudit(const std::filesystem::path& directory, const Record& record,
              const AuditOptions& options, Progress& progress)
      : directory_(directory),
        record_(record),
        options_(options),
        progress_(progress) {}

  AuditResult Run();

 private:
  // A tensor that the header of a weight file names.
  struct Entry {
    std::string name;
    std::string type;  // "BF16", "U32", "Q4_K"
    std::vector<uint64_t> shape;
    uint64_t begin = 0;
    uint64_t end = 0;

    uint64_t bytes() const { return end - begin; }
  };
  // A file that ram.json lists and that is there.
  struct StoredFile {
    const ExportedFile* expected = nullptr;
    File file;
    std::vector<Entry> entries;  // weight files only
    std::unique_ptr<TensorHashes> hashes;
  };
  // A tensor that plan and record call for.
  struct ExpectedTensor {
    std::string name;
    std::string type;
    DType dtype = DType::kU32;  // that of `type`; kU32 for codes and blocks
    std::vector<uint64_t> shape;
    uint64_t xxh3 = 0;
    // Index into the plan's units, or the record's plain tensors.
    bool plain = false;
    size_t index = 0;
    size_t part = 0;  // 0 codes or weights, 1 scales, 2 biases or shape
    // Where it lies; null: nowhere, or with another dtype or shape.
    StoredFile* stored = nullptr;
    size_t entry = 0;

    const Entry& place() const { return stored->entries[entry]; }
    // Whether all its bytes are there.
    bool whole() const {
      return stored != nullptr && place().end <= stored->file.size_bytes();
    }
  };
  void Add(std::string file, std::string thing, std::string found,
           std::string expected);

  // audit.cc
  void OpenFiles();
  void FindStrayFiles();
  void ReadWeightHeader(StoredFile& stored);
  std::vector<Entry> SafetensorsEntries(const StoredFile& stored) const;
  std::vector<Entry> GgufEntries(const StoredFile& stored) const;
  void CheckDigests();
  void CheckTensorHashes();
  void CheckFinite();
  void CheckFinite(size_t unit, std::span<const uint64_t> counts);

  // audit_plan.cc: the plan against record and headers.
  void ReadStoredPlan();
  void ExpectTensors();
  void ExpectUnit(size_t index, const Record::UnitError& unit);
  void ExpectModule(size_t index, const Record::UnitError& unit,
                    const Record::UnitError::Module& module, size_t& hashes);
  static bool ModulesHold(const PlannedUnit& unit,
                          const Record::UnitError& recorded);
  void MatchTensors();
  void CheckMatch(ExpectedTensor& tensor, StoredFile& stored, size_t entry);
  void CheckTotals();

  // audit_config.cc: what a runtime reads beside the tensors.
  void CheckConfig();
  void CheckConfigEntries(const Json& quantization);
  // audit_packed_config.cc: the same for target vllm.
  void CheckPackedConfig(const Json& config);
  void CheckIndex();
  std::optional<Json> ReadStoredJson(const std::string& name);

  // audit_source.cc: the weights against the original ones.
  class SourceComparison;
  void CompareWithSource();

  const std::filesystem::path& directory_;
  const Record& record_;
  const AuditOptions& options_;
  Progress& progress_;
  int threads_ = 1;

  AuditResult result_;
  std::vector<std::unique_ptr<StoredFile>> files_;
  std::optional<Plan> plan_;
  // Record::units by name.
  std::map<std::string_view, const Record::UnitError*> recorded_units_;
  std::vector<ExpectedTensor> tensors_;
  // Per plan unit: its first tensor in tensors_; its last is before the next.
  std::vector<size_t> first_tensor_;
  std::map<std::string_view, size_t> planned_;  // units of the plan by name
  std::map<std::string_view, size_t> tensor_by_name_;
  // Every tensor that some header names.
  std::map<std::string_view, const StoredFile*> found_;
  DigestChains chains_;  // of the outputs, in the order of files_
};

}  // namespace ram
