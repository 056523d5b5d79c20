#include "ram/pipeline/xray_job.h"

#include <cmath>
#include <map>
#include <utility>

#include "ram/allocation/allocate.h"
#include "ram/analysis/profile.h"
#include "ram/base/error.h"
#include "ram/checkpoint/nonfinite.h"
#include "ram/target/target.h"

namespace ram {
namespace {

namespace fs = std::filesystem;

constexpr int kCurvePoints = 16;
constexpr double kWeightsTolerance = 0.25;

std::optional<fs::path> ManifestOf(const fs::path& path) {
  if (fs::is_directory(path)) {
    const fs::path manifest = path / "manifest.json";
    if (fs::exists(manifest) && !fs::exists(path / "config.json")) {
      return manifest;
    }
    return std::nullopt;
  }
  if (path.extension() == ".json") return path;
  return std::nullopt;
}

// "out/analysis" for out/analysis/manifest.json.
std::string NameOf(const fs::path& path) {
  fs::path name = path;
  if (name.filename() == "manifest.json" && name.has_parent_path()) {
    name = name.parent_path();
  }
  if (!name.has_filename()) name = name.parent_path();
  return name.filename().string();
}

Subject LoadManifest(const fs::path& path) {
  Subject subject;
  subject.manifest = ReadManifest(path);
  const fs::path profile = path.parent_path() / "profile.safetensors";
  if (fs::exists(profile)) {
    FactCollector collector(subject.manifest.model);
    ReadProfile(profile, subject.manifest.model, collector);
    subject.facts = collector.Take();
  }
  return subject;
}

Subject AnalyzeModel(const fs::path& path, const XrayOptions& options,
                     Progress& progress) {
  const Checkpoint checkpoint = Checkpoint::Open(path);
  if (!options.allow_nonfinite) CheckPlainFinite(checkpoint);
  AnalyzeOptions analyze;
  analyze.seed = options.seed;
  analyze.threads = options.threads;
  analyze.digests = false;
  analyze.spectra = Spectra::kTop;
  analyze.allow_nonfinite = options.allow_nonfinite;
  FactCollector collector(checkpoint.model());
  Subject subject;
  subject.manifest = Analyze(checkpoint, analyze, &collector, progress);
  subject.facts = collector.Take();
  return subject;
}

// Every member of the plan is a matrix of the model, and the reverse.
void CheckPlan(const Plan& plan, const Subject& subject,
               const std::string& source) {
  std::map<std::string, bool> planned;
  for (const Matrix& matrix : subject.model().matrices) {
    planned[matrix.name] = false;
  }
  for (const PlannedUnit& unit : plan.units) {
    for (const std::string& tensor : unit.tensors) {
      const auto found = planned.find(tensor);
      if (found == planned.end()) {
        Fail(ErrorKind::kCorrupt,
             "{}: unit {}: found tensor {}, expected one of {} (is it the plan "
             "of another model?)",
             source, unit.unit, tensor, subject.name);
      }
      found->second = true;
    }
  }
  for (const DroppedTensor& dropped : plan.dropped) {
    const auto found = planned.find(dropped.tensor);
    if (found != planned.end()) found->second = true;
  }
  for (const Matrix& matrix : subject.model().matrices) {
    if (planned[matrix.name] || matrix.section != Section::kText) continue;
    Fail(ErrorKind::kCorrupt,
         "{}: found no entry for {}, expected every tensor of {} (is it the "
         "plan of another model?)",
         source, matrix.name, subject.name);
  }
}

void AddPlan(const fs::path& path, Subject& subject) {
  const fs::path file = fs::is_directory(path) ? path / "plan.json" : path;
  Plan plan = ReadPlan(file);
  CheckPlan(plan, subject, file.string());
  subject.plan = std::move(plan);
}

// Some model of the report has about as many weights as some subject: formats
// differ in a tied head or a few constants.
void CheckEvaluation(const EvaluationRecord& record,
                     const std::vector<Subject>& subjects) {
  for (const ReportedModel& model : record.models) {
    if (model.weights == 0) return;
    for (const Subject& subject : subjects) {
      const auto a = static_cast<double>(model.weights);
      const auto b = static_cast<double>(subject.model().weights());
      if (std::abs(a - b) <= kWeightsTolerance * b) return;
    }
  }
  if (record.models.empty()) return;
  Fail(ErrorKind::kCorrupt,
       "{}: found {} with {} weights, expected about the {} of {} (is it the "
       "report of another model?)",
       record.source, record.models[0].path, record.models[0].weights,
       subjects[0].model().weights(), subjects[0].name);
}

// Whether any error of a scheme that the target can hold was measured.
bool IsMeasured(const Manifest& manifest, const Target& target) {
  for (size_t k = 0; k < manifest.schemes.size(); ++k) {
    if (manifest.schemes[k].scheme.kind != target.kind()) continue;
    for (const MatrixRecord& record : manifest.matrices) {
      if (k < record.nmse.size() && !std::isnan(record.nmse[k])) return true;
    }
  }
  return false;
}

void AddCurve(const XrayOptions& options, Subject& subject) {
  subject.curve_target = subject.plan ? subject.plan->target : options.target;
  const Target& target = FindTarget(subject.curve_target);
  if (!IsMeasured(subject.manifest, target)) return;
  subject.curve =
      Curve(subject.manifest, target, AllocateOptions(), kCurvePoints);
}

}  // namespace

XrayReport RunXray(const std::vector<std::string>& models,
                   const XrayOptions& options, Progress& progress) {
  if (options.plan && models.size() != 1) {
    Fail(ErrorKind::kUsage,
         "--plan: found {} models, expected one (a plan belongs to one model)",
         models.size());
  }
  // What is cheap to refuse comes first.
  std::vector<EvaluationRecord> evaluations;
  for (const fs::path& path : options.evaluations) {
    evaluations.push_back(ReadEvaluation(path));
  }
  std::vector<Subject> subjects;
  for (const std::string& model : models) {
    const auto manifest = ManifestOf(model);
    Subject subject = manifest ? LoadManifest(*manifest)
                               : AnalyzeModel(model, options, progress);
    subject.name = NameOf(model);
    if (options.plan) AddPlan(*options.plan, subject);
    AddCurve(options, subject);
    subjects.push_back(std::move(subject));
  }
  for (const EvaluationRecord& record : evaluations) {
    CheckEvaluation(record, subjects);
  }
  return MakeReport(std::move(subjects), std::move(evaluations));
}

}  // namespace ram
