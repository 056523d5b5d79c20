#include "ram/pipeline/analyze_job.h"

#include <optional>

#include "ram/analysis/profile.h"
#include "ram/base/error.h"
#include "ram/base/output.h"
#include "ram/base/stopwatch.h"
#include "ram/checkpoint/nonfinite.h"
#include "ram/export/gguf_metadata.h"

namespace ram {
namespace {

// What a GGUF file of this model would begin with; unset where there cannot be
// one.
std::optional<uint64_t> GgufMetadataBytes(const Checkpoint& checkpoint) {
  if (checkpoint.bare_file()) return std::nullopt;
  try {
    return MakeGgufMetadata(checkpoint).bytes().size();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kUnsupported) throw;
    return std::nullopt;
  }
}

}  // namespace

uint64_t WeightFileBytes(const Checkpoint& checkpoint) {
  uint64_t bytes = 0;
  for (const std::string& name : checkpoint.weight_files()) {
    bytes += checkpoint.file(name).size_bytes();
  }
  return bytes;
}

AnalyzeJobResult RunAnalyze(const std::filesystem::path& model,
                            const std::filesystem::path& out,
                            const AnalyzeOptions& options, Progress& progress) {
  const Checkpoint checkpoint = Checkpoint::Open(model);
  OutputDirectory directory(out);
  if (!options.allow_nonfinite) CheckPlainFinite(checkpoint);
  AnalyzeJobResult result;
  result.source_bytes = WeightFileBytes(checkpoint);
  Stopwatch watch;
  {
    ProfileWriter profile(checkpoint.model(), options, directory);
    result.manifest = Analyze(checkpoint, options, &profile, progress);
  }
  if (options.blocks) {
    result.manifest.gguf_metadata_bytes = GgufMetadataBytes(checkpoint);
  }
  directory.Write("manifest.json", ManifestToJson(result.manifest));
  result.seconds = watch.Lap();
  directory.Sync();
  directory.Commit();
  result.sync_seconds = watch.Lap();
  return result;
}

}  // namespace ram
