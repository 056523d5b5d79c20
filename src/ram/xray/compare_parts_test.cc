#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "ram/base/random.h"
#include "ram/xray/compare_alignment.h"
#include "ram/xray/compare_grid.h"
#include "ram/xray/compare_rank.h"
#include "ram/xray/compare_sums.h"
#include "ram/xray/compare_verdict.h"

namespace ram {
namespace {

std::vector<float> Normals(const char* name, size_t count) {
  const CounterRandom random(1, name);
  std::vector<float> values;
  for (size_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(random.Normal(i)));
  }
  return values;
}

TEST(PairSumsTest, AreWhatTheirNamesSay) {
  const std::vector<float> base = {1, 2, 0, -4, 0, 6};
  const std::vector<float> tuned = {1, 0, 0, -3, 0.5f, 0};
  const PairSums sums = SumPair(base, tuned, 6, 23);
  EXPECT_EQ(sums.weights, 6u);
  EXPECT_EQ(sums.base_squares, 1 + 4 + 16 + 36);
  EXPECT_EQ(sums.tuned_squares, 1 + 9 + 0.25);
  EXPECT_EQ(sums.products, 1 + 12);
  EXPECT_EQ(sums.change_squares, 4 + 1 + 0.25 + 36);
  EXPECT_EQ(sums.survivor_squares, 1);
  EXPECT_EQ(sums.changed, 4u);
  EXPECT_EQ(sums.base_zeros, 2u);
  EXPECT_EQ(sums.tuned_zeros, 3u);
  EXPECT_EQ(sums.largest_change, 6);
  EXPECT_EQ(sums.fours, 1u);
  EXPECT_EQ(sums.halved_fours, 1u);
  EXPECT_EQ(sums.nonfinite, 0u);
}

TEST(PairSumsTest, ExpectTheErrorOfRoundingToBf16) {
  // Uniform errors of at most half a step: a twelfth of a step squared.
  const std::vector<float> exact = Normals("exact", 100'000);
  std::vector<float> rounded = exact;
  for (float& w : rounded) {
    int exponent = 0;
    const float part = std::frexp(w, &exponent);
    w = std::ldexp(std::round(part * 256) / 256, exponent);
  }
  const PairSums sums = SumPair(exact, rounded, 1000, 7);
  EXPECT_NEAR(sums.change_squares / sums.rounding_squares, 1, 0.03);
}

TEST(PairSketchTest, TellsTheSameFromOthers) {
  const std::vector<float> a = Normals("a", 96 * 200);
  const std::vector<float> b = Normals("b", 96 * 200);
  std::vector<float> near = a;
  for (size_t i = 0; i < near.size(); ++i) near[i] += 0.1f * b[i];
  const auto sketch = [](std::span<const float> rows) {
    PairSketch s{};
    AddToSketch(rows.first(96 * 50), 200, 0, s);
    AddToSketch(rows.subspan(96 * 50), 200, 96 * 50 / 200, s);
    return s;
  };
  EXPECT_NEAR(SketchCosine(sketch(a), sketch(a)), 1, 1e-12);
  EXPECT_GT(SketchCosine(sketch(a), sketch(near)), 0.9);
  // Four deviations of an eighth.
  EXPECT_LT(std::fabs(SketchCosine(sketch(a), sketch(b))), 0.5);
}

TEST(FindGridTest, TellsWidthGroupAndSpacing) {
  const std::vector<float> plain = Normals("plain", 4 * 512);
  EXPECT_EQ(FindGrid(plain, 512), std::nullopt);
  std::vector<float> per_row = plain;
  for (float& w : per_row) w = std::round(std::clamp(w, -3.f, 3.f) * 10) / 10;
  const auto row = FindGrid(per_row, 512);
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(row->bits, 6);  // 61 levels
  EXPECT_EQ(row->group_size, 0u);
  EXPECT_TRUE(row->even);
  std::vector<float> grouped = plain;
  for (size_t i = 0; i < grouped.size(); ++i) {
    const float step = 0.3f + 0.01f * static_cast<float>(i / 64);
    grouped[i] = step * std::round(std::clamp(plain[i], -2.f, 2.f) / step);
  }
  const auto group = FindGrid(grouped, 512);
  ASSERT_TRUE(group.has_value());
  EXPECT_EQ(group->group_size, 64u);
  EXPECT_EQ(GridLabel(*group), "4-bit grid in groups of 64");
  std::vector<float> uneven = plain;
  for (float& w : uneven) {
    w = std::copysign(std::exp2(std::round(std::log2(std::fabs(w) + 0.1f))), w);
  }
  const auto powers = FindGrid(uneven, 512);
  ASSERT_TRUE(powers.has_value());
  EXPECT_FALSE(powers->even);
}

TEST(FindGridTest, IsNotFooledByZeros) {
  std::vector<float> pruned = Normals("pruned", 4 * 256);
  for (size_t i = 0; i < pruned.size(); ++i) {
    if (i % 16 != 0) pruned[i] = 0;
  }
  EXPECT_EQ(FindGrid(pruned, 256), std::nullopt);
  EXPECT_EQ(FindGrid(std::vector<float>(512, 1.0f), 256), std::nullopt);
}

TEST(MeasureLeadingTest, FindsTheValuesOfADiagonal) {
  // 300 x 200 with 9, 8, ... on part of the diagonal.
  constexpr uint64_t kRows = 300, kCols = 200;
  const RowReader read = [](uint64_t row, std::span<float> out) {
    std::fill(out.begin(), out.end(), 0.0f);
    for (uint64_t i = 0; i < out.size() / kCols; ++i) {
      const uint64_t r = row + i;
      if (r < 9) out[i * kCols + r] = static_cast<float>(9 - r);
    }
  };
  const LeadingValues found =
      MeasureLeading(read, kRows, kCols, 9, 2, 42, "diagonal", 2);
  ASSERT_GE(found.squares.size(), 10u);
  for (size_t i = 0; i < 9; ++i) {
    const double value = static_cast<double>(9 - i);
    EXPECT_NEAR(found.squares[i], value * value, 1e-3) << i;
  }
  EXPECT_NEAR(found.squares[9], 0, 1e-3);
  ASSERT_EQ(found.direction.size(), kCols);
  EXPECT_NEAR(std::fabs(found.direction[0]), 1, 1e-3);
  EXPECT_EQ(ValuesAboveNoise(found.squares, 0), 9u);
}

RowReader Rows(std::vector<float> values) {
  return [values = std::move(values), row_size = size_t{2}](
             uint64_t row, std::span<float> out) {
    std::copy_n(values.begin() + static_cast<ptrdiff_t>(row * row_size),
                out.size(), out.begin());
  };
}

TEST(MeasureAlignmentTest, ComparesTheChangeWithWhatTheBaseDoesThere) {
  const RowReader base = Rows({3, 0, 0, 4});
  // The base itself, where it is 3: both sides give 3, and random ones
  // sqrt(25 / 2).
  const ChangeAlignment same =
      MeasureAlignment(base, 2, 2, 25, {{1, 0}, {1, 0}, 6}, 1);
  EXPECT_NEAR(same.agreement, 1, 1e-6);
  EXPECT_NEAR(same.input_gain, 3 / std::sqrt(12.5), 1e-6);
  EXPECT_NEAR(same.output_gain, 3 / std::sqrt(12.5), 1e-6);
  EXPECT_NEAR(same.strength, 2, 1e-6);
  EXPECT_NEAR(same.chance, 1 / std::sqrt(2.0), 1e-6);
  // The other sign.
  EXPECT_NEAR(
      MeasureAlignment(base, 2, 2, 25, {{-1, 0}, {1, 0}, 6}, 1).agreement, -1,
      1e-6);
  // From one side's first to the other's second: 4 in, 3 out, nothing along.
  const ChangeAlignment other =
      MeasureAlignment(base, 2, 2, 25, {{1, 0}, {0, 1}, 6}, 1);
  EXPECT_NEAR(other.agreement, 0, 1e-6);
  EXPECT_NEAR(other.strength, 6 / std::sqrt(12.0), 1e-6);
  EXPECT_NEAR(other.input_gain, 4 / std::sqrt(12.5), 1e-6);
  EXPECT_NEAR(other.output_gain, 3 / std::sqrt(12.5), 1e-6);
}

TEST(MeasureAlignmentTest, HasNoLimitWhereTheBaseGivesNothing) {
  const ChangeAlignment found =
      MeasureAlignment(Rows({3, 0, 0, 0}), 2, 2, 9, {{0, 1}, {1, 0}, 1}, 1);
  EXPECT_EQ(found.agreement, 0);
  EXPECT_TRUE(std::isinf(found.strength));
}

TEST(CompleteLeadingTest, FindsTheOtherSide) {
  // 5 x (0.6, 0.8)' (0, 1)
  const RowReader change = Rows({0, 3, 0, 4});
  const LeadingVectors found = CompleteLeading(change, 2, 2, {0, 1}, 1);
  EXPECT_NEAR(found.value, 5, 1e-6);
  ASSERT_EQ(found.u.size(), 2u);
  EXPECT_NEAR(found.u[0], 0.6f, 1e-6);
  EXPECT_NEAR(found.u[1], 0.8f, 1e-6);
  EXPECT_EQ(found.v, (std::vector<float>{0, 1}));
}

TEST(CompleteLeadingTest, TakesTheRowsOfAWideChange) {
  const RowReader change = Rows({3, 4});
  const LeadingVectors found = CompleteLeading(change, 1, 2, {-1}, 1);
  EXPECT_NEAR(found.value, 5, 1e-6);
  EXPECT_EQ(found.u, (std::vector<float>{-1}));
  EXPECT_NEAR(found.v[0], -0.6f, 1e-6);
  EXPECT_NEAR(found.v[1], -0.8f, 1e-6);
}

TEST(KindOfAlignmentTest, SaysNothingOfSmallWeakOrMixedChanges) {
  const auto kind = [](double agreement, double strength, double chance) {
    return KindOfAlignment({1, 1, agreement, strength, chance});
  };
  EXPECT_EQ(kind(0.9, 0.1, 0.03), AlignmentKind::kAmplifies);
  EXPECT_EQ(kind(-0.9, 0.1, 0.03), AlignmentKind::kTakesBack);
  EXPECT_EQ(kind(0.1, 3, 0.03), AlignmentKind::kOfItsOwn);
  EXPECT_EQ(kind(0.1, 0.3, 0.03), AlignmentKind::kUndecided);
  EXPECT_EQ(kind(0.4, 3, 0.03), AlignmentKind::kUndecided);
  EXPECT_EQ(kind(0.9, 0.1, 0.3), AlignmentKind::kUndecided);
}

TEST(BlocksToMeasureTest, StopsWhereMoreCouldNotMakeItLowRank) {
  MatrixChange change;
  change.sums.change_squares = 192;
  LeadingValues leading;
  EXPECT_EQ(BlocksToMeasure(change, leading, 0), 2);
  // Half of the squares.
  leading.squares.assign(96, 1.0);
  change.rows = 256;
  change.cols = 512;
  EXPECT_EQ(BlocksToMeasure(change, leading, 2), 0);
  change.rows = 1024;
  EXPECT_EQ(BlocksToMeasure(change, leading, 2), 6);
  EXPECT_EQ(BlocksToMeasure(change, leading, 6), 0);
  // A tenth.
  change.sums.change_squares = 960;
  EXPECT_EQ(BlocksToMeasure(change, leading, 2), 0);
}

TEST(MeasureLeadingTest, SeesNoRankInNoise) {
  constexpr uint64_t kRows = 96, kCols = 160;
  const CounterRandom random(6, "noise");
  const RowReader read = [&](uint64_t row, std::span<float> out) {
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<float>(random.Normal(row * kCols + i));
    }
  };
  const LeadingValues found =
      MeasureLeading(read, kRows, kCols, 4, 2, 42, "noise", 1);
  EXPECT_EQ(found.squares.size(), kRows);
  // The largest is near the edge, (sqrt 96 + sqrt 160)^2 = 504.
  EXPECT_NEAR(found.squares[0], 504, 50);
  EXPECT_EQ(ValuesAboveNoise(found.squares, 504), 0u);
}

// Rounding errors of BF16 weights whose first column is `gain` times the rest.
double LargestOfRounding(double gain, double& edge) {
  constexpr uint64_t kRows = 300, kCols = 200;
  std::vector<float> exact = Normals("exact", kRows * kCols);
  for (size_t i = 0; i < exact.size(); i += kCols) {
    exact[i] *= static_cast<float>(gain);
  }
  std::vector<float> rounded = exact;
  for (float& w : rounded) {
    int exponent = 0;
    const float part = std::frexp(w, &exponent);
    w = std::ldexp(std::round(part * 256) / 256, exponent);
  }
  const auto reader = [&](const std::vector<float>& minus) {
    return [&](uint64_t row, std::span<float> out) {
      for (size_t i = 0; i < out.size(); ++i) {
        out[i] = rounded[row * kCols + i];
        if (!minus.empty()) out[i] -= minus[row * kCols + i];
      }
    };
  };
  edge = RoundingEdge(reader({}), kRows, kCols, 7, 2);
  return MeasureLeading(reader(exact), kRows, kCols, 1, 2, 42, "rounding", 2)
      .squares[0];
}

TEST(RoundingEdgeTest, IsTheLargestThatRoundingMakes) {
  double edge = 0;
  // Marchenko and Pastur's edge; rows and columns vary by some percent.
  const double even = LargestOfRounding(1, edge);
  EXPECT_GT(edge, 0.95 * even);
  EXPECT_LT(edge, 1.4 * even);
  // A single column that outweighs the rest.
  const double outlier = LargestOfRounding(20, edge);
  EXPECT_GT(edge, 0.95 * outlier);
  EXPECT_LT(edge, 1.4 * outlier);
  EXPECT_GT(outlier, 10 * even);
}

}  // namespace
}  // namespace ram
