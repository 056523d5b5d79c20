#include "ram/export/gguf_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/temporary_directory.h"
#include "ram/checkpoint/gguf_config.h"
#include "ram/checkpoint/gguf_tensors.h"
#include "ram/checkpoint/model_config.h"
#include "ram/container/gguf_test_support.h"
#include "ram/export/gguf_hyperparameters.h"
#include "ram/target/gguf_names.h"
#include "ram/target/gguf_rope.h"

namespace ram {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Checkpoint OpenTiny(const std::string& name) {
  return Checkpoint::Open(RAM_SOURCE_DIR "/tests/data/forward/" + name);
}

GgufMetadata Read(const GgufPairs& pairs) {
  return ParseGguf(LayOutGguf(pairs.count(), pairs.bytes(), {}).prefix, "f")
      .metadata;
}

GgufPairs Keys(const Model& model) {
  return GgufHyperparameters(model, FindGgufTargetFamily(model), "DIR");
}

// A header with these pairs and the names of the model's tensors; only the
// embedding has its real shape.
GgufHeader HeaderOf(const Checkpoint& checkpoint) {
  const Model& model = checkpoint.model();
  const GgufTargetFamily& family = FindGgufTargetFamily(model);
  GgufHeader header;
  header.metadata = Read(MakeGgufMetadata(checkpoint));
  std::set<std::string> names;
  for (const Matrix& matrix : model.matrices) {
    const std::string name = *GgufModule(family, matrix) + ".weight";
    if (matrix.role == "lm_head" && model.tied_head) continue;
    if (!names.insert(name).second) continue;
    header.tensors.push_back(
        {.name = name, .shape = {matrix.rows, matrix.cols}});
  }
  for (uint32_t i = 0; i < model.tensors.size(); ++i) {
    if (model.uses[i] != TensorUse::kPlain) continue;
    header.tensors.push_back(
        {.name = *GgufPlainName(family, model.tensors[i].name),
         .shape = model.tensors[i].shape});
  }
  return header;
}

bool SameValue(const Json& left, const Json& right) {
  if (!left.is_number() || !right.is_number()) return left == right;
  const double a = left.get<double>(), b = right.get<double>();
  return std::abs(a - b) <= 1e-6 * std::abs(b);  // stored as F32
}

class GgufRoundTripTest : public testing::TestWithParam<const char*> {};

// What our reader makes of the metadata says the same as the original.
TEST_P(GgufRoundTripTest, ConfigSaysTheSame) {
  const Checkpoint checkpoint = OpenTiny(GetParam());
  const Json& original = checkpoint.model().config;
  const GgufHeader header = HeaderOf(checkpoint);
  const GgufRope rope = ReadGgufRope(
      checkpoint.model(), FindGgufTargetFamily(checkpoint.model()), "DIR");
  const Json config =
      GgufConfig(GgufFamilyOf(header), header, [&](std::string_view name) {
        return name == "rope_freqs.weight" ? rope.factors
                                           : std::vector<float>();
      });
  // Named by the architecture that it became, or under other keys.
  const std::set<std::string> elsewhere = {
      "architectures", "model_type",  "torch_dtype",
      "rope_scaling",  "rope_theta",  "partial_rotary_factor",
      "num_experts",   "bos_token_id"};
  int compared = 0;
  for (const auto& [key, value] : config.items()) {
    const Json* const wanted = FindConfig(original, key);
    if (elsewhere.contains(key) || !wanted) continue;
    EXPECT_TRUE(SameValue(value, *wanted))
        << key << ": " << value << " is not " << *wanted;
    ++compared;
  }
  EXPECT_GT(compared, 8);
  for (const char* key :
       {"hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size",
        "rms_norm_eps", "max_position_embeddings", "num_experts_per_tok",
        "moe_intermediate_size", "kv_lora_rank", "n_shared_experts",
        "routed_scaling_factor"}) {
    EXPECT_EQ(config.contains(key), FindConfig(original, key) != nullptr)
        << key;
  }
  EXPECT_EQ(config["rope_theta"], rope.theta);
}

INSTANTIATE_TEST_SUITE_P(Families, GgufRoundTripTest,
                         testing::Values("llama", "llama-linear",
                                         "llama-tied-biased", "mixtral",
                                         "qwen2", "qwen3", "qwen3-yarn", "glm4",
                                         "glm4-moe", "glm4-moe-lite", "phi3"));

TEST(GgufMetadataTest, NamesTheModelWithoutItsPlace) {
  const GgufMetadata metadata = Read(MakeGgufMetadata(OpenTiny("qwen3")));
  EXPECT_EQ(metadata.Text("general.architecture"), "qwen3");
  EXPECT_EQ(metadata.Text("general.name"), "Qwen3ForCausalLM");
  EXPECT_EQ(metadata.Text("tokenizer.ggml.model"), "no_vocab");
  EXPECT_EQ(metadata.Uint("qwen3.vocab_size"), 96u);
}

TEST(GgufMetadataTest, CarriesOverWhatAGgufFileSays) {
  const TemporaryDirectory directory;
  GgufFile file;
  file.Text("general.architecture", "llama")
      .Text("general.license", "mit")
      .U32("general.alignment", 32)
      .U32("general.file_type", 7)
      .U32("llama.block_count", 1)
      .U32("llama.embedding_length", 32)
      .U32("llama.feed_forward_length", 32)
      .U32("llama.attention.head_count", 2)
      .U32("llama.unheard.of", 5)
      .Texts("tokenizer.ggml.tokens", {"a", "b"})
      .Numbers<uint16_t>("x", GgufValueType::kU16, {1, 65535});
  const auto add = [&](const char* name, std::vector<uint64_t> shape) {
    const uint64_t count = shape.size() == 2 ? shape[0] * shape[1] : shape[0];
    file.Tensor(name, shape, GgmlType::kF32, std::string(count * 4, '\0'));
  };
  add("token_embd.weight", {2, 32});
  for (const char* norm :
       {"output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"}) {
    add((std::string(norm) + ".weight").c_str(), {32});
  }
  for (const char* square : {"q", "k", "v", "output"}) {
    add(fmt::format("blk.0.attn_{}.weight", square).c_str(), {32, 32});
  }
  for (const char* part : {"gate", "up", "down"}) {
    add(fmt::format("blk.0.ffn_{}.weight", part).c_str(), {32, 32});
  }
  const std::string bytes = file.bytes();
  const GgufMetadata before = ParseGguf(bytes, "f").metadata;
  const auto path = directory.Write("m.gguf", bytes);
  Checkpoint checkpoint = Checkpoint::Open(path);
  const GgufPairs pairs = MakeGgufMetadata(checkpoint);
  const GgufMetadata after = Read(pairs);
  EXPECT_FALSE(after.Has("general.file_type"));
  EXPECT_FALSE(after.Has("general.alignment"));
  for (const auto& [key, value] : before.values()) {
    if (key == "general.file_type" || key == "general.alignment") continue;
    ASSERT_TRUE(after.Has(key)) << key;
    GgufPairs left, right;
    left.AddValue(key, value);
    right.AddValue(key, *after.Find(key));
    EXPECT_EQ(left.bytes(), right.bytes()) << key;
  }
}

// `changes`: JSON that is merged into config.json.
std::string RefusalOf(const std::string& tiny, const std::string& changes) {
  Model model = OpenTiny(tiny).model();
  model.config.merge_patch(Json::parse(changes));
  return ErrorMessage([&] { Keys(model); });
}

TEST(GgufMetadataTest, RefusesWhatLlamaCppWouldComputeOtherwise) {
  EXPECT_THAT(RefusalOf("gemma3", "{}"),
              HasSubstr("query_pre_attn_scalar: found 24, expected 16"));
  EXPECT_THAT(RefusalOf("qwen3-moe", "{}"),
              HasSubstr("layer 1: found no experts"));
  EXPECT_THAT(
      RefusalOf("qwen3-moe-raw-weights", R"({"decoder_sparse_step": 1})"),
      HasSubstr("norm_topk_prob: found false, expected true"));
  EXPECT_THAT(RefusalOf("deepseek-v3", "{}"),
              HasSubstr("mscale: found 1, expected mscale_all_dim, 0.7"));
  EXPECT_THAT(RefusalOf("llama", R"({"hidden_act": "relu"})"),
              HasSubstr("hidden_act: found \"relu\", expected silu"));
  EXPECT_THAT(RefusalOf("qwen2", R"({"head_dim": 8})"),
              HasSubstr("head_dim: found 8"));
  EXPECT_THAT(RefusalOf("llama", R"({"partial_rotary_factor": 0.5})"),
              HasSubstr("partial_rotary_factor: found 0.5, expected 1"));
  EXPECT_THAT(RefusalOf("glm4-moe-lite", R"({"rope_interleave": false})"),
              HasSubstr("rope_interleave: found false, expected true"));
  EXPECT_THAT(
      RefusalOf("qwen3", R"({"rope_parameters": {"rope_type": "longrope"}})"),
      HasSubstr("found type 'longrope', expected default, linear or yarn"));
  EXPECT_THAT(RefusalOf("qwen3-yarn",
                        R"({"rope_parameters": {"attention_factor": 2}})"),
              HasSubstr("attention_factor: found 2"));
}

TEST(GgufMetadataTest, RefusesWrongTypes) {
  for (const char* key :
       {"rms_norm_eps", "rope_theta", "hidden_size", "max_position_embeddings",
        "num_attention_heads", "head_dim", "vocab_size", "hidden_act"}) {
    for (const char* wrong : {"\"x\"", "[1]", "true"}) {
      EXPECT_THAT(
          RefusalOf("llama",
                    fmt::format(R"({{"{}": {}, "rope_parameters": null}})", key,
                                wrong)),
          HasSubstr(std::string("config.json: ") + key))
          << key << wrong;
    }
  }
  for (const char* wrong : {"\"x\"", "-1", "0"}) {
    EXPECT_NE(
        RefusalOf(
            "qwen3-yarn",
            fmt::format(R"({{"rope_parameters": {{"factor": {}}}}})", wrong)),
        "")
        << wrong;
  }
}

TEST(GgufMetadataTest, WindowsThatLlamaCppLacksAreSaid) {
  const auto note = [](const char* tiny) {
    const Model model = OpenTiny(tiny).model();
    return GgufWindowNote(model, FindGgufTargetFamily(model)).value_or("");
  };
  EXPECT_THAT(note("mistral-window"), HasSubstr("11 positions at most"));
  EXPECT_THAT(note("qwen2-window"), HasSubstr("9 positions at most"));
  EXPECT_EQ(note("gemma3"), "");
  EXPECT_EQ(note("mixtral"), "");
  EXPECT_EQ(note("llama"), "");
}

// Gemma-3's own pattern needs no key; others are a list.
TEST(GgufMetadataTest, GemmaSaysWhichLayersHaveAWindow) {
  Model model = OpenTiny("gemma3").model();
  model.config["query_pre_attn_scalar"] = 16;
  GgufMetadata metadata = Read(Keys(model));
  EXPECT_THAT(*metadata.Bools("gemma3.attention.sliding_window_pattern"),
              ElementsAre(true, true, true, false));
  EXPECT_EQ(metadata.Uint("gemma3.attention.sliding_window"), 13u);
  EXPECT_EQ(metadata.Number("gemma3.rope.freq_base_swa"), 10000.0);
  model.config.erase("layer_types");
  metadata = Read(Keys(model));
  EXPECT_FALSE(metadata.Has("gemma3.attention.sliding_window_pattern"));
}

// DeepSeek-V3's published numbers.
TEST(GgufMetadataTest, LatentAttentionHasTheWidthsOfDeepSeek) {
  Model model = OpenTiny("deepseek-v3").model();
  model.config.merge_patch(Json::parse(R"({
    "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64, "v_head_dim": 128, "n_group": 8, "topk_group": 4,
    "rope_parameters": {"factor": 40, "mscale": 1.0, "mscale_all_dim": 1.0}})"));
  const GgufMetadata metadata = Read(Keys(model));
  const auto uint = [&](const char* key) {
    return metadata.Uint(std::string("deepseek2.") + key);
  };
  EXPECT_EQ(uint("attention.head_count_kv"), 1u);
  EXPECT_EQ(uint("attention.key_length"), 576u);
  EXPECT_EQ(uint("attention.value_length"), 512u);
  EXPECT_EQ(uint("attention.key_length_mla"), 192u);
  EXPECT_EQ(uint("attention.value_length_mla"), 128u);
  EXPECT_EQ(uint("rope.dimension_count"), 64u);
  EXPECT_EQ(uint("expert_group_count"), 8u);
  EXPECT_EQ(uint("expert_group_used_count"), 4u);
  EXPECT_EQ(uint("expert_gating_func"), 2u);
  EXPECT_EQ(metadata.Number("deepseek2.rope.scaling.yarn_log_multiplier"),
            double{0.1f});
}

// theta 500000, 16 dimensions; see FindsTheScalingOfLlama3 in
// checkpoint/gguf_checkpoint_test.cc for where the numbers come from.
TEST(GgufMetadataTest, Llama3ScalingIsATable) {
  Model model = OpenTiny("llama3-scaled").model();
  model.config["rope_theta"] = 500000;
  model.config["rope_scaling"]["original_max_position_embeddings"] = 8192;
  const GgufRope rope = ReadGgufRope(model, FindGgufTargetFamily(model), "DIR");
  EXPECT_THAT(
      rope.factors,
      ElementsAre(1, 1, 1, 1, testing::FloatNear(2.6945297f, 1e-5f), 8, 8, 8));
}

TEST(GgufMetadataTest, RefusesFamiliesWithoutNames) {
  Model model;
  model.architecture = "MambaForCausalLM";
  model.model_type = "mamba";
  EXPECT_EQ(ErrorMessage([&] { FindGgufTargetFamily(model); }),
            "target gguf: found architecture MambaForCausalLM (model_type "
            "'mamba'), expected one that llama.cpp's names are known for: "
            "Llama, Mistral, Mixtral, Qwen2, Qwen3, Qwen3-MoE, GLM-4, "
            "GLM-4-MoE, GLM-4-MoE-Lite, DeepSeek-V3, Gemma-3, Phi-3");
}

}  // namespace
}  // namespace ram
