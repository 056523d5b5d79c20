#include "ram/xray/anomalies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "ram/quantization/affine.h"
#include "ram/xray/planted_model.h"

namespace ram {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;

// "KIND MATRIX" of every hit.
std::vector<std::string> Places(const Subject& subject) {
  std::vector<std::string> places;
  for (const Finding& finding : FindAnomalies(subject)) {
    for (const Hit& hit : finding.hits) {
      places.push_back(finding.kind + " " +
                       subject.matrix(static_cast<size_t>(hit.matrix)).name);
    }
  }
  return places;
}

TEST(AnomaliesTest, TheBundledModelHasNone) {
  EXPECT_THAT(Places(AnalyzedSubject(kWikiDense, Spectra::kTop)), IsEmpty());
}

TEST(AnomaliesTest, AMixtureOfUnevenNumbersHasNone) {
  const TemporaryDirectory directory;
  const auto path = PlantedModel::Mixture(0.2).Write(directory);
  EXPECT_THAT(Places(AnalyzedSubject(path, Spectra::kTop)), IsEmpty());
}

TEST(AnomaliesTest, ANewlyInitialisedMixtureHasNone) {
  const TemporaryDirectory directory;
  const auto path = PlantedModel::Mixture(0).Write(directory);
  EXPECT_THAT(Places(AnalyzedSubject(path, Spectra::kTop)), IsEmpty());
}

const std::string kLayer = "model.layers.2.";

// A defect: where it is put into the weights of a tensor, and the kind that
// must be found in that matrix.
struct Defect {
  std::string kind, tensor;
  std::function<void(PlantedModel&, RandomTensor&)> plant;
  bool mixture = false;
  Spectra spectra = Spectra::kNone;
  // Other kinds that the same defect rightly is, in the same matrix.
  std::vector<std::string> also = {};

  friend void PrintTo(const Defect& defect, std::ostream* out) {
    *out << defect.kind;
  }
};

float Rms(const std::vector<float>& values) {
  double squares = 0;
  for (const float value : values) {
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  return static_cast<float>(
      std::sqrt(squares / static_cast<double>(values.size())));
}

void ScaleRow(RandomTensor& tensor, uint64_t row, float factor) {
  const uint64_t cols = tensor.shape[1];
  for (uint64_t c = 0; c < cols; ++c) tensor.values[row * cols + c] *= factor;
}
void ScaleCol(RandomTensor& tensor, uint64_t col, float factor) {
  const uint64_t cols = tensor.shape[1];
  for (uint64_t r = 0; r < tensor.shape[0]; ++r) {
    tensor.values[r * cols + col] *= factor;
  }
}

// Rounds to a grid of 16 values per group of 64 along the row.
void RoundToGrid(RandomTensor& tensor) {
  for (size_t begin = 0; begin < tensor.values.size(); begin += 64) {
    const auto group = std::span(tensor.values).subspan(begin, 64);
    const auto [low, high] = std::minmax_element(group.begin(), group.end());
    const float bottom = *low, step = (*high - *low) / 15;
    for (float& value : group) {
      value = bottom + step * std::round((value - bottom) / step);
    }
  }
}

void Randomize(RandomTensor& tensor, bool uniform) {
  const CounterRandom random(9, tensor.name);
  const float rms = Rms(tensor.values);
  for (size_t i = 0; i < tensor.values.size(); ++i) {
    const double number = uniform ? std::sqrt(3.0) * (2 * random.Uniform(i) - 1)
                                  : random.Normal(i);
    tensor.values[i] = rms * static_cast<float>(number);
  }
}

// Rows after the first `rank` become random sums of these.
void CutRank(RandomTensor& tensor, uint64_t rank) {
  const uint64_t cols = tensor.shape[1];
  const CounterRandom random(5, tensor.name);
  const double scale = 1 / std::sqrt(static_cast<double>(rank));
  for (uint64_t row = rank; row < tensor.shape[0]; ++row) {
    for (uint64_t col = 0; col < cols; ++col) {
      double sum = 0;
      for (uint64_t k = 0; k < rank; ++k) {
        sum += scale * random.Normal(row * rank + k) *
               static_cast<double>(tensor.values[k * cols + col]);
      }
      tensor.values[row * cols + col] = static_cast<float>(sum);
    }
  }
}

std::vector<Defect> Defects() {
  using T = RandomTensor;
  const std::string attention = kLayer + "self_attn.";
  const std::string mlp = kLayer + "mlp.";
  const std::string expert = mlp + "experts.5.";
  std::vector<Defect> defects;
  const auto add = [&](std::string kind, std::string tensor, auto plant,
                       std::vector<std::string> also = {}) {
    defects.push_back({std::move(kind), tensor + ".weight",
                       [plant](PlantedModel&, T& t) { plant(t); }, false,
                       Spectra::kNone, std::move(also)});
  };
  add("nonfinite", attention + "q_proj",
      [](T& t) { t.values[777] = std::numeric_limits<float>::quiet_NaN(); });
  add("nonfinite", mlp + "up_proj",
      [](T& t) { t.values[5] = std::numeric_limits<float>::infinity(); });
  add("zero-matrix", mlp + "down_proj",
      [](T& t) { std::fill(t.values.begin(), t.values.end(), 0.0f); });
  add("constant-matrix", attention + "k_proj",
      [](T& t) { std::fill(t.values.begin(), t.values.end(), 0.5f); });
  add("dead-rows", attention + "o_proj", [](T& t) { ScaleRow(t, 7, 0); });
  add("dead-inputs", attention + "v_proj", [](T& t) { ScaleCol(t, 9, 0); });
  add("dead-neurons", mlp + "gate_proj", [](T& t) { ScaleRow(t, 70, 0); });
  add("dead-neurons", mlp + "down_proj", [](T& t) { ScaleCol(t, 70, 0); });
  add("unused-tokens", "model.embed_tokens", [](T& t) {
    for (uint64_t row = 100; row < 150; ++row) ScaleRow(t, row, 0.01f);
  });
  add("pruned", attention + "q_proj", [](T& t) {
    for (size_t i = 0; i < t.values.size(); i += 10) t.values[i] = 0;
  });
  add("norm-large", attention + "v_proj", [](T& t) {
    for (float& value : t.values) value *= 8;
  });
  add("norm-small", mlp + "up_proj", [](T& t) {
    for (float& value : t.values) value /= 16;
  });
  add("row-outlier", attention + "o_proj", [](T& t) { ScaleRow(t, 11, 16); },
      {"heavy-tails", "super-weight"});
  add("channel-outlier", mlp + "gate_proj", [](T& t) { ScaleCol(t, 3, 16); },
      {"heavy-tails", "super-weight"});
  add("super-weight", mlp + "down_proj",
      [](T& t) { t.values[12345] = 60 * Rms(t.values); }, {"heavy-tails"});
  add("heavy-tails", attention + "k_proj",
      [](T& t) {
        for (float& value : t.values) value *= std::abs(value);
        for (float& value : t.values) value *= std::abs(value);
      },
      {"norm-small", "super-weight", "row-outlier", "channel-outlier"});
  add("saturated", mlp + "up_proj", [](T& t) {
    const float limit = 1.5f * Rms(t.values);
    for (float& value : t.values) value = std::clamp(value, -limit, limit);
  });
  add("quantized-grid", attention + "q_proj", [](T& t) { RoundToGrid(t); });
  add("shifted-mean", mlp + "gate_proj", [](T& t) {
    const float shift = 0.5f * Rms(t.values);
    for (float& value : t.values) value += shift;
  });
  add("as-initialised", mlp + "down_proj", [](T& t) { Randomize(t, false); });
  add("as-initialised", attention + "o_proj", [](T& t) { Randomize(t, true); });

  defects.push_back({"identical-matrices", mlp + "up_proj.weight",
                     [](PlantedModel& model, T& t) {
                       t.values =
                           model.At("model.layers.1.mlp.up_proj.weight").values;
                     }});
  defects.push_back(
      {"low-rank", attention + "q_proj.weight",
       [](PlantedModel&, T& t) {
         const uint64_t cols = t.shape[1];
         std::vector<float> first(t.values.begin(),
                                  t.values.begin() + static_cast<int>(cols));
         for (size_t i = 0; i < t.values.size(); ++i) {
           t.values[i] = 0.05f * t.values[i] +
                         (i / cols % 2 == 0 ? 1.0f : -1.0f) * first[i % cols];
         }
       },
       false, Spectra::kTop});
  defects.push_back({"rank-deficient", attention + "q_proj.weight",
                     [](PlantedModel&, T& t) { CutRank(t, 8); }, false,
                     Spectra::kTop});
  const auto mixture = [&](std::string kind, std::string tensor, auto plant) {
    defects.push_back(
        {std::move(kind), tensor + ".weight", plant, true, Spectra::kNone});
  };
  mixture("duplicate-experts", expert + "up_proj",
          [mlp](PlantedModel& model, T& t) {
            t.values = model.At(mlp + "experts.4.up_proj.weight").values;
          });
  mixture(
      "similar-experts", expert + "down_proj", [mlp](PlantedModel& model, T&) {
        for (const char* role : {"gate_proj", "up_proj", "down_proj"}) {
          const auto at = [&](const char* number) -> T& {
            return model.At(mlp + "experts." + number + "." + role + ".weight");
          };
          at("5").values = at("4").values;
          const CounterRandom random(2, role);
          for (size_t i = 0; i < at("5").values.size(); ++i) {
            at("5").values[i] *=
                1 + 0.1f * static_cast<float>(random.Normal(i));
          }
        }
      });
  mixture("unreachable-expert", mlp + "gate",
          [](PlantedModel&, T& t) { ScaleRow(t, 6, 0); });
  defects.back().also = {"dead-rows"};
  mixture("hot-expert", mlp + "gate",
          [](PlantedModel&, T& t) { ScaleRow(t, 6, 40); });
  defects.back().also = {"row-outlier", "norm-large", "heavy-tails"};
  return defects;
}

class PlantedDefectTest : public ::testing::TestWithParam<Defect> {};

// The planted kind is found in its matrix, and nothing elsewhere.
TEST_P(PlantedDefectTest, IsFoundAndNothingElse) {
  const Defect& defect = GetParam();
  PlantedModel model = defect.mixture ? PlantedModel::Mixture(0.2)
                                      : PlantedModel::Read(kWikiDense);
  defect.plant(model, model.At(defect.tensor));
  const TemporaryDirectory directory;
  const Subject subject =
      AnalyzedSubject(model.Write(directory), defect.spectra);
  std::vector<std::string> places = Places(subject);
  std::vector<std::string> allowed = {defect.kind + " " + defect.tensor};
  if (defect.kind == "similar-experts") {  // named by its first matrix
    allowed = {"similar-experts " + kLayer + "mlp.experts.5.down_proj.weight"};
  }
  EXPECT_THAT(places, Contains(allowed[0]));
  for (const std::string& kind : defect.also) {
    allowed.push_back(kind + " " + defect.tensor);
  }
  std::erase_if(places, [&](const std::string& place) {
    return std::find(allowed.begin(), allowed.end(), place) != allowed.end();
  });
  EXPECT_THAT(places, IsEmpty());
}

std::string NameOf(const ::testing::TestParamInfo<Defect>& info) {
  std::string name = info.param.kind;
  std::erase(name, '-');
  return name + std::to_string(info.index);
}

INSTANTIATE_TEST_SUITE_P(Kinds, PlantedDefectTest,
                         ::testing::ValuesIn(Defects()), NameOf);

// No kind is without a planted defect.
TEST(AnomaliesTest, EveryKindIsPlanted) {
  for (const AnomalyKind& kind : AnomalyKinds()) {
    bool planted = false;
    for (const Defect& defect : Defects()) {
      planted = planted || defect.kind == kind.kind;
    }
    EXPECT_TRUE(planted) << kind.kind;
  }
}

// What was measured of the leading 256 directions shows that there are no more.
TEST(AnomaliesTest, ALargeMatrixMayUseNoneButItsLeadingDirections) {
  Subject subject = AnalyzedSubject(kWikiDense, Spectra::kTop);
  Matrix& matrix = subject.manifest.model.matrices[1];
  MatrixRecord& record = subject.manifest.matrices[1];
  const double grown = 4096.0 * 2048.0 / static_cast<double>(matrix.weights());
  record.squared_norm *= grown;
  matrix.rows = 4096;
  matrix.cols = 2048;
  record.top_energy = 0.3;
  record.metrics.spectral_concentration = 0.31;
  const auto hit = Contains("rank-deficient " + matrix.name);
  EXPECT_THAT(Places(subject), Not(hit));
  record.metrics.spectral_concentration = 0.3;
  EXPECT_THAT(Places(subject), hit);
}

TEST(AnomaliesTest, SayWhereAndHowMuch) {
  PlantedModel model = PlantedModel::Read(kWikiDense);
  ScaleRow(model.At(kLayer + "self_attn.o_proj.weight"), 7, 0);
  const TemporaryDirectory directory;
  const Subject subject = AnalyzedSubject(model.Write(directory));
  const std::vector<Finding> findings = FindAnomalies(subject);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].sentence,
            "model.layers.2.self_attn.o_proj.weight has outputs that are "
            "always zero: rows 7.");
  EXPECT_EQ(findings[0].severity, Severity::kWarning);
}

}  // namespace
}  // namespace ram
