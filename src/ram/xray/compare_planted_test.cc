// Changes planted in small models, each of which must be found, and nothing
// where there is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>

#include "ram/analysis/test_checkpoint.h"
#include "ram/base/error.h"
#include "ram/base/random.h"
#include "ram/base/temporary_directory.h"
#include "ram/checkpoint/expected_tensors.h"
#include "ram/tensor/convert.h"
#include "ram/xray/compare.h"

namespace ram {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kDenseConfig[] = R"({"architectures": ["LlamaForCausalLM"],
  "model_type": "llama", "hidden_size": 128, "intermediate_size": 256,
  "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
  "head_dim": 32, "vocab_size": 96, "tie_word_embeddings": true,
  "torch_dtype": "bfloat16"})";
constexpr char kMixtureConfig[] = R"({"architectures": ["Qwen3MoeForCausalLM"],
  "model_type": "qwen3_moe", "hidden_size": 128, "intermediate_size": 256,
  "moe_intermediate_size": 64, "num_hidden_layers": 2,
  "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 64,
  "num_experts": 6, "num_experts_per_tok": 2, "decoder_sparse_step": 1,
  "mlp_only_layers": [], "vocab_size": 96, "tie_word_embeddings": true,
  "torch_dtype": "bfloat16"})";

using Tensors = std::map<std::string, RandomTensor>;

// Rounded as it is stored, so that what is planted starts from that.
void Round(RandomTensor& tensor) {
  std::vector<std::byte> bytes(tensor.values.size() * DTypeBytes(tensor.dtype));
  FromFloat(tensor.dtype, tensor.values, bytes.data());
  ToFloat(tensor.dtype, bytes.data(), tensor.values);
}

Tensors RandomTensors(const Json& config) {
  Tensors tensors;
  for (const TensorInfo& info : ExpectedTensors(config)) {
    RandomTensor tensor{info.name, info.dtype, info.shape, {}};
    const CounterRandom random(5, info.name);
    for (uint64_t i = 0; i < info.elements(); ++i) {
      tensor.values.push_back(static_cast<float>(0.05 * random.Normal(i)));
    }
    Round(tensor);
    tensors[info.name] = std::move(tensor);
  }
  return tensors;
}

class ComparePlantedTest : public testing::Test {
 protected:
  explicit ComparePlantedTest(const char* config = kDenseConfig)
      : config_(Json::parse(config)), base_(RandomTensors(config_)) {
    tuned_ = base_;
  }

  static void Write(const TemporaryDirectory& directory, const Json& config,
                    const Tensors& tensors) {
    directory.Write("config.json", config.dump());
    std::vector<RandomTensor> list;
    for (const auto& [name, tensor] : tensors) list.push_back(tensor);
    WriteTensors(directory, "model.safetensors", list);
  }

  Comparison Run(int threads = 2) { return Run(config_, threads); }
  Comparison Run(const Json& tuned_config, int threads = 2) {
    const TemporaryDirectory base, tuned;
    Write(base, config_, base_);
    Write(tuned, tuned_config, tuned_);
    return Compare(Checkpoint::Open(base.path()),
                   Checkpoint::Open(tuned.path()), {42, threads}, NoProgress());
  }

  std::string Refusal(const Json& tuned_config) {
    try {
      Run(tuned_config);
    } catch (const Error& error) {
      return fmt::format("{} {}", error.exit_code(), error.what());
    }
    return "none";
  }

  RandomTensor& Tuned(const std::string& name) { return tuned_.at(name); }
  // Changes every weight of the tensors whose names end so, with the index.
  void Change(const std::string& ending,
              const std::function<float(float, size_t)>& change) {
    for (auto& [name, tensor] : tuned_) {
      if (!name.ends_with(ending)) continue;
      for (size_t i = 0; i < tensor.values.size(); ++i) {
        tensor.values[i] = change(tensor.values[i], i);
      }
      Round(tensor);
    }
  }

  // "kind detail" of a matrix.
  static std::string Verdict(const Comparison& comparison,
                             const std::string& name) {
    for (const MatrixChange& m : comparison.matrices) {
      if (m.name == name) {
        return fmt::format("{} {}", ChangeKindName(m.kind), m.detail);
      }
    }
    return "not compared";
  }

  // That all others are the same.
  static void ExpectOnly(const Comparison& comparison, ChangeKind kind,
                         const std::string& ending) {
    for (const MatrixChange& m : comparison.matrices) {
      EXPECT_EQ(m.kind, m.name.ends_with(ending) ? kind : ChangeKind::kSame)
          << m.name << ": " << ChangeKindName(m.kind) << " " << m.detail;
    }
  }

  // A random unit vector.
  static std::vector<double> Direction(const std::string& name, uint64_t size) {
    const CounterRandom random(21, name);
    std::vector<double> x;
    double squares = 0;
    for (uint64_t i = 0; i < size; ++i) {
      x.push_back(random.Normal(i));
      squares += x.back() * x.back();
    }
    for (double& value : x) value /= std::sqrt(squares);
    return x;
  }

  // Adds scale * r c'.
  static void AddOuter(RandomTensor& tensor, double scale,
                       const std::vector<double>& r,
                       const std::vector<double>& c) {
    for (size_t i = 0; i < r.size(); ++i) {
      for (size_t j = 0; j < c.size(); ++j) {
        tensor.values[i * c.size() + j] +=
            static_cast<float>(scale * r[i] * c[j]);
      }
    }
    Round(tensor);
  }

  // W' r.
  static std::vector<double> Row(const RandomTensor& tensor,
                                 const std::vector<double>& r) {
    std::vector<double> row(tensor.shape[1], 0);
    for (size_t i = 0; i < r.size(); ++i) {
      for (size_t j = 0; j < row.size(); ++j) {
        row[j] += r[i] * static_cast<double>(tensor.values[i * row.size() + j]);
      }
    }
    return row;
  }

  static const ChangeAlignment& AlignmentOf(const Comparison& comparison,
                                            const std::string& name) {
    for (const MatrixChange& m : comparison.matrices) {
      if (m.name == name) return m.alignment.value();
    }
    throw std::runtime_error(name + " was not compared");
  }

  // Adds scale * a b' of this rank, a and b random.
  void AddLowRank(const std::string& name, uint64_t rank, double scale) {
    RandomTensor& tensor = tuned_.at(name);
    const uint64_t rows = tensor.shape[0], cols = tensor.shape[1];
    const CounterRandom random(9, name);
    for (uint64_t k = 0; k < rank; ++k) {
      for (uint64_t i = 0; i < rows; ++i) {
        for (uint64_t j = 0; j < cols; ++j) {
          tensor.values[i * cols + j] +=
              static_cast<float>(scale * random.Normal(k * 1000 + i) *
                                 random.Normal(1'000'000 + k * 1000 + j));
        }
      }
    }
    Round(tensor);
  }

  Json config_;
  Tensors base_, tuned_;
};

class CompareMixtureTest : public ComparePlantedTest {
 protected:
  CompareMixtureTest() : ComparePlantedTest(kMixtureConfig) {}
};

TEST_F(ComparePlantedTest, FindsNothingInIdenticalModels) {
  const Comparison comparison = Run();
  EXPECT_EQ(comparison.matrices.size(), 22u);
  ExpectOnly(comparison, ChangeKind::kSame, "");
  EXPECT_EQ(comparison.plain_compared, 7u);
  EXPECT_THAT(CompareInWords(comparison),
              ElementsAre("All 22 matrices are the same, weight for weight."));
}

TEST_F(ComparePlantedTest, FindsTheRankOfALowRankUpdate) {
  for (const int layer : {0, 1, 2}) {
    for (const char* module : {"q_proj", "v_proj"}) {
      AddLowRank(
          fmt::format("model.layers.{}.self_attn.{}.weight", layer, module), 4,
          0.002);
    }
  }
  const Comparison comparison = Run();
  uint64_t found = 0;
  for (const MatrixChange& m : comparison.matrices) {
    const bool planted = m.role == "q_proj" || m.role == "v_proj";
    EXPECT_EQ(m.kind, planted ? ChangeKind::kLowRank : ChangeKind::kSame)
        << m.name << " " << m.detail;
    if (planted) {
      EXPECT_EQ(m.rank, 4u) << m.name;
      EXPECT_GT(m.energy_16.value(), 0.9) << m.name;
      ++found;
    }
  }
  EXPECT_EQ(found, 6u);
  EXPECT_THAT(CompareInWords(comparison),
              Contains(AllOf(StartsWith("6 matrices (q_proj and v_proj in "
                                        "layers 0 to 2) got a low-rank "
                                        "update (rank 4)"))));
}

TEST_F(ComparePlantedTest, DoesNotTakeRoundingOfLargeColumnsForRank) {
  for (auto& [name, tensor] : base_) {
    if (!name.ends_with("up_proj.weight")) continue;
    for (size_t i = 0; i < tensor.values.size(); i += 128) {
      for (size_t column = 0; column < 3; ++column) {
        tensor.values[i + column] *= 40;
      }
    }
    Round(tensor);
  }
  tuned_ = base_;
  AddLowRank("model.layers.1.mlp.up_proj.weight", 4, 0.01);
  EXPECT_EQ(Verdict(Run(), "model.layers.1.mlp.up_proj.weight"),
            "low rank rank 4");
}

TEST_F(ComparePlantedTest, TellsAFullRankChange) {
  const CounterRandom random(3, "noise");
  Change("mlp.up_proj.weight", [&](float w, size_t i) {
    return w + static_cast<float>(0.005 * random.Normal(i));
  });
  const Comparison comparison = Run();
  ExpectOnly(comparison, ChangeKind::kFullRank, "mlp.up_proj.weight");
  // 0.005 of 0.05
  for (const MatrixChange& m : comparison.matrices) {
    if (m.role != "up_proj") continue;
    EXPECT_NEAR(m.relative_change(), 0.1, 0.005);
  }
}

TEST_F(ComparePlantedTest, TellsAScale) {
  Change("self_attn.o_proj.weight", [](float w, size_t) { return 1.1f * w; });
  const Comparison comparison = Run();
  ExpectOnly(comparison, ChangeKind::kScaled, "self_attn.o_proj.weight");
  EXPECT_EQ(Verdict(comparison, "model.layers.1.self_attn.o_proj.weight"),
            "scaled x 1.1");
}

TEST_F(ComparePlantedTest, TellsUnstructuredPruning) {
  Change("mlp.down_proj.weight", [](float w, size_t) {
    // Half of normal weights lie within 0.6745 deviations.
    return std::fabs(w) < 0.6745f * 0.05f ? 0.0f : w;
  });
  const Comparison comparison = Run();
  ExpectOnly(comparison, ChangeKind::kPruned, "mlp.down_proj.weight");
  EXPECT_THAT(Verdict(comparison, "model.layers.0.mlp.down_proj.weight"),
              StartsWith("pruned unstructured, "));
}

TEST_F(ComparePlantedTest, TellsTwoOfFour) {
  // Which two differs from group to group.
  Change("mlp.gate_proj.weight", [](float w, size_t i) {
    const size_t phase = (i / 4) % 2;
    return (i % 4) % 2 == phase ? 0.0f : w;
  });
  const Comparison comparison = Run();
  ExpectOnly(comparison, ChangeKind::kPruned, "mlp.gate_proj.weight");
  EXPECT_EQ(Verdict(comparison, "model.layers.2.mlp.gate_proj.weight"),
            "pruned 2:4, 50.0 % zeros");
}

TEST_F(ComparePlantedTest, TellsWeightsThatWereQuantisedAndDecoded) {
  for (auto& [name, tensor] : tuned_) {
    if (!name.ends_with("mlp.up_proj.weight")) continue;
    constexpr size_t kGroup = 64;
    for (size_t g = 0; g < tensor.values.size(); g += kGroup) {
      const auto begin = tensor.values.begin() + static_cast<ptrdiff_t>(g);
      const auto [low, high] = std::minmax_element(begin, begin + kGroup);
      const float bottom = *low;
      const float step = (*high - *low) / 15;
      for (size_t i = 0; i < kGroup; ++i) {
        float& w = tensor.values[g + i];
        w = bottom + step * std::round((w - bottom) / step);
      }
    }
    Round(tensor);
  }
  const Comparison comparison = Run();
  ExpectOnly(comparison, ChangeKind::kQuantized, "mlp.up_proj.weight");
  EXPECT_EQ(Verdict(comparison, "model.layers.0.mlp.up_proj.weight"),
            "quantised 4-bit grid in groups of 64");
}

TEST_F(ComparePlantedTest, TellsRoundingToANarrowerType) {
  for (auto& [name, tensor] : base_) {
    tensor.dtype = DType::kF32;
    const CounterRandom random(4, name);
    for (size_t i = 0; i < tensor.values.size(); ++i) {
      tensor.values[i] = static_cast<float>(0.05 * random.Normal(i));
    }
  }
  tuned_ = base_;
  for (auto& [name, tensor] : tuned_) {
    tensor.dtype = DType::kBF16;
    Round(tensor);
  }
  const Comparison comparison = Run();
  for (const MatrixChange& m : comparison.matrices) {
    EXPECT_EQ(m.kind, ChangeKind::kRounding) << m.name;
    EXPECT_EQ(m.detail, "to BF16");
  }
}

TEST_F(ComparePlantedTest, ReportsRowsOfNewTokens) {
  RandomTensor& table = Tuned("model.embed_tokens.weight");
  table.shape[0] += 3;
  table.values.resize(table.values.size() + 3 * 128, 0.01f);
  Json config = config_;
  config["vocab_size"] = 99;
  const Comparison comparison = Run(config);
  ASSERT_EQ(comparison.vocabulary.size(), 1u);
  EXPECT_EQ(comparison.vocabulary[0].base_rows, 96u);
  EXPECT_EQ(comparison.vocabulary[0].tuned_rows, 99u);
  ExpectOnly(comparison, ChangeKind::kSame, "");
}

TEST_F(ComparePlantedTest, ReportsChangedNorms) {
  Change("input_layernorm.weight", [](float w, size_t) { return w + 0.01f; });
  const Comparison comparison = Run();
  ASSERT_EQ(comparison.plain.size(), 3u);
  EXPECT_EQ(comparison.plain[0].name, "model.layers.0.input_layernorm.weight");
  EXPECT_EQ(comparison.plain[0].changed, 128u);
}

TEST_F(ComparePlantedTest, FindsACommonDirection) {
  // The same direction of the residual stream, written in every layer.
  const CounterRandom common(11, "direction");
  for (const int layer : {0, 1, 2}) {
    for (const char* module : {"self_attn.o_proj", "mlp.down_proj"}) {
      RandomTensor& tensor =
          Tuned(fmt::format("model.layers.{}.{}.weight", layer, module));
      const uint64_t cols = tensor.shape[1];
      const CounterRandom own(12, tensor.name);
      for (uint64_t i = 0; i < 128; ++i) {
        for (uint64_t j = 0; j < cols; ++j) {
          tensor.values[i * cols + j] +=
              static_cast<float>(0.01 * common.Normal(i) * own.Normal(j));
        }
      }
      Round(tensor);
    }
  }
  const Comparison comparison = Run();
  EXPECT_EQ(comparison.directions, 6u);
  EXPECT_GT(comparison.common_direction.value(), 0.98);
  EXPECT_LT(comparison.chance_direction, 0.3);
  EXPECT_THAT(CompareInWords(comparison),
              Contains(StartsWith("The changes share a direction")));
}

// 128 x 128 with a deviation of 0.05.
constexpr char kSquare[] = "model.layers.1.self_attn.o_proj.weight";

TEST_F(ComparePlantedTest, TellsAChangeThatAmplifies) {
  // A direction of six, where random ones get 0.05 x sqrt 128 = 0.57.
  const auto r = Direction("r", 128), c = Direction("c", 128);
  AddOuter(base_.at(kSquare), 6, r, c);
  tuned_ = base_;
  AddOuter(Tuned(kSquare), 0.5, r, c);
  const Comparison comparison = Run();
  const ChangeAlignment& found = AlignmentOf(comparison, kSquare);
  EXPECT_GT(found.agreement, 0.98);
  // |W| is the root of 0.57^2 x 128 + 6^2.
  const double norm = std::sqrt(0.05 * 0.05 * 128 * 128 + 36);
  EXPECT_NEAR(found.input_gain, 6 / norm * std::sqrt(128.0), 0.2);
  EXPECT_NEAR(found.output_gain, 6 / norm * std::sqrt(128.0), 0.2);
  EXPECT_NEAR(found.strength, 0.5 / 6, 0.01);
  EXPECT_THAT(CompareInWords(comparison),
              Contains(StartsWith("In 1 matrix (o_proj in layer 1) the change "
                                  "amplifies what the original does")));
}

TEST_F(ComparePlantedTest, TellsAChangeThatTakesBack) {
  // What a refusal direction's removal does: W - r r'W.
  const auto r = Direction("r", 128);
  AddOuter(Tuned(kSquare), -1, r, Row(base_.at(kSquare), r));
  const Comparison comparison = Run();
  // |W'r| is 1 where |W W'r| / |W'r| is sqrt 2: large random matrices have
  // singular values with a second moment of 1 and a fourth of 2.
  EXPECT_NEAR(AlignmentOf(comparison, kSquare).agreement, -std::pow(2, -0.25),
              0.06);
  EXPECT_THAT(CompareInWords(comparison),
              Contains(StartsWith("In 1 matrix (o_proj in layer 1) the change "
                                  "takes back what the original does")));
}

TEST_F(ComparePlantedTest, TellsADirectionThatTheOriginalHardlyUses) {
  // The original writes nothing along r.
  const auto r = Direction("r", 128);
  AddOuter(base_.at(kSquare), -1, r, Row(base_.at(kSquare), r));
  tuned_ = base_;
  AddOuter(Tuned(kSquare), 0.5, r, Direction("c", 128));
  const Comparison comparison = Run();
  const ChangeAlignment& found = AlignmentOf(comparison, kSquare);
  EXPECT_LT(found.output_gain, 0.05);
  EXPECT_LT(std::fabs(found.agreement), 0.1);
  EXPECT_GT(found.strength, 2);
  EXPECT_THAT(CompareInWords(comparison),
              Contains(AllOf(StartsWith("In 1 matrix (o_proj in layer 1) the "
                                        "change adds a direction of its own"),
                             HasSubstr("intruder dimension"))));
}

TEST_F(ComparePlantedTest, FindsRandomDirectionsAtChanceLevel) {
  double squares = 0;
  int matrices = 0;
  for (const auto& [name, tensor] : base_) {
    if (tensor.shape.size() != 2) continue;
    AddOuter(Tuned(name), 0.2, Direction("r" + name, tensor.shape[0]),
             Direction("c" + name, tensor.shape[1]));
  }
  const Comparison comparison = Run();
  for (const MatrixChange& m : comparison.matrices) {
    ASSERT_TRUE(m.alignment.has_value()) << m.name;
    EXPECT_DOUBLE_EQ(m.alignment->chance,
                     std::pow(static_cast<double>(m.rows * m.cols), -0.25));
    // A mean of 64 squares or more is within 0.35 in two deviations, its root
    // within 0.18; and the others' gains are closer.
    EXPECT_NEAR(m.alignment->input_gain, 1, 0.35) << m.name;
    EXPECT_NEAR(m.alignment->output_gain, 1, 0.35) << m.name;
    squares += std::pow(m.alignment->agreement / m.alignment->chance, 2);
    ++matrices;
  }
  ASSERT_EQ(matrices, 22);
  // Chi squared of 22: a deviation of 0.3.
  EXPECT_NEAR(squares / matrices, 1, 0.9);
  for (const std::string& sentence : CompareInWords(comparison)) {
    EXPECT_THAT(sentence, Not(StartsWith("In ")));
  }
}

TEST_F(ComparePlantedTest, DoesNotDependOnThreads) {
  AddLowRank("model.layers.1.self_attn.q_proj.weight", 4, 0.002);
  const auto text = [&](int threads) {
    OrderedJson json = ComparisonToJson(Run(threads));
    json.erase("base");
    json.erase("tuned");
    return json.dump();
  };
  EXPECT_EQ(text(1), text(3));
}

TEST_F(CompareMixtureTest, FindsNothingInIdenticalModels) {
  ExpectOnly(Run(), ChangeKind::kSame, "");
}

TEST_F(CompareMixtureTest, FindsExpertsThatChangedPlaces) {
  for (const char* module : {"gate_proj", "up_proj", "down_proj"}) {
    const auto name = [&](int expert) {
      return fmt::format("model.layers.1.mlp.experts.{}.{}.weight", expert,
                         module);
    };
    std::swap(Tuned(name(0)).values, Tuned(name(4)).values);
  }
  RandomTensor& router = Tuned("model.layers.1.mlp.gate.weight");
  std::swap_ranges(router.values.begin(), router.values.begin() + 128,
                   router.values.begin() + 4 * 128);
  const Comparison comparison = Run();
  ASSERT_EQ(comparison.moved.size(), 2u);
  EXPECT_EQ(comparison.moved[0].layer, 1);
  EXPECT_EQ(comparison.moved[0].from, 4);
  EXPECT_EQ(comparison.moved[0].to, 0);
  EXPECT_EQ(comparison.moved[1].from, 0);
  EXPECT_EQ(comparison.moved[1].to, 4);
  ExpectOnly(comparison, ChangeKind::kSame, "");
  EXPECT_EQ(Verdict(comparison, "model.layers.1.mlp.gate.weight"),
            "same rows moved with the experts");
  EXPECT_THAT(CompareInWords(comparison),
              Contains("Layer 1: 2 experts changed places: 4 now 0, 0 now "
                       "4."));
}

TEST_F(CompareMixtureTest, DoesNotMatchAnExpertThatIsNew) {
  Change("layers.0.mlp.experts.2.up_proj.weight",
         [random = CounterRandom(8, "new")](float, size_t i) {
           return static_cast<float>(0.05 * random.Normal(i));
         });
  const Comparison comparison = Run();
  EXPECT_TRUE(comparison.moved.empty());
  ExpectOnly(comparison, ChangeKind::kFullRank,
             "layers.0.mlp.experts.2.up_proj.weight");
}

TEST_F(ComparePlantedTest, RefusesAnotherArchitecture) {
  Json config = config_;
  config["model_type"] = "mistral";
  config["architectures"] = {"MistralForCausalLM"};
  EXPECT_THAT(Refusal(config),
              AllOf(StartsWith("4 "), HasSubstr("architecture: found Mistral, "
                                                "expected Llama")));
}

TEST_F(ComparePlantedTest, RefusesOtherShapes) {
  Json config = config_;
  config["intermediate_size"] = 192u;
  tuned_ = RandomTensors(config);
  EXPECT_THAT(Refusal(config),
              AllOf(StartsWith("4 "), HasSubstr("found [128, 192], expected "
                                                "[128, 256]")));
}

TEST_F(ComparePlantedTest, RefusesNan) {
  Tuned("model.layers.1.mlp.up_proj.weight").values[7] = NAN;
  EXPECT_THAT(Refusal(config_),
              AllOf(StartsWith("3 "),
                    HasSubstr("model.layers.1.mlp.up_proj.weight: found 1 NaN "
                              "or infinite")));
}

}  // namespace
}  // namespace ram
