#include "ram/xray/fragility.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "ram/xray/anomaly_list.h"

namespace ram {
namespace {

// The rates are those of docs/xray.md, "Fragility".
constexpr std::array<FragilityIndicator, 4> kIndicators = {{
    {"channel-noise",
     "rounding noise of the input channels over their size",
     "Channels of very different size share the groups of a row; the noise of "
     "the large ones drowns the small ones, which may carry as much. Plain "
     "error does not show it.",
     0.333,
     {6, 2, 2, 38}},
    {"uneven-channels",
     "spread of the input channels",
     "The wider they spread, the more of them drown in the noise of others.",
     0.5,
     {6, 2, 3, 37}},
    {"channel-peak",
     "largest input channel",
     "One channel sets the range of a group in every row.",
     12,
     {5, 3, 4, 36}},
    {"kurtosis",
     "largest excess kurtosis",
     "Often taken as the sign of a fragile model; it also rises where nothing "
     "is lost.",
     60,
     {5, 3, 10, 30}},
}};

// The noise of a group taken as the same in all its channels, `nmse` times
// their mean square: its share of each channel's own, at most 1; mean of the
// channels.
std::optional<double> ChannelNoise(std::span<const RatioBin> ratios,
                                   double nmse) {
  double noise = 0, channels = 0;
  for (const RatioBin& bin : ratios) {
    noise += std::min(bin.channels, nmse * bin.sum);
    channels += bin.channels;
  }
  if (channels == 0) return std::nullopt;
  return noise / channels;
}

std::optional<double> ValueOf(const Subject& subject, size_t indicator,
                              size_t matrix) {
  const std::string_view kind = kIndicators[indicator].kind;
  if (kind == "kurtosis") return subject.record(matrix).metrics.excess_kurtosis;
  if (!subject.facts) return std::nullopt;
  const MatrixFacts& facts = subject.facts->matrices[matrix];
  if (kind == "uneven-channels") return facts.col_spread;
  if (kind == "channel-peak") return facts.col_peak;
  const auto snr = SnrAt(subject, matrix, 3);
  if (!snr) return std::nullopt;
  return ChannelNoise(facts.channel_ratios, std::pow(10.0, -*snr / 10));
}

}  // namespace

std::span<const FragilityIndicator> FragilityIndicators() {
  return kIndicators;
}

std::vector<std::optional<FragilityValue>> MeasureFragility(
    const Subject& subject) {
  std::vector<std::optional<FragilityValue>> values(kIndicators.size());
  for (size_t i = 0; i < subject.size(); ++i) {
    const Matrix& matrix = subject.matrix(i);
    if (matrix.layer < 0 || matrix.role == "router" ||
        matrix.section != Section::kText || IsDegenerate(subject, i)) {
      continue;
    }
    for (size_t k = 0; k < values.size(); ++k) {
      const auto value = ValueOf(subject, k, i);
      if (!value || !std::isfinite(*value)) continue;
      if (!values[k] || *value > values[k]->value) {
        values[k] = {*value, static_cast<int64_t>(i)};
      }
    }
  }
  return values;
}

std::vector<Finding> FindFragility(const Subject& subject) {
  std::vector<Finding> findings;
  const auto values = MeasureFragility(subject);
  for (size_t k = 0; k < kIndicators.size(); ++k) {
    const FragilityIndicator& indicator = kIndicators[k];
    if (!values[k] || values[k]->value <= indicator.limit) continue;
    const HitRate& rate = indicator.rate;
    Finding finding;
    finding.kind = indicator.kind;
    finding.severity = Severity::kNotice;
    finding.sentence = fmt::format(
        "The {} is {:.2f} in {}, over {:g}: of {} models of the study that "
        "passed this limit {} collapsed at 3 bits, of the {} others {} did.",
        indicator.name, values[k]->value,
        subject.matrix(static_cast<size_t>(values[k]->matrix)).name,
        indicator.limit, rate.hits + rate.false_alarms, rate.hits,
        rate.misses + rate.sound, rate.misses);
    finding.meaning = indicator.meaning;
    finding.section = "fragility";
    finding.hits.push_back(
        {values[k]->matrix, values[k]->value, std::string(indicator.name)});
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace ram
