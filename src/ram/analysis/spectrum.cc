#include "ram/analysis/spectrum.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "ram/analysis/gram.h"
#include "ram/analysis/spectrum_krylov.h"
#include "ram/analysis/spectrum_power_law.h"
#include "ram/analysis/spectrum_tridiagonal.h"
#include "ram/base/error.h"
#include "ram/base/parallel.h"
#include "ram/base/random.h"

namespace ram {
namespace {

// Up to here every singular value counts, as in the published definition.
constexpr uint64_t kAllCount = 512;
constexpr size_t kLeading = 256;
// Up to here the eigenvalues are exact; beyond, Krylov's are cheaper.
constexpr uint64_t kExactSize = 2048;
// Up to here half of the Gram matrix fits into the memory bound.
constexpr uint64_t kGramSize = 9216;
// An eigenvalue to 2^-24 of the largest: as float32 products allow.
constexpr int kBits = 24;
// In double precision, for the square root.
constexpr int kFullBits = 54;

// A power of two that brings the largest magnitude into [0.5, 1).
double ScaleOf(const WeightSurvey& survey, std::string_view name) {
  if (!(survey.max_magnitude <= std::numeric_limits<float>::max())) {
    Fail(ErrorKind::kCorrupt,
         "{}: spectrum: found NaN or infinity, expected finite weights", name);
  }
  int exponent = 0;
  std::frexp(survey.max_magnitude, &exponent);
  return std::ldexp(1.0, std::clamp(-exponent, -126, 126));
}

std::vector<double> LeadingEigenvalues(const RowReader& read, uint64_t rows,
                                       uint64_t cols, double scale,
                                       size_t count,
                                       const CounterRandom& random,
                                       int threads) {
  const uint64_t size = std::min(rows, cols);
  if (size <= kExactSize) {
    Gram<float> gram =
        GramOfSmallerSide<float>(read, rows, cols, scale, threads);
    return LargestEigenvalues(Tridiagonalize(gram), count, kBits);
  }
  if (size <= kGramSize) {
    const TiledGram gram =
        TiledGramOfSmallerSide(read, rows, cols, scale, threads);
    return KrylovEigenvalues(GramOperator(gram, threads), size, count, kBits,
                             random, threads);
  }
  const BlockOperator weights =
      WeightsOperator(read, rows, cols, static_cast<float>(scale), threads);
  return KrylovEigenvalues(weights, size, count, kBits, random, threads);
}

// `values` are the leading squared singular values, descending, at least as
// many as the definition looks at; `energy` is the sum of all.
Spectrum Summarize(const std::vector<double>& values, uint64_t size,
                   double energy) {
  const bool all = size <= kAllCount;
  const size_t k = all ? size : kLeading;
  const size_t top = std::max<size_t>(1, k / 10);
  const auto sum = [&](size_t n) {
    return std::accumulate(values.begin(),
                           values.begin() + static_cast<ptrdiff_t>(n), 0.0);
  };
  Spectrum spectrum;
  // The largest is 0 only when it is less than rounding can show.
  if (values.empty() || !(values[0] > 0)) return spectrum;
  spectrum.concentration = std::min(1.0, sum(top) / (all ? energy : sum(k)));
  spectrum.stable_rank = std::max(1.0, energy / values[0]);
  spectrum.top_energy = std::min(1.0, sum(top) / energy);
  return spectrum;
}

size_t ValuesNeeded(uint64_t size) {
  return size <= kAllCount ? std::max<size_t>(1, size / 10) : kLeading;
}

}  // namespace

Spectrum MeasureSpectrum(const RowReader& read, uint64_t rows, uint64_t cols,
                         uint64_t seed, std::string_view name, int threads) {
  threads = ResolveThreads(threads);
  const uint64_t size = std::min(rows, cols);
  const WeightSurvey survey = SurveyWeights(read, rows, cols, threads);
  const double scale = ScaleOf(survey, name);
  if (survey.max_magnitude == 0) return {};
  const std::vector<double> values =
      LeadingEigenvalues(read, rows, cols, scale, ValuesNeeded(size),
                         CounterRandom(seed, name), threads);
  return Summarize(values, size, survey.energy * scale * scale);
}

Spectrum FullSpectrum(const RowReader& read, uint64_t rows, uint64_t cols,
                      int threads) {
  threads = ResolveThreads(threads);
  const uint64_t size = std::min(rows, cols);
  const WeightSurvey survey = SurveyWeights(read, rows, cols, threads);
  const double scale = ScaleOf(survey, "weights");
  if (survey.max_magnitude == 0) {
    Spectrum zero;
    zero.singular_values.resize(size);
    return zero;
  }
  Gram<double> gram =
      GramOfSmallerSide<double>(read, rows, cols, scale, threads);
  const std::vector<double> values =
      LargestEigenvalues(Tridiagonalize(gram), size, kFullBits);
  Spectrum spectrum = Summarize(values, size, survey.energy * scale * scale);
  // Smaller ones are rounding errors, not a tail.
  const double smallest = values[0] * static_cast<double>(size) *
                          std::numeric_limits<double>::epsilon();
  std::vector<double> tail;
  for (const double value : values) {
    spectrum.singular_values.push_back(std::sqrt(value) / scale);
    if (value > smallest) tail.push_back(value);
  }
  if (const auto fit = FitPowerLaw(tail)) spectrum.alpha = fit->alpha;
  return spectrum;
}

}  // namespace ram
