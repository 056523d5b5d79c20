#include "ram/xray/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "ram/allocation/role_weights.h"
#include "ram/base/byte_size.h"
#include "ram/xray/experts.h"

namespace ram {
namespace {

// The documented limit under which ram-v3 falls back to uniform.
constexpr double kHomogeneous = 0.10;
// Predicted gains from which on mixed bits are called worth it.
constexpr double kWorthwhileGain = 1.5;
constexpr uint64_t kSmallestWeights = 1024;  // fewer stay at 16 bits

double Percent(double part, double whole) {
  return whole > 0 ? 100 * part / whole : 0;
}

std::optional<double> LossAt(const std::vector<CurvePoint>& curve,
                             uint64_t bytes) {
  // Between two points the logarithm of the loss is about linear in the bytes.
  for (size_t i = 1; i < curve.size(); ++i) {
    const auto& low = curve[i - 1];
    const auto& high = curve[i];
    if (bytes < low.totals.bytes || bytes > high.totals.bytes) continue;
    if (!(low.predicted_loss > 0) || !(high.predicted_loss > 0)) break;
    const double t = static_cast<double>(bytes - low.totals.bytes) /
                     static_cast<double>(std::max<uint64_t>(
                         1, high.totals.bytes - low.totals.bytes));
    return std::exp((1 - t) * std::log(low.predicted_loss) +
                    t * std::log(high.predicted_loss));
  }
  return std::nullopt;
}

void JudgeShares(const Subject& subject, Verdict& verdict) {
  const RamRule rule;
  const RamScores scores =
      ScoreMatrices(subject.manifest, Policy::kRamV2, rule);
  verdict.adaptive_span = scores.span;
  double all = 0, two = 0, sixteen = 0;
  for (size_t i = 0; i < subject.size(); ++i) {
    const double weights = static_cast<double>(subject.matrix(i).weights());
    all += weights;
    if (scores.protections[i] ||
        subject.matrix(i).weights() < kSmallestWeights) {
      sixteen += weights;
    } else if (scores.matrices[i]) {
      if (*scores.matrices[i] >= rule.above_16) sixteen += weights;
      if (*scores.matrices[i] <= rule.below_2) two += weights;
    }
  }
  verdict.max_2bit = Percent(two, all) / 100;
  verdict.max_16bit = Percent(sixteen, all) / 100;
}

Finding Fact(std::string kind, Severity severity, std::string sentence,
             std::string meaning, std::string section) {
  return {std::move(kind),    severity,           std::move(sentence),
          std::move(meaning), std::move(section), {}};
}

std::string Name(const Subject& subject, const Verdict& verdict) {
  const Model& model = subject.model();
  uint64_t experts = 0;
  int layers = 0;
  for (const Matrix& matrix : model.matrices) {
    if (matrix.section != Section::kText) continue;
    layers = std::max(layers, matrix.layer + 1);
    experts = std::max(experts, static_cast<uint64_t>(matrix.expert + 1));
  }
  std::string shape = verdict.mixture
                          ? fmt::format("a mixture of {} experts", experts)
                          : "a dense model";
  if (layers > 0) {
    shape += fmt::format(" of {} layer{}", layers, layers == 1 ? "" : "s");
  }
  return fmt::format("{} ({}) is {}: {} weights in {} matrices.", subject.name,
                     model.architecture, shape, FormatCount(model.weights()),
                     FormatCount(subject.size()));
}

void AddSensitivity(const Verdict& verdict, std::vector<Finding>& out) {
  if (!verdict.span) {
    out.push_back(Fact("no-spectra", Severity::kFact,
                       "Sensitivity S was not computed: the manifest holds no "
                       "spectra.",
                       "Analyse with --spectra to see it.", "limits"));
    return;
  }
  const std::string numbers = fmt::format(
      "sensitivity spans {:.3f} by the published scale ({:.3f} when stretched "
      "to the model); at most {:.1f} % of the weights could go to 2 bits, "
      "{:.1f} % to 16",
      *verdict.span, *verdict.adaptive_span, 100 * *verdict.max_2bit,
      100 * *verdict.max_16bit);
  if (verdict.homogeneous) {
    out.push_back(Fact("homogeneous", Severity::kNotice,
                       fmt::format("It is homogeneous: {}.", numbers),
                       verdict.gain.value_or(1) > kWorthwhileGain
                           ? "By these scores mixed precision has little to "
                             "work with; the prediction below also counts "
                             "where a matrix stands in the model."
                           : "Mixed precision has little to work with here: "
                             "uniform bits are nearly as good.",
                       "sensitivity"));
  } else {
    out.push_back(Fact("diverse", Severity::kFact,
                       fmt::format("It is diverse: {}.", numbers),
                       "Mixed precision can move bits from insensitive to "
                       "sensitive matrices.",
                       "sensitivity"));
  }
}

void AddRounding(const Subject& subject, const Verdict& verdict,
                 std::vector<Finding>& out) {
  if (!verdict.snr4_low) return;
  size_t worst = 0;
  double lowest = INFINITY;
  for (size_t i = 0; i < subject.size(); ++i) {
    const auto snr = SnrAt(subject, i, 4);
    if (!snr || *snr >= lowest || !(subject.record(i).squared_norm > 0)) {
      continue;
    }
    lowest = *snr;
    worst = i;
  }
  Finding finding = Fact(
      "rounding", Severity::kFact,
      fmt::format("At 4 bits (groups of 64, plain rounding) nine matrices in "
                  "ten keep {:.1f} to {:.1f} dB of signal to noise; the "
                  "weakest is {} with {:.1f} dB.",
                  *verdict.snr4_low, *verdict.snr4_high,
                  subject.matrix(worst).name, lowest),
      lowest < 9 ? "Under 9 dB a matrix is not usable." : "", "errors");
  finding.hits.push_back({static_cast<int64_t>(worst), lowest,
                          fmt::format("{:.1f} dB at 4 bits", lowest)});
  out.push_back(std::move(finding));
}

void AddAlpha(const Subject& subject, std::vector<Finding>& out) {
  double sum = 0;
  size_t count = 0, over = 0, under = 0;
  for (size_t i = 0; i < subject.size(); ++i) {
    const auto alpha = subject.record(i).alpha;
    if (!alpha) continue;
    sum += *alpha;
    ++count;
    over += *alpha > 6;
    under += *alpha < 2;
  }
  if (count == 0) return;
  out.push_back(Fact(
      "alpha", Severity::kFact,
      fmt::format("The heavy-tail exponent alpha is {:.2f} on average; {} of "
                  "{} matrices are above 6 (little learnt, in WeightWatcher's "
                  "reading), {} below 2 (over-trained).",
                  sum / static_cast<double>(count), over, count, under),
      "An exponent is fitted even where a spectrum has no power-law tail.",
      "spectra"));
}

void AddBytes(const Subject& subject, std::vector<Finding>& out) {
  std::map<std::string, double> roles;
  double all = 0;
  for (const Matrix& matrix : subject.model().matrices) {
    roles[matrix.role] += static_cast<double>(matrix.weights());
    all += static_cast<double>(matrix.weights());
  }
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [role, weights] : roles) order.emplace_back(-weights, role);
  std::sort(order.begin(), order.end());
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(3, order.size()); ++i) {
    text += fmt::format("{}{} {:.0f} %", i == 0 ? "" : ", ", order[i].second,
                        Percent(-order[i].first, all));
  }
  out.push_back(Fact("bytes", Severity::kFact,
                     fmt::format("Most weights lie in {}.", text), "",
                     "bytes"));
}

void AddExperts(const Subject& subject, const Verdict& verdict,
                std::vector<Finding>& out) {
  if (!verdict.mixture) return;
  const auto experts = SummarizeExperts(subject);
  const ExpertSummary* critical = nullptr;
  const ExpertSummary* robust = nullptr;
  for (const ExpertSummary& expert : experts) {
    if (!expert.importance) continue;
    if (!critical || *expert.importance > *critical->importance) {
      critical = &expert;
    }
    if (!robust || *expert.importance < *robust->importance) robust = &expert;
  }
  if (!critical) return;
  Finding finding = Fact(
      "experts", Severity::kFact,
      fmt::format("The most critical expert is {} of layer {} ({:.1f} times "
                  "the average squared error at 3 bits), the most robust one "
                  "{} of layer {} ({:.2f} times).",
                  critical->expert, critical->layer, *critical->importance,
                  robust->expert, robust->layer, *robust->importance),
      "In the one mixture where every expert was rounded alone, its rank "
      "correlation with the damage was 0.73 (docs/xray.md).",
      "experts");
  finding.hits.push_back({static_cast<int64_t>(critical->matrices[0]),
                          *critical->importance, "most critical expert"});
  out.push_back(std::move(finding));
}

void AddPlan(const Subject& subject, std::vector<Finding>& out) {
  if (!subject.plan) return;
  const Plan& plan = *subject.plan;
  std::string shares;
  for (const auto& [bits, weights] : plan.totals.weights_per_bits) {
    shares += fmt::format(
        "{}{} at {} bits", shares.empty() ? "" : ", ",
        PercentText(Percent(static_cast<double>(weights),
                            static_cast<double>(plan.totals.weights))),
        bits);
  }
  out.push_back(
      Fact("plan", Severity::kFact,
           fmt::format(
               "The plan ({}, {}) takes {} ({:.2f} bits per weight, "
               "{:.2f} nominal): {}.",
               plan.policy, plan.target, FormatByteSize(plan.totals.file_bytes),
               plan.totals.bits_per_weight, plan.totals.nominal_bits, shares),
           "", "plan"));
}

void AddGain(const Subject& subject, const Verdict& verdict,
             std::vector<Finding>& out) {
  if (!verdict.gain) return;
  out.push_back(Fact(
      "gain", *verdict.gain < 1.15 ? Severity::kNotice : Severity::kFact,
      fmt::format("At the bytes of uniform 4-bit (groups of 64), mixed bits "
                  "are predicted to lose {:.1f} times less ({} target).",
                  *verdict.gain, subject.curve_target),
      "A prediction from two small models (docs/metrics.md), not a "
      "measurement.",
      "curve"));
}

}  // namespace

std::string PercentText(double percent) {
  if (percent > 0 && percent < 0.05) return "under 0.1 %";
  return fmt::format("{:.1f} %", percent);
}

Verdict Judge(const Subject& subject) {
  Verdict verdict;
  const RamScores scores =
      ScoreMatrices(subject.manifest, Policy::kRamV1, RamRule());
  verdict.scores = scores.matrices;
  const bool scored =
      std::any_of(scores.matrices.begin(), scores.matrices.end(),
                  [](const auto& score) { return score.has_value(); });
  if (scored) {
    verdict.span = scores.span;
    verdict.homogeneous = scores.span < kHomogeneous;
    JudgeShares(subject, verdict);
  }
  std::vector<double> snr4;
  double uniform_loss = 0;
  const std::vector<double> weights = MatrixWeights(subject.model());
  uint64_t uniform_bytes = 0;
  for (size_t i = 0; i < subject.size(); ++i) {
    const Matrix& matrix = subject.matrix(i);
    verdict.mixture = verdict.mixture || matrix.expert >= 0;
    const auto snr = SnrAt(subject, i, 4);
    if (!snr) continue;
    if (subject.record(i).squared_norm > 0) snr4.push_back(*snr);
    uniform_loss += weights[i] * std::pow(10.0, -*snr / 10);
    uniform_bytes += SchemeBytes(Affine(4, 64), matrix.rows, matrix.cols);
  }
  for (size_t i = 0; i < subject.model().tensors.size(); ++i) {
    if (subject.model().uses[i] != TensorUse::kPlain) continue;
    uniform_bytes += 2 * subject.model().tensors[i].elements();
  }
  if (!snr4.empty()) {
    std::sort(snr4.begin(), snr4.end());
    verdict.snr4_low = Percentile(snr4, 5);
    verdict.snr4_high = Percentile(snr4, 95);
    const auto loss = LossAt(subject.curve, uniform_bytes);
    if (loss && *loss > 0) verdict.gain = uniform_loss / *loss;
  }
  return verdict;
}

std::vector<Finding> DescribeModelInWords(const Subject& subject,
                                          const Verdict& verdict) {
  std::vector<Finding> out;
  out.push_back(
      Fact("model", Severity::kFact, Name(subject, verdict), "", "matrices"));
  if (const auto note = QuantizedNote(subject.model())) {
    out.push_back(
        Fact("quantized-source", Severity::kNotice, *note + ".", "", "limits"));
  }
  AddSensitivity(verdict, out);
  AddRounding(subject, verdict, out);
  AddAlpha(subject, out);
  AddExperts(subject, verdict, out);
  AddGain(subject, verdict, out);
  AddPlan(subject, out);
  AddBytes(subject, out);
  return out;
}

std::vector<Finding> Limits(const Subject& subject, const Verdict& verdict) {
  std::vector<Finding> out;
  const auto limit = [&](const char* kind, std::string sentence) {
    out.push_back(
        Fact(kind, Severity::kNotice, std::move(sentence), "", "limits"));
  };
  if (verdict.homogeneous) {
    limit("homogeneous",
          fmt::format("The model is homogeneous (span {:.3f}, under {:.2f}): "
                      "ram-v3 falls back to uniform bits.",
                      *verdict.span, kHomogeneous));
  }
  if (!verdict.mixture && verdict.gain && *verdict.gain < kWorthwhileGain) {
    limit("modest-gain",
          fmt::format("It is dense, and the predicted gain over uniform 4-bit "
                      "is modest ({:.2f} times).",
                      *verdict.gain));
  }
  const auto ranges = RangesOf(subject.manifest);
  std::string narrow;
  for (size_t i = 0; i < kMetricCount && verdict.span; ++i) {
    if (!ranges[i].narrow) continue;
    narrow += fmt::format("{}{} ({:.4g} to {:.4g})", narrow.empty() ? "" : ", ",
                          MetricName(i), ranges[i].low, ranges[i].high);
  }
  if (!narrow.empty()) {
    limit("narrow-metric",
          fmt::format("Narrow in range: {}. Adaptive normalisation (ram-v2) "
                      "would amplify noise, as it did on Qwen3-8B.",
                      narrow));
  }
  if (verdict.mixture) {
    limit("stacked-experts",
          "It is a mixture: runtimes store the experts of a layer as one "
          "stack with one precision; only the native target keeps them apart.");
  }
  if (!subject.model().known) {
    limit("unknown-architecture",
          "Its architecture is not known: roles were told from names and "
          "shapes.");
  }
  if (subject.model().quantized_weights() > 0) {
    limit("quantized-source",
          "Its weights were quantised before: errors are those of a second "
          "quantisation, against weights that lie on a grid.");
  }
  if (!subject.facts) {
    limit("no-profile",
          "There is no profile.safetensors: dead rows, copies, outlier "
          "channels and experts were not looked at.");
  }
  if (!verdict.span) {
    limit("no-spectra",
          "There are no spectra: sensitivity, stable rank and alpha are "
          "unknown (ram analyze --spectra full).");
  }
  limit("weights-only",
        "Weights alone were read. Activations, and what a text needs, were "
        "not seen; predicted loss orders plans of one model and is not a "
        "perplexity.");
  return out;
}

}  // namespace ram
