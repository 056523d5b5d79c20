#include "ram/evaluation/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ram/base/error.h"
#include "ram/base/version.h"

namespace ram {
namespace {

OrderedJson IntervalJson(const Interval& interval) {
  return {{"value", interval.value},
          {"low", interval.low},
          {"high", interval.high}};
}

OrderedJson ProtocolJson(const ReportHeader& header) {
  return {{"task", header.task},
          {"data", header.data},
          {"data_sha256", header.data_sha256}};
}

std::string_view ComputeName(ComputeType compute) {
  return compute == ComputeType::kF32 ? "f32" : "bf16";
}

OrderedJson ModelJson(const EvaluatedModel& model) {
  return {{"path", model.path},
          {"bytes", model.bytes},
          {"bpw", model.bits_per_weight},
          {"nominal_bits", model.nominal_bits},
          {"weights", model.weights}};
}

void AddDistance(const PerplexityReport& report, size_t index,
                 OrderedJson& json) {
  const DistributionDistance& distance = *report.results[index].distance;
  json["kl"] = {{"mean", distance.kl_mean},
                {"stderr", distance.kl_standard_error},
                {"median", distance.kl_median},
                {"p99", distance.kl_p99},
                {"p999", distance.kl_p999}};
  json["window_kl"] = distance.window_kl;
  json["top1_agreement"] = distance.top1_agreement;
  json["flips"] = {{"lost", distance.flips_lost},
                   {"gained", distance.flips_gained}};
  json["rms_probability_change"] = distance.rms_probability_change;
  json["ppl_ratio"] = IntervalJson(distance.perplexity_ratio);
  json["retention"] = 1 / distance.perplexity_ratio.value;
  const auto degradation = DegradationPerCompression(
      distance.perplexity_ratio.value, report.header.models[0].bytes,
      report.header.models[index].bytes);
  json["degradation_per_compression"] =
      degradation ? OrderedJson(*degradation) : OrderedJson(nullptr);
}

OrderedJson ResultJson(const PerplexityReport& report, size_t index) {
  const PerplexityResult& result = report.results[index];
  OrderedJson json = ModelJson(report.header.models[index]);
  json["tokens"] = result.tokens;
  json["ppl"] = result.pooled.value;
  json["ppl_stderr"] = result.pooled.standard_error;
  json["mean_ppl"] = result.mean;
  json["median_ppl"] = result.median;
  json["trimmed_ppl"] = result.trimmed;
  json["p95_ppl"] = result.p95;
  json["p99_ppl"] = result.p99;
  json["seconds"] = result.seconds;
  json["window_nll"] = OrderedJson::array();
  for (const WindowTotal& window : result.windows) {
    json["window_nll"].push_back(window.mean_nll());
  }
  json["outlier_windows"] = result.outliers.size();
  json["outliers"] = OrderedJson::array();
  const auto& texts = report.outlier_texts[index];
  for (size_t i = 0; i < texts.size(); ++i) {
    const size_t window = result.outliers[i];
    const WindowTotal& total = result.windows[window];
    json["outliers"].push_back({{"window", report.windows[window]},
                                {"ppl", PooledPerplexity({&total, 1}).value},
                                {"text", texts[i]}});
  }
  if (result.distance) AddDistance(report, index, json);
  return json;
}

OrderedJson ComparisonJson(const ChoiceComparison& comparison) {
  return {{"difference", IntervalJson(comparison.difference)},
          {"only_baseline_right", comparison.paired.only_first},
          {"only_model_right", comparison.paired.only_second},
          {"mcnemar_p", comparison.paired.p_value},
          {"retention", comparison.retention}};
}

OrderedJson ResultJson(const ChoiceReport& report, size_t index) {
  const ChoiceResult& result = report.results[index];
  OrderedJson json = ModelJson(report.header.models[index]);
  json["acc"] = result.acc.value;
  json["acc_stderr"] = result.acc.standard_error;
  json["acc_norm"] = result.acc_norm.value;
  json["acc_norm_stderr"] = result.acc_norm.standard_error;
  json["seconds"] = result.seconds;
  if (report.acc[index]) {
    json["acc_against_baseline"] = ComparisonJson(*report.acc[index]);
    json["acc_norm_against_baseline"] = ComparisonJson(*report.acc_norm[index]);
  }
  json["items"] = result.chosen;
  json["items_norm"] = result.chosen_norm;
  return json;
}

template <typename Report>
OrderedJson Assemble(const Report& report, OrderedJson protocol) {
  OrderedJson json = {{"version", kReportVersion},
                      {"tool", kToolVersion},
                      {"protocol", std::move(protocol)},
                      {"models", OrderedJson::array()}};
  for (size_t i = 0; i < report.results.size(); ++i) {
    json["models"].push_back(ResultJson(report, i));
  }
  json["agreement"] = report.header.agreement;
  json["warnings"] = report.header.warnings;
  return json;
}

std::vector<double> NumberList(const Json& object, const char* key,
                               std::string_view source) {
  const auto found = object.find(key);
  std::vector<double> numbers;
  if (found != object.end() && found->is_array()) {
    for (const Json& number : *found) {
      if (!number.is_number()) break;
      numbers.push_back(number.get<double>());
    }
    if (!numbers.empty() && numbers.size() == found->size()) return numbers;
  }
  Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected a list of numbers",
       source, key, found == object.end() ? "nothing" : found->type_name());
}

const Json& MemberOf(const Json& object, const char* key, Json::value_t wanted,
                     std::string_view source) {
  const auto found = object.find(key);
  if (found == object.end() || found->type() != wanted) {
    Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected {}", source, key,
         found == object.end() ? "nothing" : found->type_name(),
         Json(wanted).type_name());
  }
  return *found;
}

PerplexityRecord::Entry ReadEntry(const Json& model, uint64_t targets,
                                  const std::string& source) {
  if (!model.is_object()) {
    Fail(ErrorKind::kCorrupt, "{}: found {}, expected an object", source,
         model.type_name());
  }
  PerplexityRecord::Entry entry;
  entry.path = StringField(model, "path", source);
  for (const double nll : NumberList(model, "window_nll", source)) {
    entry.windows.push_back({nll * static_cast<double>(targets), targets});
  }
  if (model.contains("window_kl")) {
    entry.window_kl = NumberList(model, "window_kl", source);
  }
  return entry;
}

}  // namespace

OrderedJson ReportToJson(const PerplexityReport& report) {
  OrderedJson protocol = ProtocolJson(report.header);
  protocol["window"] = report.options.window;
  protocol["windows"] = report.windows.size();
  protocol["windows_wanted"] = report.options.windows;
  protocol["windows_available"] = report.windows_available;
  protocol["seed"] = report.options.seed;
  protocol["prefix"] = PrefixTokensName(report.options.prefix);
  protocol["prefix_tokens"] = report.start_tokens;
  protocol["dtype"] = ComputeName(report.header.compute);
  protocol["window_numbers"] = report.windows;
  return Assemble(report, std::move(protocol));
}

OrderedJson ReportToJson(const ChoiceReport& report) {
  OrderedJson protocol = ProtocolJson(report.header);
  protocol["items"] = report.items;
  protocol["items_available"] = report.items_available;
  protocol["shots"] = report.shots.shots;
  protocol["shots_per_item"] = report.shots.per_item;
  protocol["shots_data"] = report.shots_data;
  protocol["shots_data_sha256"] = report.shots_sha256;
  if (report.shots.per_item) protocol["shots_seed"] = report.shots.seed;
  protocol["prefix"] = report.start_tokens ? "all" : "none";
  protocol["dtype"] = ComputeName(report.header.compute);
  protocol["truncated_choices"] = report.truncated;
  protocol["computed_tokens"] = report.computed_tokens;
  protocol["prompt_tokens"] = report.prompt_tokens;
  return Assemble(report, std::move(protocol));
}

std::string ReportText(const OrderedJson& report) {
  return report.dump(2, ' ', false, OrderedJson::error_handler_t::replace) +
         "\n";
}

std::optional<double> DegradationPerCompression(double ratio,
                                                uint64_t baseline_bytes,
                                                uint64_t bytes) {
  if (bytes == 0 || bytes >= baseline_bytes) return std::nullopt;
  const double compression =
      static_cast<double>(baseline_bytes) / static_cast<double>(bytes);
  return 100 * (ratio - 1) / (compression - 1);
}

PerplexityRecord ReadPerplexityReport(const std::filesystem::path& path) {
  const std::string source = path.string();
  const Json json = ReadJsonFile(source);
  if (!json.is_object()) {
    Fail(ErrorKind::kCorrupt, "{}: found {}, expected a report", source,
         json.type_name());
  }
  const uint64_t version = UintField(json, "version", source);
  if (version != kReportVersion) {
    Fail(ErrorKind::kUnsupported, "{}: version: found {}, expected {}", source,
         version, kReportVersion);
  }
  const Json& protocol =
      MemberOf(json, "protocol", Json::value_t::object, source);
  const std::string task = StringField(protocol, "task", source);
  const uint64_t window =
      task == "perplexity" ? UintField(protocol, "window", source) : 0;
  if (window < 2) {
    Fail(ErrorKind::kCorrupt,
         "{}: protocol: found {} with windows of {}, expected perplexity with "
         "windows of 2 or more",
         source, task, window);
  }
  PerplexityRecord record;
  const Json& models = MemberOf(json, "models", Json::value_t::array, source);
  for (size_t i = 0; i < models.size(); ++i) {
    record.models.push_back(ReadEntry(
        models[i], window - 1, fmt::format("{}: models[{}]", source, i)));
    const auto& entry = record.models.back();
    const size_t windows = record.models[0].windows.size();
    if (entry.windows.size() != windows ||
        (!entry.window_kl.empty() && entry.window_kl.size() != windows)) {
      Fail(ErrorKind::kCorrupt,
           "{}: models[{}]: found {} windows, expected the {} of the first",
           source, i, entry.windows.size(), windows);
    }
  }
  return record;
}

}  // namespace ram
