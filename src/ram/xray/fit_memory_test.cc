// Caches and buffers against hand computation and against what llama.cpp
// printed when it loaded the two GGUF models of tests/peers/gguf_models.py.
#include "ram/xray/fit_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ram/base/error.h"
#include "ram/checkpoint/expected_tensors.h"

namespace ram {
namespace {

using ::testing::HasSubstr;

constexpr double kMiB = 1 << 20;

Model ModelOf(const char* config) {
  const Json json = ParseJson(config, "test");
  return DescribeModel(json, ExpectedTensors(json), "model");
}

constexpr char kQwen8B[] = R"({"model_type": "qwen3", "hidden_size": 4096,
  "intermediate_size": 12288, "num_hidden_layers": 36,
  "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
  "vocab_size": 151936, "max_position_embeddings": 40960,
  "tie_word_embeddings": false})";
constexpr char kQwen30B[] = R"({"model_type": "qwen3_moe", "hidden_size": 2048,
  "intermediate_size": 6144, "moe_intermediate_size": 768,
  "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4,
  "head_dim": 128, "num_experts": 128, "num_experts_per_tok": 8,
  "vocab_size": 151936})";
constexpr char kGlmFlash[] = R"({"model_type": "glm4_moe_lite",
  "vocab_size": 154880, "hidden_size": 2048, "intermediate_size": 10240,
  "moe_intermediate_size": 1536, "num_hidden_layers": 47,
  "num_attention_heads": 20, "num_key_value_heads": 20, "q_lora_rank": 768,
  "kv_lora_rank": 512, "qk_nope_head_dim": 192, "qk_rope_head_dim": 64,
  "v_head_dim": 256, "n_routed_experts": 64, "n_shared_experts": 1,
  "num_experts_per_tok": 4, "first_k_dense_replace": 1,
  "num_nextn_predict_layers": 1})";
constexpr char kQwenHybrid[] = R"({"model_type": "qwen3_5_moe_text",
  "vocab_size": 248320, "hidden_size": 2048, "moe_intermediate_size": 512,
  "shared_expert_intermediate_size": 512, "num_hidden_layers": 40,
  "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 256,
  "num_experts": 8, "num_experts_per_tok": 8, "full_attention_interval": 4,
  "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128,
  "linear_num_key_heads": 16, "linear_num_value_heads": 32,
  "linear_value_head_dim": 128})";
constexpr char kSmolLm[] = R"({"model_type": "llama", "hidden_size": 576,
  "intermediate_size": 1536, "num_hidden_layers": 30,
  "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152,
  "max_position_embeddings": 8192, "tie_word_embeddings": true})";
constexpr char kGemma[] = R"({"model_type": "gemma3_text", "hidden_size": 640,
  "intermediate_size": 2048, "num_hidden_layers": 18,
  "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256,
  "vocab_size": 262144, "sliding_window": 512, "sliding_window_pattern": 6,
  "tie_word_embeddings": true})";

FitUse Llama(uint64_t context, uint64_t batch = 1,
             CacheType cache = CacheType::kF16) {
  return {FitRuntime::kLlamaCpp, context, batch, cache};
}
FitUse Mlx(uint64_t context, CacheType cache = CacheType::kF16) {
  return {FitRuntime::kMlx, context, 1, cache};
}

FitUse Vllm(uint64_t context, uint64_t batch = 1,
            CacheType cache = CacheType::kF16) {
  return {FitRuntime::kVllm, context, batch, cache};
}

// Bytes of the items whose names begin so.
uint64_t BytesOf(const char* config, const FitUse& use, std::string_view name) {
  uint64_t bytes = 0;
  for (const MemoryItem& item :
       RuntimeMemory(ReadFitShape(ModelOf(config), "model"), use)) {
    if (item.name.starts_with(name)) bytes += item.bytes;
  }
  return bytes;
}

TEST(FitMemoryTest, KeepsKeysAndValuesOfEveryGroup) {
  // layers x (keys + values) x tokens x 2 bytes
  EXPECT_EQ(BytesOf(kQwen8B, Mlx(32768), "KV cache"),
            uint64_t{36} * (1024 + 1024) * 32768 * 2);
  EXPECT_EQ(BytesOf(kQwen30B, Mlx(32768), "KV cache"),
            uint64_t{48} * (512 + 512) * 32768 * 2);
  EXPECT_EQ(BytesOf(kQwen30B, Llama(32768), "KV cache"),
            uint64_t{48} * (512 + 512) * 32768 * 2);
}

TEST(FitMemoryTest, KeepsOnlyTheLatentOfLatentAttention) {
  // The prediction layer is not run, so 47 of 48.
  EXPECT_EQ(BytesOf(kGlmFlash, Mlx(32768), "compressed KV cache"),
            uint64_t{47} * (512 + 64) * 32768 * 2);
  EXPECT_EQ(BytesOf(kGlmFlash, Llama(32768, 1, CacheType::kQ8),
                    "compressed KV cache"),
            uint64_t{47} * (512 + 64) * 32768 / 32 * 34);
}

TEST(FitMemoryTest, KeepsAStateForLinearAttention) {
  EXPECT_EQ(BytesOf(kQwenHybrid, Llama(4096), "KV cache"),
            10u * (512 + 512) * 4096 * 2);
  EXPECT_EQ(BytesOf(kQwenHybrid, Llama(4096), "linear"),
            30u * (3 * 8192 + 32 * 128 * 128) * 4);
  EXPECT_EQ(BytesOf(kQwenHybrid, Mlx(4096), "linear"),
            30u * (3 * 8192 * 2 + 32 * 128 * 128 * 4));
}

TEST(FitMemoryTest, TakesTheCacheThatLlamaCppPrints) {
  const auto mib = [](const char* config, const FitUse& use) {
    return static_cast<double>(BytesOf(config, use, "KV cache")) / kMiB;
  };
  EXPECT_EQ(mib(kSmolLm, Llama(512)), 11.25);
  EXPECT_EQ(mib(kSmolLm, Llama(1000)), 22.5);
  EXPECT_EQ(mib(kSmolLm, Llama(4096)), 90);
  EXPECT_EQ(mib(kSmolLm, Llama(4096, 4)), 360);
  EXPECT_EQ(mib(kSmolLm, Llama(32768, 1, CacheType::kQ8)), 382.5);
  // Three layers see everything, fifteen a window of 512.
  EXPECT_EQ(mib(kGemma, Llama(512)), 1.5 + 7.5);
  EXPECT_EQ(mib(kGemma, Llama(4096)), 12 + 15);
  EXPECT_EQ(mib(kGemma, Llama(32768)), 96 + 15);
  EXPECT_EQ(mib(kGemma, Llama(8192, 4)), 96 + 60);
  EXPECT_EQ(mib(kGemma, Llama(262144)), 768 + 15);
}

TEST(FitMemoryTest, TakesTheBuffersThatLlamaCppPrints) {
  const auto mib = [](const char* config, const FitUse& use,
                      std::string_view name) {
    return static_cast<double>(BytesOf(config, use, name)) / kMiB;
  };
  for (const uint64_t context : {512u, 4096u, 32768u, 65536u}) {
    EXPECT_EQ(mib(kSmolLm, Llama(context), "compute buffer"), 98.25);
    EXPECT_EQ(mib(kGemma, Llama(context), "compute buffer"), 514.5);
  }
  // The mask of a long context outgrows the logits; the rest is position ids.
  EXPECT_NEAR(mib(kSmolLm, Llama(131072), "compute buffer"), 141.51, 0.02);
  EXPECT_NEAR(mib(kSmolLm, Llama(262144), "compute buffer"), 269.51, 0.02);
  EXPECT_NEAR(mib(kSmolLm, Llama(4096, 4), "output buffer"), 0.75, 0.005);
  EXPECT_EQ(mib(kGemma, Llama(4096, 4), "output buffer"), 4);
}

TEST(FitMemoryTest, WritesOutScoresWhereMlxHasNoFusedKernel) {
  EXPECT_EQ(BytesOf(kQwen8B, Mlx(32768), "attention scores"), 0u);
  EXPECT_EQ(BytesOf(kGemma, Mlx(32768), "attention scores"),
            uint64_t{4} * 2048 * 32768 * 2);
  // Scores twice, keys and values of every head once.
  EXPECT_EQ(BytesOf(kGlmFlash, Mlx(32768), "attention scores"),
            uint64_t{2} * 20 * 2048 * 32768 * 2 +
                uint64_t{20} * (192 + 256) * 32768 * 2);
}

TEST(FitMemoryTest, TakesTheBlocksThatVllmPrints) {
  // 3947 blocks of 16 tokens in 7.71 GiB, on each of two cards that share the
  // heads of Qwen2.5 32B (vllm-project/vllm issue 15815); 36184 in 61.84 GiB
  // for Qwen3 0.6B (generative-computing/mellea 416).
  constexpr char kQwen32B[] = R"({"model_type": "qwen2", "hidden_size": 5120,
    "intermediate_size": 27648, "num_hidden_layers": 64,
    "num_attention_heads": 40, "num_key_value_heads": 8,
    "vocab_size": 152064})";
  constexpr char kQwen06B[] = R"({"model_type": "qwen3", "hidden_size": 1024,
    "intermediate_size": 3072, "num_hidden_layers": 28,
    "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
    "vocab_size": 151936, "tie_word_embeddings": true})";
  constexpr double kGiB = 1 << 30;
  const auto gib = [](const char* config, uint64_t blocks) {
    const uint64_t bytes = BytesOf(config, Vllm(16), "KV cache") * blocks;
    return static_cast<double>(bytes) / kGiB;
  };
  EXPECT_NEAR(gib(kQwen32B, 3947) / 2, 7.71, 0.005);
  EXPECT_NEAR(gib(kQwen06B, 36184), 61.84, 0.005);
}

TEST(FitMemoryTest, RoundsVllmsContextToBlocks) {
  // 17 tokens take two blocks of 16.
  EXPECT_EQ(BytesOf(kQwen8B, Vllm(17), "KV cache"),
            uint64_t{36} * (1024 + 1024) * 32 * 2);
  EXPECT_EQ(BytesOf(kQwen8B, Vllm(17, 3, CacheType::kF8), "KV cache"),
            uint64_t{36} * (1024 + 1024) * 32 * 3);
  EXPECT_EQ(BytesOf(kGlmFlash, Vllm(32768), "compressed KV cache"),
            uint64_t{47} * (512 + 64) * 32768 * 2);
  // Three layers see everything; fifteen 511 tokens, a chunk of 8192, rounded
  // up to 8704, and one block.
  EXPECT_EQ(BytesOf(kGemma, Vllm(32768), "KV cache"),
            uint64_t{3 * 32768 + 15 * (8704 + 16)} * 2 * 256 * 2);
}

TEST(FitMemoryTest, CountsVllmsProfilingRun) {
  // Sampling: 256 texts, or as many as there are.
  EXPECT_EQ(BytesOf(kQwen8B, Vllm(4096), "activations"),
            uint64_t{256} * 151936 * 40);
  EXPECT_EQ(BytesOf(kQwen8B, Vllm(4096, 300), "activations"),
            uint64_t{300} * 151936 * 40);
  // A layer of Llama 2 7B, whose vocabulary is small.
  constexpr char kLlama2[] = R"({"model_type": "llama", "hidden_size": 4096,
    "intermediate_size": 11008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32,
    "vocab_size": 32000, "tie_word_embeddings": false})";
  EXPECT_EQ(BytesOf(kLlama2, Vllm(16384), "activations"),
            uint64_t{8192} * 2 * (2 * 4096 + 3 * 11008));
}

TEST(FitMemoryTest, TakesFloatsForOurOwnGenerator) {
  EXPECT_EQ(
      BytesOf(kQwen8B, {FitRuntime::kRam, 256, 1, CacheType::kF32}, "KV cache"),
      36u * 2048 * 256 * 4);
}

std::string Refusal(const char* config, const FitUse& use) {
  try {
    RuntimeMemory(ReadFitShape(ModelOf(config), "model"), use);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

TEST(FitMemoryTest, RefusesWhatTheRuntimeCannotDo) {
  EXPECT_EQ(Refusal(kQwen8B, Mlx(4096, CacheType::kQ8)), "none");
  EXPECT_THAT(Refusal(kGlmFlash, Mlx(4096, CacheType::kQ8)),
              HasSubstr("--kv q8_0: found mlx-lm, which cannot quantise"));
  EXPECT_THAT(Refusal(kGemma, Mlx(4096, CacheType::kQ8)),
              HasSubstr("sliding windows"));
  EXPECT_THAT(Refusal(kQwen8B, {FitRuntime::kRam, 256, 1, CacheType::kF16}),
              HasSubstr("keeps keys and values in float32"));
  EXPECT_THAT(Refusal(kQwen8B, Vllm(4096, 1, CacheType::kQ8)),
              HasSubstr("--kv q8_0: found vLLM, which keeps keys and values in "
                        "f16 or fp8"));
  EXPECT_THAT(Refusal(kQwen8B, Mlx(4096, CacheType::kF8)),
              HasSubstr("--kv fp8: found mlx-lm, expected vLLM"));
  EXPECT_THAT(Refusal(kQwen8B, Mlx(0)), HasSubstr("--context: found 0"));
  EXPECT_THAT(Refusal(kQwen8B, Llama(4096, 0)), HasSubstr("--batch: found 0"));
  EXPECT_THAT(Refusal(kQwen8B, Llama(1u << 30, 1u << 16)),
              HasSubstr("do not fit 64 bits"));
}

TEST(FitShapeTest, RefusesAModelWithoutAttention) {
  Model model;
  model.matrices.emplace_back().role = "other";
  EXPECT_THROW(ReadFitShape(model, "model"), Error);
}

TEST(FitShapeTest, TakesAnUnknownArchitectureFromItsShapes) {
  Model model = ModelOf(kSmolLm);
  model.known = false;
  const FitShape shape = ReadFitShape(model, "model");
  ASSERT_EQ(shape.layers.size(), 30u);
  EXPECT_EQ(shape.layers[7].keys, 192u);
  EXPECT_EQ(shape.layers[7].values, 192u);
  ASSERT_EQ(shape.notes.size(), 1u);
  EXPECT_THAT(shape.notes[0], HasSubstr("unknown"));
}

}  // namespace
}  // namespace ram
