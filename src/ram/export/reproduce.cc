#include "ram/export/reproduce.h"

#include <algorithm>
#include <map>

#include "ram/base/digest.h"
#include "ram/base/error.h"
#include "ram/base/interrupt.h"
#include "ram/base/output.h"
#include "ram/base/parallel.h"
#include "ram/export/digest_chains.h"
#include "ram/export/export_model.h"
#include "ram/export/gguf_metadata.h"
#include "ram/export/record.h"

namespace ram {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void FailSource(const fs::path& file, std::string_view found,
                             std::string_view expected) {
  Fail(ErrorKind::kCorrupt,
       "{}: found {}, expected {} (ram.json names another source)",
       file.string(), found, expected);
}

void CheckSource(const Checkpoint& source, const Record& record, int threads,
                 Progress& progress) {
  const auto& names = source.weight_files();
  DigestChains chains;
  uint64_t bytes = 0;
  std::vector<const ExportedFile*> hashed;
  for (const ExportedFile& input : record.inputs) {
    const fs::path path = source.path() / input.name;
    if (input.name == "config.json") {
      const std::string sha256 = Sha256Hex(source.config_text());
      if (sha256 != input.sha256) FailSource(path, sha256, input.sha256);
      continue;
    }
    if (std::find(names.begin(), names.end(), input.name) == names.end()) {
      FailSource(path, "no such file", fmt::format("{} bytes", input.bytes));
    }
    const File* file = &source.file(input.name);
    if (file->size_bytes() != input.bytes) {
      FailSource(path, fmt::format("{} bytes", file->size_bytes()),
                 fmt::format("{} bytes", input.bytes));
    }
    if (input.sha256.empty()) continue;
    hashed.push_back(&input);
    bytes += input.bytes;
    chains.Add({input.bytes,
                [file](uint64_t offset, std::span<std::byte> out) {
                  file->ReadAt(offset, out);
                },
                {},
                [&progress](uint64_t, std::span<const std::byte> chunk) {
                  progress.Advance(chunk.size());
                }});
  }
  progress.Begin("source", bytes);
  chains.Finish(threads);
  progress.End();
  for (size_t i = 0; i < hashed.size(); ++i) {
    if (chains.HexDigest(i) != hashed[i]->sha256) {
      FailSource(source.path() / hashed[i]->name, chains.HexDigest(i),
                 hashed[i]->sha256);
    }
  }
}

bool SameBytes(const fs::path& a, const fs::path& b) {
  std::error_code ignored;
  if (!fs::is_regular_file(a, ignored)) return false;
  const File left = File::Open(a);
  const File right = File::Open(b);
  if (left.size_bytes() != right.size_bytes()) return false;
  std::vector<std::byte> buffers[2];
  for (auto& buffer : buffers) buffer.resize(size_t{256} << 10);
  for (uint64_t at = 0; at < left.size_bytes(); at += buffers[0].size()) {
    ThrowIfInterrupted();
    const uint64_t bytes =
        std::min<uint64_t>(buffers[0].size(), left.size_bytes() - at);
    const auto x = std::span(buffers[0]).first(bytes);
    const auto y = std::span(buffers[1]).first(bytes);
    left.ReadAt(at, x);
    right.ReadAt(at, y);
    if (!std::equal(x.begin(), x.end(), y.begin())) return false;
  }
  return true;
}

fs::path ScratchBeside(const fs::path& directory) {
  fs::path path = fs::absolute(directory).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  path += ".rebuilt";
  return path;
}

}  // namespace

ReproduceResult Reproduce(const fs::path& directory, const fs::path& source,
                          int threads, Progress& progress) {
  const Record record = ReadRecord(directory);
  const Plan plan = ReadPlan(directory / "plan.json");
  const Checkpoint checkpoint = Checkpoint::Open(source);
  CheckSource(checkpoint, record, ResolveThreads(threads), progress);

  const Target& target = FindTarget(record.target);
  const TargetLayout layout = DescribeOutput(checkpoint, target);
  OutputDirectory scratch(ScratchBeside(directory));
  const ExportResult rebuilt = ExportModel(checkpoint, target, layout, plan,
                                           {threads, false}, scratch, progress);
  std::map<std::string, std::string> recorded;
  for (const ExportedFile& file : record.outputs) {
    recorded[file.name] = file.sha256;
  }
  ReproduceResult result;
  for (const ExportedFile& file : rebuilt.record.outputs) {
    const auto found = recorded.find(file.name);
    const bool same =
        found != recorded.end() && found->second == file.sha256 &&
        SameBytes(directory / file.name, scratch.path() / file.name);
    if (!same) result.different.push_back(file.name);
    if (found != recorded.end()) recorded.erase(found);
    ++result.files_compared;
    result.bytes_compared += file.bytes;
  }
  for (const auto& [name, sha256] : recorded) result.different.push_back(name);
  return result;
}

}  // namespace ram
