#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <unordered_map>

#include "ram/base/byte_size.h"
#include "ram/xray/anomaly_list.h"

namespace ram {
namespace {

// Thresholds; docs/xray.md says how they were chosen.
constexpr double kPeakRatio = 8;       // of the median row or column
constexpr double kPeakFactor = 4;      // of the peers' median ratio
constexpr double kLonePeakRatio = 30;  // where there are no peers
constexpr double kSaturatedShare = 0.01;
constexpr uint64_t kSaturatedCount = 32;
constexpr uint64_t kSmallestToJudge = 4096;  // weights, to judge randomness by
constexpr double kDeviations = 4;       // of random numbers' own statistics
constexpr double kUnusedTokens = 1e-3;  // share of the vocabulary

bool ReadsHidden(const Matrix& matrix) {  // gate or up of a feed-forward block
  return matrix.role.ends_with("gate_proj") || matrix.role.ends_with("up_proj");
}
bool WritesHidden(const Matrix& matrix) {
  return matrix.role.ends_with("down_proj");
}

// "3, 7, 12, ... (40 in all)"
std::string Numbers(std::span<const uint32_t> numbers) {
  constexpr size_t kListed = 5;
  std::string text;
  for (size_t i = 0; i < std::min(numbers.size(), kListed); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ", ", numbers[i]);
  }
  if (numbers.size() > kListed) {
    text += fmt::format(", ... ({} in all)", FormatCount(numbers.size()));
  }
  return text;
}

void FindDead(AnomalyList& list) {
  for (size_t i = 0; i < list.subject.size(); ++i) {
    const Matrix& matrix = list.subject.matrix(i);
    const MatrixFacts& facts = list.subject.facts->matrices[i];
    const auto& rows = facts.zero_rows;
    const auto& cols = facts.zero_cols;
    const double share = static_cast<double>(facts.faint_rows) /
                         static_cast<double>(matrix.rows);
    if (matrix.is_vocabulary() && share > kUnusedTokens) {
      list.Add(
          "unused-tokens", i, share,
          fmt::format("{} of {} rows have less than a tenth of the median "
                      "norm",
                      FormatCount(facts.faint_rows), FormatCount(matrix.rows)));
    }
    if (!rows.empty() && ReadsHidden(matrix)) {
      list.Add("dead-neurons", i, static_cast<double>(rows.size()),
               fmt::format("neurons {} have no weights in", Numbers(rows)));
    } else if (!rows.empty() && !matrix.is_vocabulary()) {
      list.Add("dead-rows", i, static_cast<double>(rows.size()),
               fmt::format("rows {}", Numbers(rows)));
    }
    if (!cols.empty() && WritesHidden(matrix)) {
      list.Add("dead-neurons", i, static_cast<double>(cols.size()),
               fmt::format("neurons {} have no weights out", Numbers(cols)));
    } else if (!cols.empty()) {
      list.Add("dead-inputs", i, static_cast<double>(cols.size()),
               fmt::format("columns {}", Numbers(cols)));
    }
  }
}

// Rows or columns: `ratio` is the largest over the median one.
template <typename Ratio, typename Where>
void FindPeaks(AnomalyList& list, const char* kind, const char* what,
               const Ratio& ratio, const Where& where) {
  std::vector<double> ratios;
  for (size_t i = 0; i < list.subject.size(); ++i) {
    ratios.push_back(IsDegenerate(list.subject, i)
                         ? kUnknown
                         : ratio(list.subject.facts->matrices[i]));
  }
  const auto medians = list.peers.Medians(ratios);
  for (size_t i = 0; i < ratios.size(); ++i) {
    const auto median = medians[list.peers.GroupOf(i)];
    const double limit =
        median ? std::max(kPeakRatio, kPeakFactor * *median) : kLonePeakRatio;
    if (!(ratios[i] > limit)) continue;
    list.Add(kind, i, ratios[i],
             fmt::format("{} {} has {:.1f} times the median norm", what,
                         where(list.subject.facts->matrices[i]), ratios[i]));
  }
}

void FindSaturated(AnomalyList& list) {
  const Subject& subject = list.subject;
  for (size_t i = 0; i < subject.size(); ++i) {
    if (IsDegenerate(subject, i) || LiesOnGrid(subject, i)) continue;
    const Matrix& matrix = subject.matrix(i);
    if (!subject.model().tensors[matrix.tensor].storage.dense()) continue;
    const uint64_t count = subject.facts->matrices[i].at_absmax;
    const double share =
        static_cast<double>(count) / static_cast<double>(matrix.weights());
    if (count < kSaturatedCount || share < kSaturatedShare) continue;
    list.Add(
        "saturated", i, share,
        fmt::format("{} weights ({:.2f} %) are exactly +-{:.4g}",
                    FormatCount(count), 100 * share, subject.record(i).absmax));
  }
}

void FindCopies(AnomalyList& list) {
  const Subject& subject = list.subject;
  std::unordered_map<uint64_t, size_t> first;
  for (size_t i = 0; i < subject.size(); ++i) {
    if (IsDegenerate(subject, i)) continue;
    const Matrix& matrix = subject.matrix(i);
    const auto [at, added] =
        first.try_emplace(subject.facts->matrices[i].hash, i);
    if (added) continue;
    const Matrix& other = subject.matrix(at->second);
    if (other.rows != matrix.rows || other.cols != matrix.cols) continue;
    const bool experts = matrix.expert >= 0 && other.expert >= 0 &&
                         matrix.layer == other.layer &&
                         matrix.role == other.role;
    list.Add(experts ? "duplicate-experts" : "identical-matrices", i, 1,
             fmt::format("every weight equals that of {}", other.name));
  }
}

// Kurtosis and the spread of the rows' norms of independent normal or uniform
// numbers, within the deviations that those statistics have themselves.
bool LooksRandom(const Subject& subject, size_t i) {
  const Matrix& matrix = subject.matrix(i);
  const auto kurtosis = subject.record(i).metrics.excess_kurtosis;
  if (IsDegenerate(subject, i) || !kurtosis ||
      matrix.weights() < kSmallestToJudge) {
    return false;
  }
  const double n = static_cast<double>(matrix.weights());
  const double rows = static_cast<double>(matrix.rows);
  const double cols = static_cast<double>(matrix.cols);
  const bool normal = std::abs(*kurtosis) < kDeviations * std::sqrt(24 / n);
  const bool uniform =
      std::abs(*kurtosis + 1.2) < kDeviations * std::sqrt(24 / n);
  if (!normal && !uniform) return false;
  // var(norm)/mean^2 = (kurtosis + 2) / (4 cols), to first order.
  const double expected = std::sqrt((*kurtosis + 2) / (4 * cols));
  const double deviation = expected / std::sqrt(2 * rows);
  return std::abs(subject.facts->matrices[i].row_variation - expected) <
         kDeviations * deviation + 0.02 * expected;
}

// Only where most peers do not: a model of random numbers is not an anomaly.
void FindInitialised(AnomalyList& list) {
  for (const auto& group : list.peers.groups()) {
    std::vector<uint32_t> random;
    for (const uint32_t i : group) {
      if (LooksRandom(list.subject, i)) random.push_back(i);
    }
    if (2 * random.size() >= group.size()) continue;
    for (const uint32_t i : random) {
      list.Add("as-initialised", i, 1,
               fmt::format("excess kurtosis {:.3f} and even rows, as of {} "
                           "random numbers",
                           *list.subject.record(i).metrics.excess_kurtosis,
                           *list.subject.record(i).metrics.excess_kurtosis < -1
                               ? "uniform"
                               : "normal"));
    }
  }
}

}  // namespace

void FindStructureAnomalies(AnomalyList& list) {
  FindDead(list);
  FindPeaks(
      list, "row-outlier", "row",
      [](const MatrixFacts& facts) { return facts.row_peak; },
      [](const MatrixFacts& facts) { return facts.row_peak_at; });
  FindPeaks(
      list, "channel-outlier", "column",
      [](const MatrixFacts& facts) { return facts.col_peak; },
      [](const MatrixFacts& facts) { return facts.col_peak_at; });
  FindSaturated(list);
  FindCopies(list);
  FindInitialised(list);
}

}  // namespace ram
