#include "ram/analysis/analyze.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "ram/analysis/profile.h"
#include "ram/analysis/test_checkpoint.h"
#include "ram/base/digest.h"
#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/random.h"
#include "ram/quantization/affine.h"
#include "ram/quantization/packed_int.h"

namespace ram {
namespace {

using ::testing::Each;

const std::filesystem::path kWikiDense = RAM_SOURCE_DIR "/models/wiki-dense";

AnalyzeOptions Quick() {
  AnalyzeOptions options;
  options.threads = 2;
  options.digests = false;
  options.search = false;
  return options;
}

Manifest AnalyzeQuickly(const std::filesystem::path& path) {
  return Analyze(Checkpoint::Open(path), Quick(), nullptr, NoProgress());
}

// manifest.json and profile.safetensors, as bytes.
std::string Everything(const std::filesystem::path& path,
                       const AnalyzeOptions& options) {
  const TemporaryDirectory temporary;
  const Checkpoint checkpoint = Checkpoint::Open(path);
  OutputDirectory directory(temporary / "out");
  ProfileWriter profile(checkpoint.model(), options, directory);
  const Manifest manifest =
      Analyze(checkpoint, options, &profile, NoProgress());
  return ManifestToJson(manifest) +
         ReadTextFile(directory.path() / "profile.safetensors");
}

struct Keeper : ProfileSink {
  std::vector<MatrixProfile> profiles;
  void Add(const Matrix&, MatrixProfile profile) override {
    profiles.push_back(std::move(profile));
  }
};

std::vector<float> Normals(size_t n, std::string_view name) {
  const CounterRandom random(3, name);
  std::vector<float> values(n);
  for (size_t i = 0; i < n; ++i) {
    values[i] = static_cast<float>(random.Normal(i));
  }
  return values;
}

// The metrics straight from their definitions, in double precision.
struct Reference {
  double mean = 0, variance = 0, kurtosis = 0, noise = 0, rounding = 0;
  double absmax = 0, squares = 0, worst_ratio = 0;
  uint64_t zeros = 0, outliers = 0;
};

// Sum of squared errors of one group of the rounding metric, float as there.
double RoundingError(const float* w, size_t n, size_t padded) {
  float low = n < padded ? 0.0f : w[0];
  float high = low;
  for (size_t i = 0; i < n; ++i) {
    low = std::min(low, w[i]);
    high = std::max(high, w[i]);
  }
  const float scale = std::max((high - low) / 15.0f, 1e-12f);
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    const float code = std::nearbyint((w[i] - low) / scale);
    const double back = static_cast<double>(std::clamp(code, 0.0f, 15.0f)) *
                            static_cast<double>(scale) +
                        static_cast<double>(low);
    sum += std::pow(back - static_cast<double>(w[i]), 2);
  }
  return sum;
}

Reference Measure(const std::vector<float>& w, uint64_t cols) {
  Reference reference;
  const double n = static_cast<double>(w.size());
  double low = w[0], high = w[0];
  for (const float value : w) {
    const double x = value;
    reference.mean += x / n;
    reference.squares += x * x;
    low = std::min(low, x);
    high = std::max(high, x);
    reference.zeros += value == 0;
  }
  double fourth = 0;
  for (const float value : w) {
    const double x = static_cast<double>(value) - reference.mean;
    reference.variance += x * x / n;
    fourth += x * x * x * x / n;
  }
  reference.kurtosis = fourth / std::pow(reference.variance, 2) - 3;
  reference.absmax = std::max(-low, high);
  reference.noise = (high - low) / 16 * std::sqrt(n / 12 / reference.squares);
  double error = 0;
  for (size_t row = 0; row < w.size(); row += cols) {
    double squares = 0;
    for (size_t i = row; i < row + cols; ++i) {
      squares += static_cast<double>(w[i]) * static_cast<double>(w[i]);
    }
    const double rms = std::sqrt(squares / static_cast<double>(cols));
    for (size_t i = row; i < row + cols; ++i) {
      reference.outliers += std::abs(static_cast<double>(w[i])) > 5 * rms;
    }
    for (size_t col = 0; col < cols; col += 128) {
      error += RoundingError(&w[row + col], std::min(128ul, cols - col), 128);
    }
    for (size_t col = 0; col < cols; col += 64) {
      const auto begin = w.begin() + static_cast<ptrdiff_t>(row + col);
      const auto [least, most] = std::minmax_element(
          begin, begin + static_cast<ptrdiff_t>(std::min(64ul, cols - col)));
      reference.worst_ratio =
          std::max(reference.worst_ratio,
                   std::pow(static_cast<double>(*most - *least), 2) / 12 /
                       (reference.squares / n));
    }
  }
  reference.rounding = std::sqrt(error / reference.squares);
  return reference;
}

// Sums of 128 floats are off by at most 127 x 2^-24 = 8e-6, typically by the
// square root of that; fourth powers and kurtosis near 0 need the margin.
void ExpectReference(const std::filesystem::path& path) {
  const Checkpoint checkpoint = Checkpoint::Open(path);
  const Manifest manifest = Analyze(checkpoint, Quick(), nullptr, NoProgress());
  for (size_t i = 0; i < manifest.matrices.size(); ++i) {
    const Matrix& matrix = checkpoint.model().matrices[i];
    std::vector<float> weights(matrix.weights());
    checkpoint.ReadRows(matrix, 0, weights);
    const Reference reference = Measure(weights, matrix.cols);
    const MatrixRecord& record = manifest.matrices[i];
    SCOPED_TRACE(record.name);
    const double sigma = std::sqrt(reference.variance);
    EXPECT_NEAR(record.mean, reference.mean, 1e-6 * sigma);
    EXPECT_NEAR(record.variance / reference.variance, 1, 1e-6);
    EXPECT_NEAR(record.squared_norm / reference.squares, 1, 1e-6);
    EXPECT_NEAR(*record.metrics.excess_kurtosis, reference.kurtosis,
                1e-5 * (3 + reference.kurtosis));
    EXPECT_NEAR(*record.metrics.output_noise / reference.noise, 1, 1e-6);
    EXPECT_NEAR(*record.metrics.rounding_error / reference.rounding, 1, 1e-6);
    EXPECT_EQ(record.absmax, reference.absmax);
    EXPECT_NEAR(record.worst_group_ratio / reference.worst_ratio, 1, 1e-6);
    EXPECT_EQ(record.zeros, reference.zeros);
    EXPECT_EQ(record.outliers, reference.outliers);
  }
}

TEST(AnalyzeTest, AgreesWithTheDefinitions) { ExpectReference(kWikiDense); }

TEST(AnalyzeTest, AgreesWithTheDefinitionsOnRowsOf64And172) {
  const char* shared = std::getenv("RAM_SHARED");
  const std::filesystem::path path =
      std::filesystem::path(shared ? shared : RAM_SOURCE_DIR "/../shared") /
      "models/stories260k";
  if (!std::filesystem::exists(path)) {
    std::puts("skipped: no shared data");
    return;
  }
  ExpectReference(path);
}

TEST(AnalyzeTest, KnowsTheKurtosisOfDistributions) {
  constexpr size_t kCount = 512 * 512;
  std::vector<float> coin(kCount), uniform(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    coin[i] = i % 2 ? 0.25f : -0.25f;
    uniform[i] = static_cast<float>(i) / kCount;
  }
  const TemporaryDirectory directory;
  const auto path = WriteTensors(
      directory, "a.safetensors",
      {{"coin.weight", DType::kF32, {512, 512}, coin},
       {"normal.weight", DType::kF32, {512, 512}, Normals(kCount, "kurtosis")},
       {"uniform.weight", DType::kF32, {512, 512}, uniform}});
  const auto records = AnalyzeQuickly(path).matrices;
  EXPECT_NEAR(*records[0].metrics.excess_kurtosis, -2.0, 1e-6);
  // The deviation of the estimate is sqrt(24 / n) = 0.0096.
  EXPECT_NEAR(*records[1].metrics.excess_kurtosis, 0.0, 4 * 0.0096);
  EXPECT_NEAR(*records[2].metrics.excess_kurtosis, -1.2, 1e-5);
}

TEST(AnalyzeTest, FindsNoErrorInAMatrixOfZeros) {
  const TemporaryDirectory directory;
  const auto path = WriteTensors(
      directory, "a.safetensors",
      {{"a.weight", DType::kBF16, {64, 128}, std::vector<float>(64 * 128)}});
  AnalyzeOptions options = Quick();
  options.search = true;
  options.spectra = Spectra::kTop;
  const MatrixRecord record =
      Analyze(Checkpoint::Open(path), options, nullptr, NoProgress())
          .matrices[0];
  EXPECT_EQ(record.metrics.excess_kurtosis, 0.0);
  EXPECT_EQ(record.metrics.output_noise, 0.0);
  EXPECT_EQ(record.metrics.rounding_error, 0.0);
  EXPECT_EQ(record.metrics.spectral_concentration, 0.0);
  EXPECT_EQ(record.zeros, 64u * 128);
  EXPECT_THAT(
      std::vector<double>(record.nmse.begin(), record.nmse.begin() + 18),
      Each(0.0));
  EXPECT_EQ(record.nmse[18 + 7], 0.0);
}

TEST(AnalyzeTest, LeavesOutSchemesThatDoNotFit) {
  const TemporaryDirectory directory;
  const auto path = WriteTensors(
      directory, "a.safetensors",
      {{"a.weight", DType::kF16, {64, 96}, Normals(64 * 96, "x")},
       {"b.weight", DType::kF16, {64, 90}, Normals(64 * 90, "x")}});
  const Manifest manifest = AnalyzeQuickly(path);
  for (size_t i = 0; i < 18; ++i) {
    EXPECT_EQ(std::isnan(manifest.matrices[0].nmse[i]), i % 3 != 0);
    EXPECT_TRUE(std::isnan(manifest.matrices[1].nmse[i]));
  }
}

TEST(AnalyzeTest, NamesANaN) {
  std::vector<float> values(100 * 64, 1.0f);
  values[70 * 64 + 3] = std::numeric_limits<float>::quiet_NaN();
  const TemporaryDirectory directory;
  const auto path =
      WriteTensors(directory, "a.safetensors",
                   {{"a.weight", DType::kBF16, {100, 64}, values}});
  EXPECT_EQ(ErrorMessage([&] { AnalyzeQuickly(path); }),
            path.string() +
                ": a.weight: found NaN at index 4483, expected finite weights "
                "(--allow-nonfinite keeps the tensor at 16 bits)");
}

TEST(AnalyzeTest, CountsTheIndexInTheStoredTensor) {
  std::vector<float> values(4 * 8 * 32, 1.0f);
  values[2 * 8 * 32 + 5] = -std::numeric_limits<float>::infinity();
  const TemporaryDirectory directory;
  const auto path = WriteTensors(directory, "a.safetensors",
                                 {{"model.layers.0.mlp.experts.down_proj",
                                   DType::kF32,
                                   {4, 8, 32},
                                   values}});
  EXPECT_EQ(ErrorMessage([&] { AnalyzeQuickly(path); }),
            path.string() +
                ": model.layers.0.mlp.experts.down_proj: found -infinity at "
                "index 517, expected finite weights (--allow-nonfinite keeps "
                "the tensor at 16 bits)");
}

TEST(AnalyzeTest, CountsNonfiniteWeightsWhereAllowed) {
  std::vector<float> values(100 * 64, 1.0f);
  values[5] = values[900] = std::numeric_limits<float>::infinity();
  const TemporaryDirectory directory;
  const auto path =
      WriteTensors(directory, "a.safetensors",
                   {{"a.weight", DType::kBF16, {100, 64}, values}});
  AnalyzeOptions options = Quick();
  options.allow_nonfinite = true;
  options.search = true;
  options.spectra = Spectra::kTop;
  const MatrixRecord record =
      Analyze(Checkpoint::Open(path), options, nullptr, NoProgress())
          .matrices[0];
  EXPECT_EQ(record.nonfinite, 2u);
  EXPECT_FALSE(record.metrics.excess_kurtosis.has_value());
  EXPECT_FALSE(record.metrics.spectral_concentration.has_value());
  for (const double nmse : record.nmse) EXPECT_TRUE(std::isnan(nmse));
}

TEST(AnalyzeTest, MeasuresTheSearchingEncoderOnTheHull) {
  AnalyzeOptions options = Quick();
  options.search = true;
  const Manifest manifest =
      Analyze(Checkpoint::Open(kWikiDense), options, nullptr, NoProgress());
  ASSERT_EQ(manifest.schemes[18 + 7],
            (MeasuredScheme{Affine(4, 64), Encoder::kSearch}));
  for (const MatrixRecord& record : manifest.matrices) {
    EXPECT_FALSE(std::isnan(record.nmse[18 + 7])) << record.name;
    int measured = 0;
    for (size_t i = 0; i < 18; ++i) {
      if (std::isnan(record.nmse[18 + i])) continue;
      ++measured;
      // Min-max is among its candidates; its error is summed in another order.
      EXPECT_LE(record.nmse[18 + i], record.nmse[i] * (1 + 1e-6));
    }
    EXPECT_GE(measured, 3) << record.name;
    EXPECT_LT(measured, 18) << record.name;
  }
}

// An embedding of 8192 rows, which is read in four slices.
TEST(AnalyzeTest, HasTheErrorTheSearchingEncoderReports) {
  AnalyzeOptions options = Quick();
  options.search = true;
  const Checkpoint checkpoint = Checkpoint::Open(kWikiDense);
  const MatrixRecord record =
      Analyze(checkpoint, options, nullptr, NoProgress()).matrices[0];
  const Matrix& matrix = checkpoint.model().matrices[0];
  ASSERT_EQ(matrix.rows, 8192u);
  std::vector<float> weights(matrix.weights());
  checkpoint.ReadRows(matrix, 0, weights);
  const Scheme scheme = Affine(4, 64);
  std::vector<std::byte> codes(matrix.rows *
                               AffineCodeBytes(scheme, matrix.cols));
  std::vector<std::byte> scales(matrix.rows *
                                AffineScaleBytes(scheme, matrix.cols));
  std::vector<std::byte> biases(scales.size());
  const double error =
      EncodeAffine(scheme, Encoder::kSearch, DType::kBF16, weights, matrix.cols,
                   {codes, scales, biases});
  EXPECT_NEAR(record.nmse[18 + 7] * record.squared_norm / error, 1, 1e-9);
}

TEST(AnalyzeTest, HasTheErrorOfWhatIntegersWouldHold) {
  const Checkpoint checkpoint = Checkpoint::Open(kWikiDense);
  for (const bool search : {true, false}) {
    AnalyzeOptions options = Quick();
    options.search = search;
    options.affine = false;
    options.ints = true;
    options.every_int_width = false;
    const Encoder encoder = search ? Encoder::kSearch : Encoder::kMinMax;
    const Manifest manifest =
        Analyze(checkpoint, options, nullptr, NoProgress());
    for (const Scheme& scheme : {SignedInt(4, 128), SignedInt(8, 32)}) {
      const auto measured =
          std::find(manifest.schemes.begin(), manifest.schemes.end(),
                    MeasuredScheme{scheme, encoder});
      ASSERT_NE(measured, manifest.schemes.end());
      const auto at = measured - manifest.schemes.begin();
      for (const size_t i : {size_t{1}, size_t{5}}) {
        const Matrix& matrix = checkpoint.model().matrices[i];
        std::vector<float> weights(matrix.weights());
        checkpoint.ReadRows(matrix, 0, weights);
        std::vector<std::byte> codes(weights.size()), scales(weights.size());
        const double error =
            EncodePackedInt(scheme, encoder, DType::kBF16, weights, matrix.cols,
                            {codes, scales});
        const MatrixRecord& record = manifest.matrices[i];
        ASSERT_GT(record.nmse.size(), static_cast<size_t>(at));
        EXPECT_NEAR(record.nmse[static_cast<size_t>(at)],
                    error / record.squared_norm, 1e-12);
      }
    }
    const auto narrow =
        std::find(manifest.schemes.begin(), manifest.schemes.end(),
                  MeasuredScheme{SignedInt(3, 128), encoder}) -
        manifest.schemes.begin();
    EXPECT_TRUE(
        std::isnan(manifest.matrices[1].nmse[static_cast<size_t>(narrow)]));
  }
}

TEST(AnalyzeTest, FindsTheWidestGroupOfALaterSlice) {
  std::vector<float> values = Normals(300 * 4096, "worst");
  values[250 * 4096 + 100] = 9.0f;
  const TemporaryDirectory directory;
  const auto path =
      WriteTensors(directory, "a.safetensors",
                   {{"a.weight", DType::kF32, {300, 4096}, values}});
  const MatrixRecord record = AnalyzeQuickly(path).matrices[0];
  EXPECT_EQ(record.worst_group_row, 250u);
  EXPECT_EQ(record.worst_group_col, 64u);
}

TEST(AnalyzeTest, TakesTheDigestOfEveryFile) {
  AnalyzeOptions options = Quick();
  options.digests = true;
  const Manifest manifest =
      Analyze(Checkpoint::Open(kWikiDense), options, nullptr, NoProgress());
  ASSERT_EQ(manifest.files.size(), 1u);
  EXPECT_EQ(manifest.files[0].name, "model.safetensors");
  EXPECT_EQ(manifest.files[0].bytes, 13647016u);
  EXPECT_EQ(manifest.files[0].sha256,
            Sha256OfFile(kWikiDense / "model.safetensors"));
  EXPECT_EQ(manifest.config_sha256, Sha256OfFile(kWikiDense / "config.json"));
}

TEST(AnalyzeTest, GivesTheSameBytesForAnyNumberOfThreads) {
  AnalyzeOptions options;
  options.spectra = Spectra::kTop;
  options.threads = 1;
  const std::string one = Everything(kWikiDense, options);
  for (const int threads : {2, 5}) {
    options.threads = threads;
    EXPECT_TRUE(Everything(kWikiDense, options) == one) << threads;
  }
}

TEST(AnalyzeTest, GivesTheSameBytesOnEveryTarget) {
  AnalyzeOptions options;
  options.threads = 2;
  std::string first;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    const std::string bytes = Everything(kWikiDense, options);
    if (first.empty()) first = bytes;
    EXPECT_TRUE(bytes == first) << hwy::TargetName(target);
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(AnalyzeTest, NoticesAFileThatChanges) {
  struct Meddler : ProfileSink {
    std::filesystem::path path;
    void Add(const Matrix&, MatrixProfile) override {
      std::ofstream(path, std::ios::app) << "x";
    }
  };
  const TemporaryDirectory directory;
  Meddler meddler;
  meddler.path = WriteTensors(
      directory, "a.safetensors",
      {{"a.weight", DType::kF16, {64, 96}, Normals(64 * 96, "x")}});
  EXPECT_EQ(
      ErrorMessage([&] {
        Analyze(Checkpoint::Open(meddler.path), Quick(), &meddler,
                NoProgress());
      }).substr(meddler.path.string().size()),
      ": changed while being read: found 12369 bytes, expected 12368 (run "
      "again when nothing writes to it)");
}

// Four experts: a matrix, it again, its negative, another.
TEST(AnalyzeTest, SketchesExpertsSoThatTheyCompare) {
  const std::vector<float> a = Normals(64 * 32, "a");
  std::vector<float> stack = a;
  stack.insert(stack.end(), a.begin(), a.end());
  for (const float value : a) stack.push_back(-value);
  const std::vector<float> b = Normals(64 * 32, "b");
  stack.insert(stack.end(), b.begin(), b.end());
  const TemporaryDirectory directory;
  const auto path = WriteTensors(directory, "a.safetensors",
                                 {{"model.layers.0.mlp.experts.down_proj",
                                   DType::kF32,
                                   {4, 64, 32},
                                   stack}});
  const Checkpoint checkpoint = Checkpoint::Open(path);
  double squares = 0, expected = 0;
  for (const float value : a) expected += static_cast<double>(value * value);
  constexpr int kSeeds = 400;
  for (int seed = 0; seed < kSeeds; ++seed) {
    AnalyzeOptions options = Quick();
    options.seed = static_cast<uint64_t>(seed);
    options.threads = 1;
    Keeper keeper;
    Analyze(checkpoint, options, &keeper, NoProgress());
    const auto& sketch = keeper.profiles[0].sketch;
    ASSERT_EQ(sketch.size(), 64u);
    EXPECT_EQ(keeper.profiles[1].sketch, sketch);
    EXPECT_EQ(keeper.profiles[1].hash, keeper.profiles[0].hash);
    EXPECT_NE(keeper.profiles[2].hash, keeper.profiles[0].hash);
    for (size_t i = 0; i < 64; ++i) {
      EXPECT_EQ(keeper.profiles[2].sketch[i], -sketch[i]);
      squares += static_cast<double>(sketch[i] * sketch[i]) / kSeeds;
    }
  }
  // The relative deviation of one estimate is about sqrt(2/32 + 2/64) = 0.31.
  EXPECT_NEAR(squares / expected, 1.0, 4 * 0.31 / std::sqrt(kSeeds));
}

TEST(AnalyzeTest, ProfilesRowsAndColumns) {
  const std::vector<float> w = Normals(300 * 96, "rows");
  const TemporaryDirectory directory;
  const auto path = WriteTensors(directory, "a.safetensors",
                                 {{"a.weight", DType::kF32, {300, 96}, w}});
  Keeper keeper;
  Analyze(Checkpoint::Open(path), Quick(), &keeper, NoProgress());
  const MatrixProfile& profile = keeper.profiles.at(0);
  ASSERT_EQ(profile.row_norms.size(), 300u);
  ASSERT_EQ(profile.column_second_moments.size(), 96u);
  EXPECT_TRUE(profile.sketch.empty());
  double row = 0, col = 0;
  for (size_t i = 0; i < 96; ++i) {
    row += std::pow(static_cast<double>(w[299 * 96 + i]), 2);
  }
  for (size_t i = 0; i < 300; ++i) {
    col += std::pow(static_cast<double>(w[i * 96 + 95]), 2) / 300;
  }
  EXPECT_NEAR(static_cast<double>(profile.row_norms[299]) / std::sqrt(row), 1,
              1e-6);
  EXPECT_NEAR(static_cast<double>(profile.column_second_moments[95]) / col, 1,
              1e-6);
}

TEST(AnalyzeTest, HashesTheStoredWeightsWhateverTheirPacking) {
  const std::vector<float> a = Normals(64 * 32, "a");
  const std::vector<float> b = Normals(64 * 32, "b");
  std::vector<float> both = a;
  both.insert(both.end(), b.begin(), b.end());
  const std::string experts = "model.layers.0.mlp.experts.";
  const TemporaryDirectory directory;
  const auto path =
      WriteTensors(directory, "a.safetensors",
                   {{experts + "0.up_proj.weight", DType::kBF16, {64, 32}, a},
                    {experts + "1.up_proj.weight", DType::kBF16, {64, 32}, b},
                    {experts + "down_proj", DType::kBF16, {2, 64, 32}, both}});
  Keeper keeper;
  Analyze(Checkpoint::Open(path), Quick(), &keeper, NoProgress());
  ASSERT_EQ(keeper.profiles.size(), 4u);
  EXPECT_EQ(keeper.profiles[2].hash, keeper.profiles[0].hash);
  EXPECT_EQ(keeper.profiles[3].hash, keeper.profiles[1].hash);
  EXPECT_NE(keeper.profiles[0].hash, keeper.profiles[1].hash);
}

}  // namespace
}  // namespace ram
