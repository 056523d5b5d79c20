#include "ram/export/audit.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "ram/base/error.h"
#include "ram/base/parallel.h"
#include "ram/base/stopwatch.h"
#include "ram/container/gguf.h"
#include "ram/container/safetensors.h"
#include "ram/export/output_audit.h"
#include "ram/target/gguf_files.h"

namespace ram {
namespace fs = std::filesystem;
namespace {

bool IsGgufName(const std::string& name) { return name.ends_with(".gguf"); }

bool IsWeightFile(const std::string& name) {
  return name.ends_with(".safetensors") || IsGgufName(name);
}

uint64_t CountNonfinite(DType dtype, std::span<const uint16_t> values) {
  const uint16_t exponent = dtype == DType::kF16 ? 0x7C00 : 0x7F80;
  uint64_t count = 0;
  for (uint16_t value : values) count += (value & exponent) == exponent;
  return count;
}

uint64_t CountNonfinite(const File& file, DType dtype, uint64_t begin,
                        uint64_t end) {
  std::vector<uint16_t> values(size_t{64} << 10);
  uint64_t count = 0;
  for (uint64_t at = begin; at < end;) {
    const uint64_t bytes = std::min<uint64_t>(values.size() * 2, end - at);
    const auto part = std::span(values).first(bytes / 2);
    file.ReadAt(at, std::as_writable_bytes(part));
    count += CountNonfinite(dtype, part);
    at += bytes;
  }
  return count;
}

}  // namespace

void OutputAudit::Add(std::string file, std::string thing, std::string found,
                      std::string expected) {
  result_.findings.push_back({std::move(file), std::move(thing),
                              std::move(found), std::move(expected)});
}

void OutputAudit::OpenFiles() {
  for (const ExportedFile& expected : record_.outputs) {
    const fs::path path = directory_ / expected.name;
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored)) {
      Add(expected.name, "", "no such file",
          fmt::format("{} bytes", expected.bytes));
      continue;
    }
    auto stored = std::make_unique<StoredFile>(
        StoredFile{&expected, File::Open(path), {}, nullptr});
    if (stored->file.size_bytes() != expected.bytes) {
      Add(expected.name, "", fmt::format("{} bytes", stored->file.size_bytes()),
          fmt::format("{} bytes", expected.bytes));
    }
    if (IsWeightFile(expected.name)) ReadWeightHeader(*stored);
    files_.push_back(std::move(stored));
  }
}

// Against the size that the file should have, so that a truncated one still
// tells which tensors it lacks.
std::vector<OutputAudit::Entry> OutputAudit::SafetensorsEntries(
    const StoredFile& stored) const {
  uint64_t length = 0;
  stored.file.ReadAt(0, std::as_writable_bytes(std::span(&length, 1)));
  if (length > kMaxSafetensorsHeaderBytes) {
    Fail(ErrorKind::kCorrupt, "found a header of {} bytes", length);
  }
  std::string text(length, '\0');
  stored.file.ReadAt(8, std::as_writable_bytes(std::span(text)));
  const SafetensorsHeader header = ParseSafetensorsHeader(
      text, stored.expected->bytes, stored.expected->name);
  std::vector<Entry> entries;
  for (const SafetensorsEntry& entry : header.entries) {
    entries.push_back({entry.name, std::string(DTypeName(entry.dtype)),
                       entry.shape, entry.begin, entry.end});
  }
  return entries;
}

std::vector<OutputAudit::Entry> OutputAudit::GgufEntries(
    const StoredFile& stored) const {
  std::vector<Entry> entries;
  const auto planned = [&](const std::string& name) {
    return std::any_of(record_.plain.begin(), record_.plain.end(),
                       [&](const auto& plain) { return plain.name == name; });
  };
  for (const GgufTensor& tensor : ReadGgufHeader(stored.file).tensors) {
    // A table that follows from config.json is no tensor of the plan.
    if (tensor.name == kGgufRopeTable && !planned(tensor.name)) continue;
    entries.push_back({tensor.name, std::string(FactsOf(tensor.type).name),
                       tensor.shape, tensor.offset,
                       tensor.offset + tensor.bytes});
  }
  return entries;
}

void OutputAudit::ReadWeightHeader(StoredFile& stored) {
  const std::string& name = stored.expected->name;
  const bool gguf = IsGgufName(name);
  try {
    stored.entries = gguf ? GgufEntries(stored) : SafetensorsEntries(stored);
  } catch (const Error& error) {
    Add(name, "header", error.what(),
        gguf ? "a valid GGUF header" : "a valid safetensors header");
  }
  std::vector<ByteRange> ranges;
  for (const Entry& entry : stored.entries) {
    ranges.push_back({entry.begin, entry.end});
  }
  stored.hashes = std::make_unique<TensorHashes>(std::move(ranges));
}

void OutputAudit::FindStrayFiles() {
  std::set<std::string> known = {kRecordName};
  for (const ExportedFile& file : record_.outputs) known.insert(file.name);
  std::vector<std::string> stray;
  for (const auto& entry : fs::directory_iterator(directory_)) {
    const std::string name = entry.path().filename().string();
    if (!known.contains(name)) stray.push_back(name);
  }
  std::sort(stray.begin(), stray.end());
  for (const std::string& name : stray) {
    Add(name, "", "a file that ram.json does not list", "no such file");
  }
}

void OutputAudit::CheckDigests() {
  for (const auto& stored : files_) {
    const File* file = &stored->file;
    TensorHashes* hashes = stored->hashes.get();
    DigestChains::Source source;
    source.bytes = file->size_bytes();
    source.read = [file](uint64_t offset, std::span<std::byte> bytes) {
      file->ReadAt(offset, bytes);
    };
    source.see = [this, hashes](uint64_t offset,
                                std::span<const std::byte> bytes) {
      if (hashes != nullptr) hashes->Update(offset, bytes);
      progress_.Advance(bytes.size());
    };
    chains_.Add(std::move(source));
    result_.bytes_checked += file->size_bytes();
  }
  progress_.Begin("audit", result_.bytes_checked);
  chains_.Finish(threads_);
  progress_.End();
  for (size_t i = 0; i < files_.size(); ++i) {
    const ExportedFile& expected = *files_[i]->expected;
    if (chains_.HexDigest(i) != expected.sha256) {
      Add(expected.name, "sha256", chains_.HexDigest(i), expected.sha256);
    }
  }
}

void OutputAudit::CheckTensorHashes() {
  for (const ExpectedTensor& tensor : tensors_) {
    if (tensor.stored == nullptr) continue;
    const std::string& file = tensor.stored->expected->name;
    if (!tensor.whole()) {
      Add(file, tensor.name,
          fmt::format("the end of the file at byte {}",
                      tensor.stored->file.size_bytes()),
          fmt::format("data up to byte {}", tensor.place().end));
      continue;
    }
    const uint64_t hash = tensor.stored->hashes->hashes()[tensor.entry];
    if (hash != tensor.xxh3) {
      Add(file, tensor.name, fmt::format("data of xxh3 {:016x}", hash),
          fmt::format("{:016x}", tensor.xxh3));
      continue;
    }
    ++result_.tensors_checked;
  }
}

void OutputAudit::CheckFinite() {
  std::vector<uint64_t> counts(tensors_.size());
  ParallelFor(tensors_.size(), threads_, [&](uint64_t item, int) {
    const ExpectedTensor& tensor = tensors_[item];
    if (tensor.plain || tensor.dtype == DType::kU32 || !tensor.whole()) return;
    counts[item] = CountNonfinite(tensor.stored->file, tensor.dtype,
                                  tensor.place().begin, tensor.place().end);
  });
  for (size_t u = 0; u + 1 < first_tensor_.size(); ++u) {
    CheckFinite(u, counts);
  }
}

// `counts` of each tensor; a unit left at 16 bits may hold what ram.json says.
void OutputAudit::CheckFinite(size_t unit, std::span<const uint64_t> counts) {
  const size_t begin = first_tensor_[unit], end = first_tensor_[unit + 1];
  const auto report = [&](size_t i, uint64_t found, uint64_t expected) {
    Add(tensors_[i].stored->expected->name, tensors_[i].name,
        fmt::format("{} NaN or Inf", found), fmt::to_string(expected));
  };
  uint64_t weights = 0, expected = 0;
  bool whole = begin < end;
  for (size_t i = begin; i < end; ++i) {
    const ExpectedTensor& tensor = tensors_[i];
    whole = whole && tensor.whole();
    if (!tensor.whole() || tensor.dtype == DType::kU32) continue;
    if (tensor.part == 0) {
      weights += counts[i];
      expected = recorded_units_.at(plan_->units[unit].unit)->nonfinite;
    } else if (counts[i] != 0) {
      report(i, counts[i], 0);
    }
  }
  if (whole && weights != expected) report(begin, weights, expected);
}

AuditResult OutputAudit::Run() {
  const Stopwatch stopwatch;
  threads_ = ResolveThreads(options_.threads);
  OpenFiles();
  FindStrayFiles();
  ReadStoredPlan();
  if (plan_) {
    ExpectTensors();
    MatchTensors();
    CheckTotals();
    CheckConfig();
    CheckIndex();
  }
  CheckDigests();
  if (plan_) {
    CheckTensorHashes();
    CheckFinite();
    if (options_.source) CompareWithSource();
  }
  result_.seconds = stopwatch.Seconds();
  return std::move(result_);
}

AuditResult AuditRecord(const fs::path& directory, const Record& record,
                        const AuditOptions& options, Progress& progress) {
  return OutputAudit(directory, record, options, progress).Run();
}

AuditResult Audit(const fs::path& directory, const AuditOptions& options,
                  Progress& progress) {
  return AuditRecord(directory, ReadRecord(directory), options, progress);
}

std::string FindingText(const AuditFinding& finding) {
  return fmt::format("{}: {}{}found {}, expected {}", finding.file,
                     finding.thing, finding.thing.empty() ? "" : ": ",
                     finding.found, finding.expected);
}

OrderedJson AuditToJson(const AuditResult& result) {
  OrderedJson findings = OrderedJson::array();
  for (const AuditFinding& finding : result.findings) {
    findings.push_back({{"file", finding.file},
                        {"thing", finding.thing},
                        {"found", finding.found},
                        {"expected", finding.expected}});
  }
  return {{"holds", result.holds()},
          {"tensors_checked", result.tensors_checked},
          {"tensors_total", result.tensors_total},
          {"bytes_checked", result.bytes_checked},
          {"source_checked", result.source_checked},
          {"units_decoded", result.units_decoded},
          {"largest_error_deviation", result.largest_error_deviation},
          {"findings", findings}};
}

}  // namespace ram
