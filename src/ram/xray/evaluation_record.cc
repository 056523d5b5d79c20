#include "ram/xray/evaluation_record.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "ram/base/byte_size.h"
#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/json.h"
#include "ram/evaluation/report.h"

namespace ram {
namespace {

class Reader {
 public:
  Reader(const Json& object, const std::string& source)
      : object_(object), source_(source) {
    if (!object.is_object()) {
      Fail(ErrorKind::kCorrupt, "{}: found {}, expected an object", source,
           object.type_name());
    }
  }

  const Json& Need(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end()) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: missing (is it a report of ram "
           "evaluate?)",
           source_, key);
    }
    return *found;
  }
  const Json* Find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  const Json& Array(const char* key) const {
    const Json& value = Need(key);
    Expect(value.is_array(), key, value, "an array");
    return value;
  }
  double AsNumber(const Json& value, const char* key) const {
    Expect(value.is_number(), key, value, "a number");
    return value.get<double>();
  }
  std::string AsText(const Json& value, const char* key) const {
    Expect(value.is_string(), key, value, "a string");
    return value.get<std::string>();
  }
  uint64_t AsCount(const Json& value, const char* key) const {
    const auto count = AsUint64(value);
    Expect(count.has_value(), key, value, "a count");
    return *count;
  }
  std::optional<double> Number(const char* key) const {
    const Json* value = Find(key);
    if (!value) return std::nullopt;
    return AsNumber(*value, key);
  }
  std::vector<std::string> Texts(const char* key) const {
    std::vector<std::string> texts;
    const Json& array = Array(key);
    for (const Json& value : array) texts.push_back(AsText(value, key));
    return texts;
  }
  std::optional<ReportedInterval> Interval(const char* key) const {
    const Json* value = Find(key);
    if (!value) return std::nullopt;
    const Reader reader(*value, fmt::format("{}: {}", source_, key));
    return ReportedInterval{reader.AsNumber(reader.Need("value"), "value"),
                            reader.AsNumber(reader.Need("low"), "low"),
                            reader.AsNumber(reader.Need("high"), "high")};
  }
  const std::string& source() const { return source_; }

 private:
  void Expect(bool holds, const char* key, const Json& found,
              const char* expected) const {
    if (holds) return;
    Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected {}", source_, key,
         found.type_name(), expected);
  }

  const Json& object_;
  std::string source_;
};

void ReadPerplexity(const Reader& read, ReportedModel& model) {
  model.ppl = read.Number("ppl");
  model.ppl_stderr = read.Number("ppl_stderr");
  model.mean_ppl = read.Number("mean_ppl");
  model.median_ppl = read.Number("median_ppl");
  model.top1_agreement = read.Number("top1_agreement");
  model.ppl_ratio = read.Interval("ppl_ratio");
  if (const Json* kl = read.Find("kl")) {
    const Reader reader(*kl, read.source() + ": kl");
    model.kl_mean = reader.Number("mean");
    model.kl_median = reader.Number("median");
    model.kl_p99 = reader.Number("p99");
  }
  if (read.Find("window_nll")) {
    for (const Json& nll : read.Array("window_nll")) {
      model.window_ppl.push_back(std::exp(read.AsNumber(nll, "window_nll")));
    }
  }
  if (!read.Find("outliers")) return;
  for (const Json& outlier : read.Array("outliers")) {
    const Reader reader(outlier, read.source() + ": outliers");
    model.outliers.push_back({reader.AsCount(reader.Need("window"), "window"),
                              reader.AsNumber(reader.Need("ppl"), "ppl"),
                              reader.AsText(reader.Need("text"), "text")});
  }
}

void ReadChoices(const Reader& read, ReportedModel& model) {
  model.acc = read.Number("acc");
  model.acc_stderr = read.Number("acc_stderr");
  model.acc_norm = read.Number("acc_norm");
  model.acc_norm_stderr = read.Number("acc_norm_stderr");
  if (const Json* against = read.Find("acc_against_baseline")) {
    const Reader reader(*against, read.source() + ": acc_against_baseline");
    model.acc_difference = reader.Interval("difference");
    model.mcnemar_p = reader.Number("mcnemar_p");
  }
  if (const Json* against = read.Find("acc_norm_against_baseline")) {
    const Reader reader(*against,
                        read.source() + ": acc_norm_against_baseline");
    model.acc_norm_difference = reader.Interval("difference");
  }
}

ReportedModel ReadModel(const Json& json, const std::string& source) {
  const Reader read(json, source);
  ReportedModel model;
  model.path = read.AsText(read.Need("path"), "path");
  model.bytes = read.AsCount(read.Need("bytes"), "bytes");
  model.bits_per_weight = read.AsNumber(read.Need("bpw"), "bpw");
  if (const Json* weights = read.Find("weights")) {
    model.weights = read.AsCount(*weights, "weights");
  }
  ReadPerplexity(read, model);
  ReadChoices(read, model);
  return model;
}

// The last `parts` components of a path.
std::string EndOf(const std::string& path, int parts) {
  std::filesystem::path whole = path;
  if (!whole.has_filename()) whole = whole.parent_path();
  std::filesystem::path end = whole.filename();
  while (--parts > 0 && whole.has_relative_path()) {
    whole = whole.parent_path();
    if (!whole.has_filename()) return path;
    end = whole.filename() / end;
  }
  return end.string();
}

void NameModels(std::vector<ReportedModel>& models) {
  constexpr int kMostParts = 8;
  for (int parts = 1; parts <= kMostParts; ++parts) {
    std::set<std::string> names;
    for (ReportedModel& model : models) {
      model.name = parts < kMostParts ? EndOf(model.path, parts) : model.path;
      names.insert(model.name);
    }
    if (names.size() == models.size()) return;
  }
}

Finding Sentence(const char* kind, Severity severity, std::string sentence,
                 std::string meaning) {
  return {kind,         severity, std::move(sentence), std::move(meaning),
          "evaluation", {}};
}

void DescribePerplexity(const ReportedModel& model,
                        const ReportedModel& baseline,
                        std::vector<Finding>& out) {
  if (!model.ppl || !baseline.ppl) return;
  std::string kl;
  if (model.kl_mean) {
    kl = fmt::format("; KL {:.4f} nats on average", *model.kl_mean);
    if (model.kl_median) kl += fmt::format(", {:.4f} median", *model.kl_median);
  }
  out.push_back(Sentence(
      "perplexity", Severity::kFact,
      fmt::format("{} ({}, {:.2f} bits per weight): perplexity {:.3f} against "
                  "{:.3f} ({:+.2f} %){}.",
                  model.name, FormatByteSize(model.bytes),
                  model.bits_per_weight, *model.ppl, *baseline.ppl,
                  100 * (*model.ppl / *baseline.ppl - 1), kl),
      ""));
  if (*model.ppl < *baseline.ppl) {
    out.push_back(Sentence(
        "better-than-original", Severity::kWarning,
        fmt::format("{} looks better than its original {} ({:.3f} against "
                    "{:.3f}).",
                    model.name, baseline.name, *model.ppl, *baseline.ppl),
        "Compression adds no knowledge: this is noise of the measurement, or "
        "a few windows decide. Trust the KL divergence."));
  }
}

void DescribeChoices(const ReportedModel& model, const ReportedModel& baseline,
                     const std::string& task, std::vector<Finding>& out) {
  if (!model.acc || !baseline.acc) return;
  std::string interval;
  if (model.acc_difference) {
    interval = fmt::format(
        " (difference {:+.2f} points, 95 % interval "
        "{:+.2f} to {:+.2f})",
        100 * model.acc_difference->value, 100 * model.acc_difference->low,
        100 * model.acc_difference->high);
  }
  out.push_back(Sentence(
      "accuracy", Severity::kFact,
      fmt::format("{} on {}: accuracy {:.2f} % against {:.2f} %{}.", model.name,
                  task, 100 * *model.acc, 100 * *baseline.acc, interval),
      ""));
  if (*model.acc > *baseline.acc) {
    out.push_back(Sentence(
        "better-than-original", Severity::kWarning,
        fmt::format("{} looks better than its original {} on {} ({:.2f} % "
                    "against {:.2f} %).",
                    model.name, baseline.name, task, 100 * *model.acc,
                    100 * *baseline.acc),
        "Compression adds no knowledge: unless the interval excludes zero, "
        "this is chance."));
  }
}

}  // namespace

EvaluationRecord ParseEvaluation(std::string_view text,
                                 const std::string& source) {
  const Json json = ParseJson(text, source);
  const Reader read(json, source);
  const uint64_t version = read.AsCount(read.Need("version"), "version");
  if (version != kReportVersion) {
    Fail(ErrorKind::kUnsupported, "{}: version: found {}, expected {}", source,
         version, kReportVersion);
  }
  EvaluationRecord record;
  record.source = source;
  const Reader protocol(read.Need("protocol"), source + ": protocol");
  record.task = protocol.AsText(protocol.Need("task"), "task");
  record.data = EndOf(protocol.AsText(protocol.Need("data"), "data"), 2);
  if (protocol.Find("window_numbers")) {
    for (const Json& number : protocol.Array("window_numbers")) {
      record.window_numbers.push_back(
          protocol.AsCount(number, "window_numbers"));
    }
  }
  for (const Json& model : read.Array("models")) {
    record.models.push_back(ReadModel(model, source + ": models"));
    const size_t windows = record.models.back().window_ppl.size();
    if (windows != 0 && windows != record.window_numbers.size()) {
      Fail(ErrorKind::kCorrupt,
           "{}: models: window_nll: found {} windows, expected {}", source,
           windows, record.window_numbers.size());
    }
  }
  if (record.models.empty()) {
    Fail(ErrorKind::kCorrupt, "{}: models: found none, expected at least one",
         source);
  }
  NameModels(record.models);
  record.warnings = read.Texts("warnings");
  record.agreement = read.Texts("agreement");
  return record;
}

EvaluationRecord ReadEvaluation(const std::filesystem::path& path) {
  return ParseEvaluation(ReadTextFile(path), path.string());
}

std::vector<Finding> DescribeEvaluation(const EvaluationRecord& record) {
  std::vector<Finding> out;
  const ReportedModel& baseline = record.models[0];
  for (size_t i = 1; i < record.models.size(); ++i) {
    DescribePerplexity(record.models[i], baseline, out);
    DescribeChoices(record.models[i], baseline, record.task, out);
  }
  if (record.models.size() == 1 && baseline.ppl) {
    out.push_back(Sentence(
        "perplexity", Severity::kFact,
        fmt::format("{}: perplexity {:.3f}.", baseline.name, *baseline.ppl),
        "There is nothing to compare it with."));
  }
  for (const std::string& warning : record.warnings) {
    out.push_back(
        Sentence("report-warning", Severity::kWarning, warning + ".", ""));
  }
  return out;
}

}  // namespace ram
