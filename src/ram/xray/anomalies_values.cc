#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "ram/base/byte_size.h"
#include "ram/xray/anomaly_list.h"

namespace ram {
namespace {

// Thresholds; docs/xray.md says how they were chosen.
constexpr double kPrunedShare = 0.02;
constexpr double kNormFactor = 5;
constexpr double kSuperWeight = 32;       // of the root mean square
constexpr double kSuperWeightFactor = 3;  // of the peers' median
constexpr double kHeavyKurtosis = 10;
constexpr double kHeavyFactor = 5;    // of the peers' median
constexpr double kShiftedMean = 0.3;  // of a standard deviation
constexpr double kCollapsedRank = 2;
constexpr double kCollapsedFactor = 5;
// All the energy, as far as the iterations that measure it tell. The leading
// 256 of 576 directions of a trained query matrix hold 0.993 (SmolLM2-135M).
constexpr double kAllEnergy = 0.998;
// Matrices with fewer weights are not judged by moments.
constexpr uint64_t kSmallest = 1024;

// Of 32 neighbours on a grid of 32 values about 18 differ, of 64 about 24;
// without a grid nearly all do.
constexpr double kGridShare = 0.65;

template <typename Measure>
std::vector<double> Measured(const Subject& subject, const Measure& measure) {
  std::vector<double> values;
  for (size_t i = 0; i < subject.size(); ++i) {
    values.push_back(IsDegenerate(subject, i) ? kUnknown : measure(i));
  }
  return values;
}

void FindDegenerate(AnomalyList& list) {
  for (size_t i = 0; i < list.subject.size(); ++i) {
    const MatrixRecord& record = list.subject.record(i);
    if (record.nonfinite > 0) {
      list.Add("nonfinite", i, static_cast<double>(record.nonfinite),
               fmt::format("{} of {} weights", FormatCount(record.nonfinite),
                           FormatCount(list.subject.matrix(i).weights())));
    } else if (record.squared_norm == 0) {
      list.Add("zero-matrix", i, 1, "every weight is 0");
    } else if (IsDegenerate(list.subject, i)) {
      list.Add("constant-matrix", i, 1,
               fmt::format("every weight is {:.4g}", record.mean));
    }
  }
}

void FindNorms(AnomalyList& list) {
  const auto rms =
      Measured(list.subject, [&](size_t i) { return RmsOf(list.subject, i); });
  const auto medians = list.peers.Medians(rms);
  for (size_t i = 0; i < rms.size(); ++i) {
    const auto median = medians[list.peers.GroupOf(i)];
    if (std::isnan(rms[i]) || !median || !(*median > 0)) continue;
    const double ratio = rms[i] / *median;
    if (ratio > kNormFactor) {
      list.Add("norm-large", i, ratio,
               fmt::format("{:.1f} times the median of its role", ratio));
    } else if (ratio * kNormFactor < 1) {
      list.Add("norm-small", i, 1 / ratio,
               fmt::format("{:.1f} times smaller than the median of its role",
                           1 / ratio));
    }
  }
}

void FindSuperWeights(AnomalyList& list) {
  const Subject& subject = list.subject;
  const auto peak = Measured(subject, [&](size_t i) {
    return subject.record(i).absmax / RmsOf(subject, i);
  });
  const auto medians = list.peers.Medians(peak);
  for (size_t i = 0; i < peak.size(); ++i) {
    if (!(peak[i] > kSuperWeight)) continue;
    const auto median = medians[list.peers.GroupOf(i)];
    if (median && peak[i] < kSuperWeightFactor * *median) continue;
    const MatrixRecord& record = subject.record(i);
    list.Add("super-weight", i, peak[i],
             fmt::format("{:.4g} is {:.0f} times the root mean square; row {}, "
                         "columns {} to {}",
                         record.absmax, peak[i], record.worst_group_row,
                         record.worst_group_col, record.worst_group_col + 63));
  }
}

void FindShapes(AnomalyList& list) {
  const Subject& subject = list.subject;
  const auto kurtosis = Measured(subject, [&](size_t i) {
    return subject.record(i).metrics.excess_kurtosis.value_or(kUnknown);
  });
  const auto medians = list.peers.Medians(kurtosis);
  for (size_t i = 0; i < kurtosis.size(); ++i) {
    if (std::isnan(kurtosis[i])) continue;
    if (subject.matrix(i).weights() < kSmallest) continue;
    const MatrixRecord& record = subject.record(i);
    const auto median = medians[list.peers.GroupOf(i)];
    if (median && kurtosis[i] > kHeavyKurtosis &&
        kurtosis[i] > kHeavyFactor * std::max(1.0, *median)) {
      list.Add("heavy-tails", i, kurtosis[i],
               fmt::format("excess kurtosis {:.1f}, median of its role {:.1f}",
                           kurtosis[i], *median));
    }
    const double shift = std::abs(record.mean) / std::sqrt(record.variance);
    if (shift > kShiftedMean) {
      list.Add("shifted-mean", i, shift,
               fmt::format("mean {:.4g} is {:.2f} standard deviations from 0",
                           record.mean, shift));
    }
  }
}

void FindZerosAndGrids(AnomalyList& list) {
  const Subject& subject = list.subject;
  for (size_t i = 0; i < subject.size(); ++i) {
    if (IsDegenerate(subject, i)) continue;
    // What is stored as codes says so itself.
    const Matrix& matrix = subject.matrix(i);
    if (!subject.model().tensors[matrix.tensor].storage.dense()) continue;
    const DType dtype = subject.model().tensors[matrix.tensor].dtype;
    if (LiesOnGrid(subject, i) && dtype != DType::kF8E4M3) {
      const double share = subject.facts->matrices[i].distinct;
      list.Add(
          "quantized-grid", i, 1 / share,
          fmt::format("of 32 neighbours only about {:.0f} differ", 32 * share));
      continue;
    }
    double zeros = static_cast<double>(subject.record(i).zeros);
    if (subject.facts) {  // dead rows and columns have kinds of their own
      const MatrixFacts& facts = subject.facts->matrices[i];
      const double dead_rows = static_cast<double>(facts.zero_rows.size());
      const double dead_cols = static_cast<double>(facts.zero_cols.size());
      zeros -= dead_rows * static_cast<double>(matrix.cols) +
               dead_cols * static_cast<double>(matrix.rows) -
               dead_rows * dead_cols;
    }
    const double share = zeros / static_cast<double>(matrix.weights());
    if (share > kPrunedShare) {
      list.Add("pruned", i, share,
               fmt::format("{:.1f} % of the weights are 0", 100 * share));
    }
  }
}

// A number of directions that hold all the energy of a matrix, and fewer than
// half of its own; nullopt where the spectrum knows none (see Spectrum: it
// tells apart the leading directions and a tenth of them).
std::optional<uint64_t> Sufficient(const Subject& subject, size_t i) {
  constexpr uint64_t kLeading = 256, kWhole = 512, kFewest = 64;
  const Matrix& matrix = subject.matrix(i);
  const uint64_t side = std::min(matrix.rows, matrix.cols);
  const auto top = subject.record(i).top_energy;
  const auto share = subject.record(i).metrics.spectral_concentration;
  if (!top || !share || side < kFewest) return std::nullopt;
  const uint64_t leading = side <= kWhole ? side : kLeading;
  if (*top > kAllEnergy) return leading / 10;
  // The one over the other is the share of the leading directions.
  const bool without_rest = *top > kAllEnergy * *share;
  if (leading < side && without_rest) return leading;
  return std::nullopt;
}

// Against the peers, or by what is missing where all are alike.
void FindCollapsed(AnomalyList& list) {
  const Subject& subject = list.subject;
  const auto ranks = Measured(subject, [&](size_t i) {
    return subject.record(i).stable_rank.value_or(kUnknown);
  });
  const auto medians = list.peers.Medians(ranks);
  for (size_t i = 0; i < ranks.size(); ++i) {
    const Matrix& matrix = subject.matrix(i);
    const uint64_t side = std::min(matrix.rows, matrix.cols);
    const auto median = medians[list.peers.GroupOf(i)];
    if (median && ranks[i] < kCollapsedRank && side >= 8 &&
        ranks[i] * kCollapsedFactor <= *median) {
      list.Add("low-rank", i, *median / ranks[i],
               fmt::format("stable rank {:.2f}, median of its role {:.1f}",
                           ranks[i], *median));
    } else if (const auto directions = Sufficient(subject, i)) {
      list.Add("rank-deficient", i,
               static_cast<double>(side) / static_cast<double>(*directions),
               fmt::format("{} of {} directions hold all of its energy",
                           *directions, side));
    }
  }
}

}  // namespace

bool IsDegenerate(const Subject& subject, size_t matrix) {
  const MatrixRecord& record = subject.record(matrix);
  return record.nonfinite > 0 || !(record.squared_norm > 0) ||
         !(record.variance > 1e-10 * record.mean * record.mean);
}

bool LiesOnGrid(const Subject& subject, size_t matrix) {
  return subject.facts && subject.facts->matrices[matrix].distinct < kGridShare;
}

void FindValueAnomalies(AnomalyList& list) {
  FindDegenerate(list);
  FindNorms(list);
  FindSuperWeights(list);
  FindShapes(list);
  FindZerosAndGrids(list);
  FindCollapsed(list);
}

}  // namespace ram
