#include "ram/xray/compare_verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ram {
namespace {

// A 16-bit type leaves 1e-6 of the squares (BF16: a relative error of up to
// 2^-9, uniform); ten times that is no longer rounding.
constexpr double kExact = 1e-5;
constexpr double kLeastScale = 1e-3;     // from 1
constexpr double kLeastPruned = 0.05;    // of the weights
constexpr double kAlwaysHalved = 0.999;  // of the groups of four
constexpr double kRoundingSlack = 2;     // on the variance of rounding
constexpr double kUnexplained = 0.01;    // of a low-rank change
// LoRA's ranks end at 256; a random change of 4096 x 4096 holds 4 % in its
// first 48 values.
constexpr double kWorthMore = 0.2;
constexpr int kFirstBlocks = 2;
constexpr int kMoreBlocks = 6;

double Share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0
                    : static_cast<double>(part) / static_cast<double>(whole);
}

std::string PrunedDetail(const PairSums& sums) {
  const bool two_of_four =
      sums.fours > 0 && Share(sums.halved_fours, sums.fours) >= kAlwaysHalved &&
      Share(sums.tuned_zeros, sums.weights) < 0.75;
  return fmt::format("{}, {:.1f} % zeros", two_of_four ? "2:4" : "unstructured",
                     100 * Share(sums.tuned_zeros, sums.weights));
}

// The squares of a change that no `rank` values explain.
double Rest(const MatrixChange& change, const LeadingValues& leading,
            size_t rank) {
  const double held = std::accumulate(
      leading.squares.begin(),
      leading.squares.begin() + static_cast<ptrdiff_t>(rank), 0.0);
  return std::max(0.0, change.sums.change_squares - held);
}

size_t RankOf(const MatrixChange& change, const LeadingValues& leading) {
  return ValuesAboveNoise(leading.squares, change.rounding_edge);
}

bool IsLowRank(const MatrixChange& change, const LeadingValues& leading) {
  const size_t rank = RankOf(change, leading);
  const uint64_t side = std::min(change.rows, change.cols);
  const bool all_seen = leading.squares.size() >= side;
  if (rank == 0 || (rank == leading.squares.size() && !all_seen)) return false;
  return rank * 4 <= side && Rest(change, leading, rank) <=
                                 kRoundingSlack * change.sums.rounding_squares +
                                     kUnexplained * change.sums.change_squares;
}

}  // namespace

bool JudgeBySums(const std::optional<Grid>& grid, bool stored_as_codes,
                 MatrixChange& change) {
  const PairSums& sums = change.sums;
  const auto judge = [&](ChangeKind kind, std::string detail) {
    change.kind = kind;
    change.detail = std::move(detail);
    return true;
  };
  if (sums.changed == 0) return judge(ChangeKind::kSame, "");
  if (stored_as_codes) {
    return judge(ChangeKind::kQuantized, change.tuned_storage);
  }
  const double scale = change.scale();
  const double unscaled = sums.tuned_squares - scale * sums.products;
  if (std::fabs(scale - 1) > kLeastScale &&
      unscaled <= kExact * sums.tuned_squares) {
    return judge(ChangeKind::kScaled, fmt::format("x {:.4g}", scale));
  }
  const uint64_t more_zeros = sums.tuned_zeros > sums.base_zeros
                                  ? sums.tuned_zeros - sums.base_zeros
                                  : 0;
  const bool pruned = Share(more_zeros, sums.weights) >= kLeastPruned;
  if (pruned && sums.survivor_squares <= kExact * sums.tuned_squares) {
    return judge(ChangeKind::kPruned, PrunedDetail(sums));
  }
  if (grid) return judge(ChangeKind::kQuantized, GridLabel(*grid));
  if (pruned) {
    return judge(ChangeKind::kPruned,
                 PrunedDetail(sums) + ", and what is left was trained");
  }
  if (sums.change_squares <= kRoundingSlack * sums.rounding_squares) {
    return judge(ChangeKind::kRounding, "to " + change.tuned_storage);
  }
  return false;
}

int BlocksToMeasure(const MatrixChange& change, const LeadingValues& leading,
                    int blocks) {
  if (blocks == 0) return kFirstBlocks;
  if (blocks >= kMoreBlocks || IsLowRank(change, leading)) return 0;
  const uint64_t side = std::min(change.rows, change.cols);
  // More could not make it low rank, which ends at a quarter.
  if (leading.squares.size() * 4 > side) return 0;
  const double held = change.sums.change_squares -
                      Rest(change, leading, leading.squares.size());
  return held >= kWorthMore * change.sums.change_squares ? kMoreBlocks : 0;
}

void JudgeByRank(const LeadingValues& leading, MatrixChange& change) {
  const double all = change.sums.change_squares;
  const auto held = [&](size_t n) {
    return std::min(1.0, (all - Rest(change, leading,
                                     std::min(n, leading.squares.size()))) /
                             all);
  };
  change.energy_1 = held(1);
  change.energy_16 = held(16);
  const size_t rank = RankOf(change, leading);
  if (IsLowRank(change, leading)) {
    change.kind = ChangeKind::kLowRank;
    change.rank = rank;
    change.detail = fmt::format("rank {}", rank);
    return;
  }
  change.kind = ChangeKind::kFullRank;
  const uint64_t side = std::min(change.rows, change.cols);
  change.detail =
      leading.squares.size() < side && rank == leading.squares.size()
          ? fmt::format("rank over {}", rank)
          : fmt::format("rank {} of {}", rank, side);
}

}  // namespace ram
