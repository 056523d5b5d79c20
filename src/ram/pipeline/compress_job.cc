#include "ram/pipeline/compress_job.h"

#include <algorithm>

#include "ram/analysis/analyze.h"
#include "ram/base/digest.h"
#include "ram/base/error.h"
#include "ram/base/output.h"
#include "ram/base/stopwatch.h"
#include "ram/base/version.h"
#include "ram/checkpoint/nonfinite.h"
#include "ram/export/gguf_metadata.h"
#include "ram/export/record.h"
#include "ram/pipeline/analyze_job.h"

namespace ram {
namespace {

// These policies decide from shapes, unless they have to know which tensors
// hold NaN.
bool NeedsAnalysis(const CompressOptions& options) {
  const Policy policy = options.allocate.policy;
  return (policy != Policy::kUniform && policy != Policy::kLike) ||
         options.allow_nonfinite;
}

AnalyzeOptions AnalysisFor(const CompressOptions& options,
                           const Target& target) {
  const SchemeKind kind = target.kind();
  AnalyzeOptions analyze;
  analyze.seed = options.seed;
  analyze.threads = options.threads;
  analyze.digests = false;  // taken while writing
  analyze.spectra = PolicyNeedsSpectra(options.allocate.policy)
                        ? Spectra::kTop
                        : Spectra::kNone;
  const bool measured = options.allocate.policy == Policy::kOptimal;
  analyze.search = measured && options.allocate.encoder != Encoder::kMinMax;
  analyze.affine = kind == SchemeKind::kAffine;
  analyze.blocks = kind == SchemeKind::kBlocks && measured;
  analyze.fast_blocks = options.allocate.encoder == Encoder::kFast;
  analyze.every_block_type = false;
  analyze.ints = kind == SchemeKind::kInt && measured;
  analyze.every_int_width = target.SchemeOf(2, std::nullopt).has_value();
  analyze.allow_nonfinite = options.allow_nonfinite;
  return analyze;
}

struct Decision {
  Plan plan;
  std::string manifest_sha256;  // empty without analysis
};

Decision Decide(const Checkpoint& checkpoint, const Target& target,
                const TargetLayout& layout, const CompressOptions& options,
                CompressResult& result, Progress& progress) {
  Stopwatch watch;
  if (options.plan) return {ReadPlan(*options.plan), ""};
  const bool analyzed = NeedsAnalysis(options);
  Manifest manifest =
      analyzed
          ? Analyze(checkpoint, AnalysisFor(options, target), nullptr, progress)
          : ManifestOfShapes(checkpoint);
  if (layout.metadata_bytes > 0) {
    manifest.gguf_metadata_bytes = layout.metadata_bytes;
  }
  result.analyze_seconds = watch.Lap();
  Decision decision;
  if (analyzed) decision.manifest_sha256 = Sha256Hex(ManifestToJson(manifest));
  decision.plan = Allocate(manifest, target, options.allocate);
  result.allocate_seconds = watch.Lap();
  return decision;
}

double StoredNmse(const std::vector<StoredUnit>& units, const Plan& plan) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < units.size(); ++i) {
    if (plan.units[i].scheme.kind == SchemeKind::kFloat) continue;
    error += units[i].squared_error;
    norm += units[i].squared_norm;
  }
  return norm > 0 ? error / norm : 0;
}

Record MakeRecord(const Checkpoint& checkpoint, const Decision& decision,
                  const CompressOptions& options, ExportResult&& exported) {
  Record record = std::move(exported.record);
  record.tool = kToolVersion;
  record.target = options.target;
  record.architecture = checkpoint.model().architecture;
  record.manifest_sha256 = decision.manifest_sha256;
  record.options = {{"target", options.target},
                    {"policy", decision.plan.policy},
                    {"seed", options.seed},
                    {"allow_nonfinite", options.allow_nonfinite},
                    {"allocation", decision.plan.options}};
  return record;
}

[[noreturn]] void FailAudit(const AuditResult& audit) {
  std::string message = fmt::format(
      "audit: found {} differences between the plan and what was written, "
      "expected none; nothing was kept",
      audit.findings.size());
  for (size_t i = 0; i < std::min<size_t>(audit.findings.size(), 10); ++i) {
    message += "\n  " + FindingText(audit.findings[i]);
  }
  throw Error(ErrorKind::kGate, message);
}

}  // namespace

Manifest ManifestOfShapes(const Checkpoint& checkpoint) {
  Manifest manifest;
  manifest.tool = kToolVersion;
  manifest.model = checkpoint.model();
  for (const Matrix& matrix : manifest.model.matrices) {
    MatrixRecord record;
    record.name = matrix.name;
    manifest.matrices.push_back(std::move(record));
  }
  return manifest;
}

CompressResult RunCompress(const std::filesystem::path& model,
                           const std::filesystem::path& out,
                           const CompressOptions& options, Progress& progress) {
  const Checkpoint checkpoint = Checkpoint::Open(model);
  if (checkpoint.bare_file()) {
    Fail(ErrorKind::kUnsupported,
         "{}: found a single file, expected a model directory with config.json "
         "(a bare file can be inspected, analyzed and planned)",
         model.string());
  }
  const Target& target = FindTarget(options.target);
  const TargetLayout layout = DescribeOutput(checkpoint, target);
  std::optional<OutputDirectory> directory;
  if (!options.dry_run) directory.emplace(out);

  if (!options.allow_nonfinite) CheckPlainFinite(checkpoint);

  CompressResult result;
  result.source_bytes = WeightFileBytes(checkpoint);
  result.source_dtype = checkpoint.model().main_dtype();
  Decision decision =
      Decide(checkpoint, target, layout, options, result, progress);
  const std::vector<Scheme> schemes =
      MatchPlan(decision.plan, checkpoint.model(), layout,
                options.plan ? options.plan->string() : "plan");
  for (const auto& file : target.LayOutFiles(layout, schemes)) {
    result.files.push_back({file.name, file.file_bytes});
  }
  if (options.dry_run) {
    result.plan = std::move(decision.plan);
    return result;
  }

  Stopwatch watch;
  ExportResult exported =
      ExportModel(checkpoint, target, layout, decision.plan,
                  {options.threads, true}, *directory, progress);
  result.nmse = StoredNmse(exported.units, decision.plan);
  result.write_seconds = watch.Lap();
  std::vector<std::string> notes = std::move(exported.notes);

  Record record =
      MakeRecord(checkpoint, decision, options, std::move(exported));
  result.audit = AuditRecord(directory->path(), record,
                             {options.threads, std::nullopt}, progress);
  if (!result.audit.holds()) FailAudit(result.audit);
  record.audit = AuditToJson(result.audit);
  directory->Write("ram.json", RecordToJson(record));
  result.audit_seconds = watch.Lap();
  directory->Sync();
  checkpoint.CheckUnchanged();
  directory->Commit();
  result.sync_seconds = watch.Lap();
  result.plan = std::move(decision.plan);
  std::move(notes.begin(), notes.end(), std::back_inserter(result.plan.notes));
  return result;
}

}  // namespace ram
