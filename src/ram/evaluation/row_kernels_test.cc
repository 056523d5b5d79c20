#include "ram/evaluation/row_kernels.h"

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <cmath>
#include <limits>
#include <vector>

#include "ram/base/random.h"

namespace ram {
namespace {

// Lengths around the widths of vectors.
constexpr uint64_t kLengths[] = {1, 3, 15, 16, 17, 31, 64, 100};

std::vector<float> Numbers(uint64_t n, const char* name, double scale = 3) {
  const CounterRandom random(42, name);
  std::vector<float> x(n);
  for (uint64_t i = 0; i < n; ++i) {
    x[i] = static_cast<float>(scale * random.Normal(i));
  }
  return x;
}

// Runs `body` on every SIMD target that was compiled and works here.
template <typename Body>
void OnEveryTarget(const Body& body) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().DeInit();
    SCOPED_TRACE(hwy::TargetName(target));
    for (const uint64_t n : kLengths) body(n);
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

TEST(RowKernelsTest, DividesByTheRootMeanSquare) {
  OnEveryTarget([](uint64_t n) {
    const std::vector<float> x = Numbers(n, "x");
    const std::vector<float> w = Numbers(n, "w");
    std::vector<float> out(n);
    RmsNorm(x.data(), w.data(), n, 1e-3f, 1.0f, out.data());
    double squares = 0;
    for (const float v : x) squares += static_cast<double>(v) * v;
    const double rms = std::sqrt(squares / static_cast<double>(n) + 1e-3);
    for (uint64_t i = 0; i < n; ++i) {
      const double expected = x[i] / rms * (w[i] + 1.0);
      EXPECT_NEAR(out[i], expected, 1e-6 * (1 + std::abs(expected)));
    }
  });
}

TEST(RowKernelsTest, GatesWithSilu) {
  OnEveryTarget([](uint64_t n) {
    std::vector<float> gate = Numbers(n, "gate", 20);
    const std::vector<float> before = gate;
    const std::vector<float> up = Numbers(n, "up");
    SiluTimes(up.data(), n, gate.data());
    for (uint64_t i = 0; i < n; ++i) {
      const double x = before[i];
      const double expected = x / (1 + std::exp(-x)) * up[i];
      EXPECT_NEAR(gate[i], expected, 2e-6 * (1 + std::abs(expected)));
    }
  });
}

TEST(RowKernelsTest, GatesWithGelu) {
  OnEveryTarget([](uint64_t n) {
    std::vector<float> gate = Numbers(n, "gate", 4);
    const std::vector<float> before = gate;
    const std::vector<float> up = Numbers(n, "up");
    GeluTanhTimes(up.data(), n, gate.data());
    for (uint64_t i = 0; i < n; ++i) {
      const double x = before[i];
      const double expected =
          0.5 * x *
          (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))) *
          up[i];
      EXPECT_NEAR(gate[i], expected, 2e-6 * (1 + std::abs(expected)));
    }
  });
}

TEST(RowKernelsTest, CapsSoftly) {
  OnEveryTarget([](uint64_t n) {
    std::vector<float> x = Numbers(n, "x", 40);
    const std::vector<float> before = x;
    SoftCap(n, 30.0f, x.data());
    for (uint64_t i = 0; i < n; ++i) {
      EXPECT_NEAR(x[i], 30 * std::tanh(before[i] / 30.0), 2e-5);
    }
  });
}

TEST(RowKernelsTest, SumsExponentials) {
  OnEveryTarget([](uint64_t n) {
    std::vector<float> x = Numbers(n, "x");
    const std::vector<float> y = Numbers(n, "y");
    const float max = MaxOf(x.data(), n);
    double sum = 0;
    double weighted = 0;
    double highest = -1e9;
    for (uint64_t i = 0; i < n; ++i) {
      const double e = std::exp(static_cast<double>(x[i]) - max);
      sum += e;
      weighted += e * (static_cast<double>(x[i]) - y[i]);
      highest = std::max<double>(highest, x[i]);
    }
    EXPECT_EQ(max, static_cast<float>(highest));
    const ExpSums sums = SumExp(x.data(), y.data(), n, max);
    EXPECT_NEAR(sums.exp, sum, 1e-5 * sum);
    EXPECT_NEAR(sums.exp_times_difference, weighted, 1e-4);
    EXPECT_NEAR(SumExp(x.data(), n, max), sum, 1e-5 * sum);
    EXPECT_NEAR(ExpInPlace(n, max, x.data()), sum, 1e-5 * sum);
    EXPECT_EQ(MaxOf(x.data(), n), 1.0f);
  });
}

TEST(RowKernelsTest, AddsScaledRows) {
  OnEveryTarget([](uint64_t n) {
    std::vector<float> to(n, 1.0f);
    const std::vector<float> from(n, 2.0f);
    AddScaled(from.data(), n, 0.25f, to.data());
    EXPECT_EQ(to, std::vector<float>(n, 1.5f));
  });
}

TEST(RowKernelsTest, FindsWhatIsNotFinite) {
  OnEveryTarget([](uint64_t n) {
    std::vector<float> x(n, 1e30f);
    EXPECT_TRUE(AllFinite(x.data(), n));
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity()}) {
      x[n - 1] = bad;
      EXPECT_FALSE(AllFinite(x.data(), n));
    }
  });
}

}  // namespace
}  // namespace ram
