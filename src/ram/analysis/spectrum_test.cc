#include "ram/analysis/spectrum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <Eigen/SVD>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "ram/analysis/spectrum_test_matrix.h"
#include "ram/base/error.h"
#include "ram/base/json.h"

namespace ram {
namespace {

constexpr double kTolerance = 2e-3;  // what the header promises

Spectrum Measure(const TestMatrix& matrix, int threads = 2) {
  return MeasureSpectrum(matrix.Reader(), matrix.rows, matrix.cols, 42, "w",
                         threads);
}

// Descending.
std::vector<double> EigenSingularValues(const TestMatrix& matrix) {
  using Matrix =
      Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Matrix wide =
      Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic,
                                     Eigen::RowMajor>>(
          matrix.values.data(), static_cast<Eigen::Index>(matrix.rows),
          static_cast<Eigen::Index>(matrix.cols))
          .cast<double>();
  const Eigen::VectorXd values = Eigen::BDCSVD<Matrix>(wide).singularValues();
  return {values.begin(), values.end()};
}

// The definition in spectrum.h, word by word.
Spectrum Definition(const std::vector<double>& singular_values) {
  const size_t size = singular_values.size();
  const size_t k = size <= 512 ? size : 256;
  const size_t top = std::max<size_t>(1, k / 10);
  double top_energy = 0, leading = 0, all = 0;
  for (size_t i = 0; i < size; ++i) {
    const double energy = singular_values[i] * singular_values[i];
    if (i < top) top_energy += energy;
    if (i < k) leading += energy;
    all += energy;
  }
  Spectrum spectrum;
  spectrum.concentration = top_energy / leading;
  spectrum.stable_rank = all / (singular_values[0] * singular_values[0]);
  spectrum.top_energy = top_energy / all;
  return spectrum;
}

void ExpectSpectrum(const TestMatrix& matrix, const Spectrum& expected,
                    const std::string& what) {
  const Spectrum found = Measure(matrix);
  std::printf("%-28s %5zu x %-5zu c %.6f, error %+.1e\n", what.c_str(),
              static_cast<size_t>(matrix.rows),
              static_cast<size_t>(matrix.cols), expected.concentration,
              found.concentration - expected.concentration);
  EXPECT_NEAR(found.concentration, expected.concentration, kTolerance) << what;
  EXPECT_NEAR(found.top_energy, expected.top_energy, kTolerance) << what;
  EXPECT_NEAR(found.stable_rank / expected.stable_rank, 1, kTolerance) << what;
}

void ExpectAsEigen(const TestMatrix& matrix, const std::string& what) {
  ExpectSpectrum(matrix, Definition(EigenSingularValues(matrix)), what);
}

TEST(SpectrumTest, AgreesWithEigenOnGaussianMatrices) {
  ExpectAsEigen(GaussianMatrix(700, 560, "tall"), "gaussian");
  ExpectAsEigen(GaussianMatrix(530, 900, "wide"), "gaussian");
  ExpectAsEigen(GaussianMatrix(512, 512, "square"), "gaussian");
  ExpectAsEigen(GaussianMatrix(64, 3000, "short"), "gaussian");
  ExpectAsEigen(GaussianMatrix(3000, 49, "narrow"), "gaussian");
}

TEST(SpectrumTest, AgreesWithEigenOnHeavyTails) {
  ExpectAsEigen(StudentMatrix(520, 600, 5, "t5"), "student 5");
  ExpectAsEigen(StudentMatrix(600, 520, 3, "t3"), "student 3");
  ExpectAsEigen(StudentMatrix(400, 300, 2, "t2"), "student 2");
}

TEST(SpectrumTest, AgreesWithEigenOnLowRankAndNoise) {
  TestMatrix matrix = GaussianMatrix(550, 600, "noise");
  const TestMatrix left = GaussianMatrix(550, 12, "left");
  const TestMatrix right = GaussianMatrix(12, 600, "right");
  for (uint64_t i = 0; i < 550; ++i) {
    for (uint64_t j = 0; j < 600; ++j) {
      for (uint64_t k = 0; k < 12; ++k) {
        matrix.at(i, j) +=
            20 * left.values[i * 12 + k] * right.values[k * 600 + j];
      }
    }
  }
  ExpectAsEigen(matrix, "low rank + noise");
}

TEST(SpectrumTest, AgreesWithEigenWithOneOutlier) {
  for (const float outlier : {1.0f, 10.0f, 1e3f, 1e6f}) {
    TestMatrix matrix = GaussianMatrix(520, 540, "outlier");
    matrix.at(77, 301) = outlier;
    ExpectAsEigen(matrix, "outlier");
  }
}

TEST(SpectrumTest, AgreesWithEigenOnOneHotRow) {
  TestMatrix matrix = GaussianMatrix(300, 200, "row");
  for (uint64_t j = 0; j < 200; ++j) matrix.at(5, j) *= 1000;
  ExpectAsEigen(matrix, "one large row");
}

TEST(SpectrumTest, KnowsPowerLaws) {
  for (const double exponent : {0.25, 0.5, 1.0, 2.0}) {
    for (const size_t size : {size_t{200}, size_t{700}, size_t{2304}}) {
      std::vector<double> values(size);
      for (size_t i = 0; i < size; ++i) {
        values[i] = std::pow(static_cast<double>(i + 1), -exponent);
      }
      if (size > 2000 && exponent != 0.5) continue;  // these take long
      ExpectSpectrum(MatrixWithSingularValues(values, size + 100),
                     Definition(values), "power law");
    }
  }
}

TEST(SpectrumTest, KnowsFlatSpectraOfLargeMatrices) {
  std::vector<double> values = QuarterCircleEnergies(2400);
  for (double& value : values) value = std::sqrt(value);
  const TestMatrix wide = MatrixWithSingularValues(values, 2500);
  ExpectSpectrum(wide, Definition(values), "quarter circle");
  ExpectSpectrum(Transposed(wide), Definition(values), "quarter circle");
}

TEST(SpectrumTest, KnowsTheSpectrumOfAnOrthogonalMatrix) {
  const std::vector<double> small(300, 2.0);
  const Spectrum all = Measure(MatrixWithSingularValues(small, 320));
  EXPECT_NEAR(all.concentration, 0.1, 1e-5);
  EXPECT_NEAR(all.stable_rank, 300, 0.01);
  const std::vector<double> large(2100, 2.0);
  const Spectrum leading = Measure(MatrixWithSingularValues(large, 2100));
  EXPECT_NEAR(leading.concentration, 25.0 / 256, 1e-5);
  EXPECT_NEAR(leading.top_energy, 25.0 / 2100, 1e-5);
}

TEST(SpectrumTest, KnowsRankDeficientMatrices) {
  for (const size_t size : {size_t{64}, size_t{600}, size_t{2304}}) {
    for (const size_t rank : {size_t{1}, size_t{7}, size_t{40}}) {
      if (size > 2000 && rank != 40) continue;  // these take long
      std::vector<double> values(size, 0.0);
      for (size_t i = 0; i < rank; ++i) {
        values[i] = 1.0 + static_cast<double>(rank - i);
      }
      ExpectSpectrum(MatrixWithSingularValues(values, size + 8),
                     Definition(values), "rank " + std::to_string(rank));
    }
  }
}

TEST(SpectrumTest, GivesZerosForAnAllZeroMatrix) {
  const Spectrum spectrum = Measure(TestMatrix(700, 800));
  EXPECT_EQ(spectrum.concentration, 0);
  EXPECT_EQ(spectrum.stable_rank, 0);
  EXPECT_EQ(spectrum.top_energy, 0);
}

TEST(SpectrumTest, GivesOnesForASingleRowOrColumn) {
  for (const auto& [rows, cols] : {std::pair{1, 1000}, {1000, 1}, {1, 1}}) {
    const Spectrum spectrum = Measure(GaussianMatrix(
        static_cast<uint64_t>(rows), static_cast<uint64_t>(cols), "vector"));
    EXPECT_NEAR(spectrum.concentration, 1, 1e-6);
    EXPECT_NEAR(spectrum.stable_rank, 1, 1e-6);
    EXPECT_NEAR(spectrum.top_energy, 1, 1e-6);
  }
}

TEST(SpectrumTest, DoesNotDependOnTheUnitOfTheWeights) {
  const TestMatrix matrix = GaussianMatrix(530, 560, "unit");
  const Spectrum expected = Measure(matrix);
  for (const float factor : {0x1p-100f, 0x1p100f}) {
    TestMatrix scaled = matrix;
    for (float& value : scaled.values) value *= factor;
    const Spectrum found = Measure(scaled);
    EXPECT_NEAR(found.concentration, expected.concentration, 1e-6);
    EXPECT_NEAR(found.stable_rank / expected.stable_rank, 1, 1e-6);
  }
}

TEST(SpectrumTest, RejectsWeightsThatAreNotFinite) {
  for (const float bad : {std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::quiet_NaN()}) {
    TestMatrix matrix = GaussianMatrix(60, 70, "bad");
    matrix.at(59, 3) = bad;
    try {
      Measure(matrix);
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_STREQ(
          error.what(),
          "w: spectrum: found NaN or infinity, expected finite weights");
    }
  }
}

bool SameBits(const Spectrum& a, const Spectrum& b) {
  return a.concentration == b.concentration && a.stable_rank == b.stable_rank &&
         a.top_energy == b.top_energy &&
         a.singular_values == b.singular_values && a.alpha == b.alpha;
}

TEST(SpectrumTest, HasTheSameBitsForEveryThreadCount) {
  for (const auto& [rows, cols] :
       {std::pair{150, 333}, {700, 530}, {530, 1100}, {2100, 2070}}) {
    const TestMatrix matrix = StudentMatrix(
        static_cast<uint64_t>(rows), static_cast<uint64_t>(cols), 4, "threads");
    const Spectrum one = Measure(matrix, 1);
    EXPECT_TRUE(SameBits(Measure(matrix, 2), one)) << rows << " x " << cols;
    EXPECT_TRUE(SameBits(Measure(matrix, 5), one)) << rows << " x " << cols;
  }
}

TEST(SpectrumTest, HasTheSameBitsOnEveryTarget) {
  const TestMatrix small = StudentMatrix(150, 333, 4, "small");
  const TestMatrix exact = StudentMatrix(700, 530, 4, "exact");
  const Spectrum expected[] = {
      Measure(small), Measure(exact),
      FullSpectrum(small.Reader(), small.rows, small.cols, 2)};
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    const char* name = hwy::TargetName(target);
    EXPECT_TRUE(SameBits(Measure(small), expected[0])) << name;
    EXPECT_TRUE(SameBits(Measure(exact), expected[1])) << name;
    EXPECT_TRUE(SameBits(
        FullSpectrum(small.Reader(), small.rows, small.cols, 2), expected[2]))
        << name;
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(FullSpectrumTest, AgreesWithEigenOnEverySingularValue) {
  for (const TestMatrix& matrix :
       {GaussianMatrix(200, 310, "full"), StudentMatrix(310, 130, 3, "full"),
        GaussianMatrix(300, 300, "square"), GaussianMatrix(1, 9, "row")}) {
    const std::vector<double> expected = EigenSingularValues(matrix);
    const Spectrum found =
        FullSpectrum(matrix.Reader(), matrix.rows, matrix.cols, 2);
    ASSERT_EQ(found.singular_values.size(), expected.size());
    // The square root of double precision for values near zero.
    for (size_t i = 0; i < expected.size(); ++i) {
      const double tolerance =
          std::min(1e-7 * expected[0], 1e-11 * expected[0] * expected[0] /
                                           std::max(expected[i], 1e-30));
      EXPECT_NEAR(found.singular_values[i], expected[i], tolerance) << i;
    }
    const Spectrum measured = Definition(expected);
    EXPECT_NEAR(found.concentration, measured.concentration, 1e-9);
    EXPECT_NEAR(found.stable_rank, measured.stable_rank,
                1e-9 * measured.stable_rank);
    EXPECT_NEAR(found.top_energy, measured.top_energy, 1e-9);
  }
}

TEST(FullSpectrumTest, GivesTheExponentOfAPowerLaw) {
  // Singular values i^-1/2: eigenvalues i^-1, the quantiles of a density
  // x^-2.
  std::vector<double> values(400);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = 1 / std::sqrt(static_cast<double>(i + 1));
  }
  const TestMatrix matrix = MatrixWithSingularValues(values, 420);
  const Spectrum spectrum =
      FullSpectrum(matrix.Reader(), matrix.rows, matrix.cols, 1);
  ASSERT_TRUE(spectrum.alpha.has_value());
  EXPECT_NEAR(*spectrum.alpha, 2, 0.05);
}

TEST(FullSpectrumTest, HasNoExponentForAnAllZeroMatrix) {
  const TestMatrix matrix(20, 30);
  const Spectrum spectrum = FullSpectrum(matrix.Reader(), 20, 30, 1);
  EXPECT_THAT(spectrum.singular_values, testing::Each(0));
  EXPECT_EQ(spectrum.singular_values.size(), 20u);
  EXPECT_FALSE(spectrum.alpha.has_value());
}

// Every 2-D F32 or BF16 tensor of a safetensors file with at most `limit` rows
// or columns.
void ExpectAsEigenInFile(const std::filesystem::path& path, uint64_t limit) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::printf("skipped: no %s\n", path.filename().c_str());
    return;
  }
  uint64_t header_bytes = 0;
  file.read(reinterpret_cast<char*>(&header_bytes), sizeof header_bytes);
  std::string header(header_bytes, ' ');
  file.read(header.data(), static_cast<std::streamsize>(header_bytes));
  const Json tensors = Json::parse(header);
  for (const auto& [name, entry] : tensors.items()) {
    if (name == "__metadata__" || entry["shape"].size() != 2) continue;
    TestMatrix matrix(entry["shape"][0], entry["shape"][1]);
    if (std::min(matrix.rows, matrix.cols) > limit) continue;
    const bool bf16 = entry["dtype"] == "BF16";
    if (!bf16 && entry["dtype"] != "F32") continue;
    file.seekg(static_cast<std::streamoff>(
        8 + header_bytes + entry["data_offsets"][0].get<uint64_t>()));
    for (float& value : matrix.values) {
      uint32_t bits = 0;
      file.read(reinterpret_cast<char*>(&bits) + (bf16 ? 2 : 0), bf16 ? 2 : 4);
      value = std::bit_cast<float>(bits);
    }
    ExpectAsEigen(matrix, name);
  }
}

TEST(SpectrumTest, AgreesWithEigenOnRealTensors) {
  const std::filesystem::path source = RAM_SOURCE_DIR;
  ExpectAsEigenInFile(source / "models/wiki-dense/model.safetensors", 256);
  const char* shared = std::getenv("RAM_SHARED");
  const std::filesystem::path models =
      (shared != nullptr ? std::filesystem::path(shared)
                         : source.parent_path() / "shared") /
      "models/real-tensors";
  ExpectAsEigenInFile(models / "tiny-llm-layer.safetensors", 192);
  ExpectAsEigenInFile(models / "gpt2-124m-partial.safetensors", 768);
}

}  // namespace
}  // namespace ram
