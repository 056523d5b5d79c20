#include "ram/allocation/llama_mixes.h"

#include <gmock/gmock.h>

#include <set>

#include "ram/base/error.h"

namespace ram {
namespace {

// Llama-3-8B.
constexpr LlamaModelFacts kLlama8 = {32, 32, 4, 0, false};
// Mixtral-8x7B.
constexpr LlamaModelFacts kMixtral = {32, 32, 4, 8, false};

std::set<int> LayersOf(std::string_view mix, const LlamaModelFacts& facts,
                       const char* leaf, GgmlType type) {
  std::set<int> layers;
  for (int i = 0; i < facts.layers; ++i) {
    const std::string name = fmt::format("blk.{}.{}", i, leaf);
    if (LlamaMixType(mix, facts, name, i, 4096) == type) layers.insert(i);
  }
  return layers;
}

TEST(LlamaMixesTest, Q4KMGivesHalfOfTheValuesAndDownProjectionsMoreBits) {
  // As gguf-dump shows the Q4_K_M of Llama-3-8B.
  const std::set<int> more = {0,  1,  2,  3,  6,  9,  12, 15,
                              18, 21, 24, 27, 28, 29, 30, 31};
  EXPECT_EQ(LayersOf("Q4_K_M", kLlama8, "attn_v", GgmlType::kQ6_K), more);
  EXPECT_EQ(LayersOf("Q4_K_M", kLlama8, "ffn_down", GgmlType::kQ6_K), more);
  EXPECT_EQ(LayersOf("Q4_K_M", kLlama8, "attn_q", GgmlType::kQ4_K).size(), 32u);
}

TEST(LlamaMixesTest, TheHeadTakesQ6K) {
  EXPECT_EQ(LlamaMixType("Q4_K_M", kLlama8, "output", -1, 4096),
            GgmlType::kQ6_K);
  EXPECT_EQ(LlamaMixType("Q4_0", kLlama8, "output", -1, 4096), GgmlType::kQ6_K);
  EXPECT_EQ(LlamaMixType("Q8_0", kLlama8, "output", -1, 4096), GgmlType::kQ8_0);
  EXPECT_EQ(LlamaMixType("Q4_K_M", kLlama8, "output", -1, 576),
            GgmlType::kQ8_0);
}

TEST(LlamaMixesTest, ATiedEmbeddingCountsAsTheHead) {
  LlamaModelFacts tied = kLlama8;
  tied.tied_head = true;
  EXPECT_EQ(LlamaMixType("Q4_K_M", tied, "token_embd", -1, 4096),
            GgmlType::kQ6_K);
  EXPECT_EQ(LlamaMixType("Q4_K_M", kLlama8, "token_embd", -1, 4096),
            GgmlType::kQ4_K);
}

TEST(LlamaMixesTest, EightExpertsKeepTheirAttentionPrecise) {
  EXPECT_EQ(LlamaMixType("Q4_K_M", kMixtral, "blk.5.attn_v", 5, 4096),
            GgmlType::kQ8_0);
  EXPECT_EQ(LlamaMixType("Q4_K_M", kMixtral, "blk.5.attn_k", 5, 4096),
            GgmlType::kQ8_0);
  EXPECT_EQ(LlamaMixType("Q4_K_M", kMixtral, "blk.5.attn_output", 5, 4096),
            GgmlType::kQ5_K);
}

TEST(LlamaMixesTest, FewBitsFollowTheirOwnRules) {
  EXPECT_EQ(LlamaMixType("Q2_K", kLlama8, "blk.9.attn_v", 9, 4096),
            GgmlType::kQ4_K);
  EXPECT_EQ(LlamaMixType("Q2_K", kLlama8, "blk.9.ffn_down", 9, 14336),
            GgmlType::kQ3_K);
  EXPECT_EQ(LayersOf("Q3_K_M", kLlama8, "ffn_down", GgmlType::kQ5_K),
            (std::set<int>{0, 1}));
  EXPECT_EQ(LayersOf("Q3_K_M", kLlama8, "attn_v", GgmlType::kQ5_K),
            (std::set<int>{0, 1}));
  EXPECT_EQ(LayersOf("Q2_K_S", kLlama8, "ffn_down", GgmlType::kQ4_K),
            (std::set<int>{0, 1, 2, 3}));
}

TEST(LlamaMixesTest, ExpertStacksGoByTheirLayer) {
  EXPECT_EQ(LlamaMixType("Q4_K_M", kMixtral, "blk.0.ffn_down_exps", 0, 14336),
            GgmlType::kQ6_K);
  EXPECT_EQ(LlamaMixType("Q4_K_M", kMixtral, "blk.4.ffn_down_exps", 4, 14336),
            GgmlType::kQ4_K);
}

TEST(LlamaMixesTest, NamesAreReadInAnyCase) {
  EXPECT_EQ(ParseLlamaMix("q4_k_m"), "Q4_K_M");
  try {
    (void)ParseLlamaMix("IQ2_XS");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(error.what(),
                testing::StartsWith("--like: found 'IQ2_XS', expected Q2_K, "));
  }
}

}  // namespace
}  // namespace ram
