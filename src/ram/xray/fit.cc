#include "ram/xray/fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "ram/allocation/allocate.h"
#include "ram/allocation/role_weights.h"
#include "ram/base/byte_size.h"
#include "ram/base/error.h"

namespace ram {
namespace {

constexpr std::array kUniformBits = {8, 6, 5, 4, 3, 2};
// Where config.json sets no limit.
constexpr uint64_t kLongestContext = uint64_t{1} << 20;

// Whether errors of what the target stores are in the manifest.
bool IsMeasured(const Manifest& manifest, const Target& target) {
  const auto schemes = target.Schemes();
  for (size_t i = 0; i < manifest.schemes.size(); ++i) {
    if (std::find(schemes.begin(), schemes.end(), manifest.schemes[i].scheme) ==
        schemes.end()) {
      continue;
    }
    for (const MatrixRecord& record : manifest.matrices) {
      if (i < record.nmse.size() && !std::isnan(record.nmse[i])) return true;
    }
  }
  return false;
}

// What plans are predicted to lose, from the errors that the manifest holds.
class LossOfPlans {
 public:
  explicit LossOfPlans(const Manifest& manifest)
      : manifest_(manifest), weights_(MatrixWeights(manifest.model)) {
    for (uint32_t m = 0; m < manifest.matrices.size(); ++m) {
      index_.emplace(manifest.matrices[m].name, m);
    }
  }

  // nullopt where an error was not measured.
  std::optional<double> Of(const Plan& plan) const {
    double loss = 0;
    for (const PlannedUnit& unit : plan.units) {
      for (const std::string& name : unit.tensors) {
        const auto found = index_.find(name);
        if (found == index_.end()) return std::nullopt;
        const auto nmse = Nmse(manifest_.matrices[found->second], unit);
        if (!nmse) return std::nullopt;
        loss += weights_[found->second] * *nmse;
      }
    }
    return loss;
  }

 private:
  std::optional<double> Nmse(const MatrixRecord& record,
                             const PlannedUnit& unit) const {
    if (unit.scheme == kFloat16Scheme) return record.kept_nmse.value_or(0);
    // A search is never worse than min-max, which bounds it where it was not
    // measured.
    for (const Encoder encoder : {unit.encoder, Encoder::kMinMax}) {
      const auto at =
          std::find(manifest_.schemes.begin(), manifest_.schemes.end(),
                    MeasuredScheme{unit.scheme, encoder});
      if (at == manifest_.schemes.end()) continue;
      const auto i = static_cast<size_t>(at - manifest_.schemes.begin());
      if (i < record.nmse.size() && !std::isnan(record.nmse[i])) {
        return record.nmse[i];
      }
    }
    return std::nullopt;
  }

  const Manifest& manifest_;
  std::vector<double> weights_;
  std::unordered_map<std::string_view, uint32_t> index_;
};

class Fitter {
 public:
  explicit Fitter(const FitInput& input)
      : input_(input),
        shape_(ReadFitShape(input.manifest.model, input.model)),
        losses_(input.manifest) {}

  FitReport Run() {
    report_.model = input_.model;
    report_.use = input_.use;
    report_.memory_bytes = input_.memory_bytes;
    report_.shape = shape_;
    report_.notes = shape_.notes;
    report_.items = RuntimeMemory(shape_, input_.use);
    const uint64_t needed = TotalBytes(report_.items);
    report_.room_bytes =
        input_.memory_bytes > needed ? input_.memory_bytes - needed : 0;
    report_.measured =
        input_.target && IsMeasured(input_.manifest, *input_.target);
    if (input_.stored) AddStored(*input_.stored);
    if (input_.target) {
      report_.target = input_.target->name();
      if (!input_.stored) AddKept();
      AddUniform();
      if (report_.measured) AddPolicies();
    }
    Finish();
    return std::move(report_);
  }

 private:
  void AddStored(const StoredSize& stored) {
    FitRow row;
    row.policy = "as stored";
    row.weight_bytes = stored.bytes;
    row.bits_per_weight = stored.weights == 0
                              ? 0
                              : 8.0 * static_cast<double>(stored.bytes) /
                                    static_cast<double>(stored.weights);
    report_.weights = stored.weights;
    Add(std::move(row));
  }

  void Add(FitRow row) {
    row.total_bytes = row.weight_bytes + TotalBytes(report_.items);
    row.fits = row.total_bytes <= input_.memory_bytes;
    row.longest_context = LongestContext(row.weight_bytes);
    if (row.predicted_loss) {
      row.divergence = ExpectDivergence(*row.predicted_loss);
    }
    report_.rows.push_back(std::move(row));
  }

  bool FitsAt(uint64_t weight_bytes, uint64_t context) const {
    FitUse use = input_.use;
    use.context = context;
    const uint64_t needed = TotalBytes(RuntimeMemory(shape_, use));
    return weight_bytes <= input_.memory_bytes &&
           needed <= input_.memory_bytes - weight_bytes;
  }

  uint64_t LongestContext(uint64_t weight_bytes) const {
    uint64_t fits = 0;
    uint64_t beyond = (shape_.longest_context > 0 ? shape_.longest_context
                                                  : kLongestContext) +
                      1;
    while (beyond - fits > 1) {
      const uint64_t middle = fits + (beyond - fits) / 2;
      (FitsAt(weight_bytes, middle) ? fits : beyond) = middle;
    }
    return fits;
  }

  void AddPlan(const AllocateOptions& options, std::string policy,
               std::string scheme) {
    const Plan plan = Allocate(input_.manifest, *input_.target, options);
    FitRow row;
    row.policy = std::move(policy);
    row.scheme = std::move(scheme);
    row.bits_per_weight = plan.totals.bits_per_weight;
    row.weight_bytes = plan.totals.file_bytes;
    report_.weights = plan.totals.weights;
    if (report_.measured) {
      row.predicted_loss = losses_.Of(plan);
      double noise = 0;
      for (const PlannedUnit& unit : plan.units) {
        noise = std::max(noise, unit.nmse.value_or(0));
      }
      if (noise > 0) row.weakest_snr_db = -10 * std::log10(noise);
    }
    Add(std::move(row));
  }

  void AddKept() {
    AllocateOptions options;
    options.policy = Policy::kUniform;
    options.overrides = {ParseOverride("*=16")};
    AddPlan(options, "kept", "16-bit");
  }

  void AddUniform() {
    for (const int bits : kUniformBits) {
      const auto scheme = input_.target->SchemeOf(bits, std::nullopt);
      if (!scheme) continue;
      AllocateOptions options;
      options.policy = Policy::kUniform;
      options.bits = bits;
      AddPlan(options, "uniform", SchemeLabel(*scheme));
    }
  }

  void AddPolicies() {
    const bool scored = std::all_of(
        input_.manifest.matrices.begin(), input_.manifest.matrices.end(),
        [](const MatrixRecord& record) {
          return record.metrics.spectral_concentration.has_value();
        });
    AllocateOptions options;
    for (const Policy policy :
         {Policy::kRamV1, Policy::kRamV2, Policy::kRamV3}) {
      options.policy = policy;
      if (scored) AddPlan(options, std::string(PolicyName(policy)), "");
    }
    options.policy = Policy::kOptimal;
    options.min_safe = true;
    TryPlan(options, "smallest safe");
    options.min_safe = false;
    if (report_.room_bytes == 0 || KeptFits()) return;
    options.size_bytes = report_.room_bytes;
    TryPlan(options, "optimal");
  }

  // Whether 16 bits fit, which no plan beats.
  bool KeptFits() const {
    return !report_.rows.empty() && report_.rows.front().fits &&
           !input_.manifest.model.quantized_weights();
  }

  // A plan that may not exist: a budget below the smallest candidates.
  void TryPlan(const AllocateOptions& options, std::string policy) {
    try {
      AddPlan(options, std::move(policy), "");
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kGate) throw;
      report_.notes.emplace_back(error.what());
    }
  }

  void Finish() {
    std::stable_sort(report_.rows.begin(), report_.rows.end(),
                     [](const FitRow& a, const FitRow& b) {
                       return a.weight_bytes > b.weight_bytes;
                     });
    for (size_t i = 0; i < report_.rows.size(); ++i) {
      if (report_.rows[i].fits && (!report_.best || Better(i))) {
        report_.best = i;
      }
    }
  }

  // Rows come from the largest on, so only less loss is better.
  bool Better(size_t row) const {
    const auto& mine = report_.rows[row].predicted_loss;
    const auto& best = report_.rows[*report_.best].predicted_loss;
    return mine && best && *mine < *best;
  }

  const FitInput& input_;
  FitShape shape_;
  LossOfPlans losses_;
  FitReport report_;
};

OrderedJson RowToJson(const FitRow& row) {
  OrderedJson json = {{"policy", row.policy},
                      {"scheme", row.scheme},
                      {"bpw", row.bits_per_weight},
                      {"weight_bytes", row.weight_bytes},
                      {"total_bytes", row.total_bytes},
                      {"fits", row.fits},
                      {"longest_context", row.longest_context}};
  if (row.predicted_loss) json["predicted_loss"] = *row.predicted_loss;
  if (row.weakest_snr_db) json["weakest_snr_db"] = *row.weakest_snr_db;
  if (row.divergence) {
    json["expected_kl"] = {{"median", row.divergence->kl},
                           {"low", row.divergence->low},
                           {"high", row.divergence->high},
                           {"samples", row.divergence->samples}};
  }
  return json;
}

}  // namespace

FitReport Fit(const FitInput& input) { return Fitter(input).Run(); }

OrderedJson FitToJson(const FitReport& report) {
  OrderedJson json;
  json["version"] = 1;
  json["model"] = report.model;
  json["weights"] = report.weights;
  json["memory"] = {{"bytes", report.memory_bytes},
                    {"label", report.memory_label},
                    {"why", report.memory_why}};
  json["runtime"] = FitRuntimeName(report.use.runtime);
  json["target"] = report.target;
  json["context"] = report.use.context;
  json["batch"] = report.use.batch;
  json["kv"] = CacheTypeName(report.use.cache);
  json["runtime_memory"] = OrderedJson::array();
  for (const MemoryItem& item : report.items) {
    json["runtime_memory"].push_back({{"name", item.name},
                                      {"bytes", item.bytes},
                                      {"exact", item.exact},
                                      {"source", item.source}});
  }
  json["room_bytes"] = report.room_bytes;
  json["measured"] = report.measured;
  json["rows"] = OrderedJson::array();
  for (const FitRow& row : report.rows) json["rows"].push_back(RowToJson(row));
  json["best"] = report.best ? OrderedJson(*report.best) : OrderedJson(nullptr);
  json["notes"] = report.notes;
  return json;
}

}  // namespace ram
