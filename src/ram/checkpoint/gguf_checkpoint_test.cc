#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "ram/base/temporary_directory.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/checkpoint/gguf_tensors.h"
#include "ram/checkpoint/test_support.h"
#include "ram/container/gguf_test_support.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t kHidden = 32;
constexpr uint64_t kHeads = 2;
constexpr uint64_t kHeadDim = 16;
constexpr uint64_t kWide = 64;
constexpr uint64_t kVocabulary = 10;

std::string FloatBytes(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// rows x cols, every element of row r being `first` + r.
std::string RowsFrom(float first, uint64_t rows, uint64_t cols) {
  std::vector<float> values;
  for (uint64_t r = 0; r < rows; ++r) {
    values.insert(values.end(), cols, first + static_cast<float>(r));
  }
  return FloatBytes(values);
}

// The order in which llama.cpp's converter writes the rows of a head,
// reshape(heads, 2, rows / heads / 2, ..).swapaxes(1, 2) in numpy's words:
// entry s is the row that comes to stand in place s.
std::vector<uint64_t> PairedOrder(uint64_t heads) {
  std::vector<uint64_t> order;
  for (uint64_t head = 0; head < heads; ++head) {
    for (uint64_t i = 0; i < kHeadDim / 2; ++i) {
      for (uint64_t j = 0; j < 2; ++j) {
        order.push_back(head * kHeadDim + j * kHeadDim / 2 + i);
      }
    }
  }
  return order;
}

// Rows of 32 weights as Q8_0: every weight of row r is 2 * r.
std::string PairedQ8Rows(uint64_t heads) {
  std::string bytes;
  const uint16_t two = FloatToF16(2.0F);
  for (const uint64_t row : PairedOrder(heads)) {
    bytes.append(reinterpret_cast<const char*>(&two), sizeof(two));
    bytes.append(kHidden, static_cast<char>(row));
  }
  return bytes;
}

GgufFile Metadata(const std::string& architecture, uint32_t layers = 1) {
  GgufFile file;
  const auto key = [&](const char* name) { return architecture + "." + name; };
  file.Text("general.architecture", architecture)
      .U32(key("block_count"), layers)
      .U32(key("embedding_length"), kHidden)
      .U32(key("feed_forward_length"), kWide)
      .U32(key("context_length"), 2048)
      .U32(key("attention.head_count"), kHeads)
      .U32(key("attention.head_count_kv"), 1)
      .F32(key("attention.layer_norm_rms_epsilon"), 0.5F)
      .F32(key("rope.freq_base"), 500000.0F);
  return file;
}

void AddF32(GgufFile& file, const std::string& name,
            const std::vector<uint64_t>& shape) {
  const uint64_t count = std::accumulate(shape.begin(), shape.end(),
                                         uint64_t{1}, std::multiplies<>());
  file.Tensor(name, shape, GgmlType::kF32,
              FloatBytes(std::vector<float>(count, 1.0F)));
}

// A llama of one layer; q is Q8_0, k is F32.
GgufFile TinyLlama() {
  GgufFile file = Metadata("llama");
  AddF32(file, "token_embd.weight", {kVocabulary, kHidden});
  AddF32(file, "output_norm.weight", {kHidden});
  AddF32(file, "blk.0.attn_norm.weight", {kHidden});
  AddF32(file, "blk.0.ffn_norm.weight", {kHidden});
  file.Tensor("blk.0.attn_q.weight", {kHeads * kHeadDim, kHidden},
              GgmlType::kQ8_0, PairedQ8Rows(kHeads));
  std::vector<float> k;
  for (const uint64_t row : PairedOrder(1)) {
    k.insert(k.end(), kHidden, static_cast<float>(row));
  }
  file.Tensor("blk.0.attn_k.weight", {kHeadDim, kHidden}, GgmlType::kF32,
              FloatBytes(k));
  AddF32(file, "blk.0.attn_v.weight", {kHeadDim, kHidden});
  AddF32(file, "blk.0.attn_output.weight", {kHidden, kHeads * kHeadDim});
  AddF32(file, "blk.0.ffn_gate.weight", {kWide, kHidden});
  AddF32(file, "blk.0.ffn_up.weight", {kWide, kHidden});
  AddF32(file, "blk.0.ffn_down.weight", {kHidden, kWide});
  return file;
}

class GgufCheckpointTest : public testing::Test {
 protected:
  Checkpoint Open(const GgufFile& file) {
    return Checkpoint::Open(directory_.Write("m.gguf", file.bytes()));
  }
  std::string OpenError(const GgufFile& file,
                        const std::string& name = "m.gguf") {
    const auto path = directory_.Write(name, file.bytes());
    std::string message = ErrorOf([&] { Checkpoint::Open(path); });
    const std::string folder = directory_.path().string();
    for (size_t at; (at = message.find(folder)) != message.npos;) {
      message.replace(at, folder.size(), "DIR");
    }
    return message;
  }

  TemporaryDirectory directory_;
};

TEST_F(GgufCheckpointTest, DescribesALlama) {
  const Checkpoint checkpoint = Open(TinyLlama());
  const Model& model = checkpoint.model();
  EXPECT_TRUE(model.known);
  EXPECT_TRUE(model.tied_head);
  EXPECT_FALSE(checkpoint.bare_file());
  EXPECT_EQ(Summary(model),
            "model.embed_tokens.weight embed_tokens [10, 32] <- "
            "model.norm.weight\n"
            "model.layers.0.self_attn.q_proj.weight q_proj layer=0 [32, 32] <- "
            "model.layers.0.input_layernorm.weight\n"
            "model.layers.0.self_attn.k_proj.weight k_proj layer=0 [16, 32] <- "
            "model.layers.0.input_layernorm.weight\n"
            "model.layers.0.self_attn.v_proj.weight v_proj layer=0 [16, 32] <- "
            "model.layers.0.input_layernorm.weight\n"
            "model.layers.0.self_attn.o_proj.weight o_proj layer=0 [32, 32]\n"
            "model.layers.0.mlp.gate_proj.weight gate_proj layer=0 [64, 32] <- "
            "model.layers.0.post_attention_layernorm.weight\n"
            "model.layers.0.mlp.up_proj.weight up_proj layer=0 [64, 32] <- "
            "model.layers.0.post_attention_layernorm.weight\n"
            "model.layers.0.mlp.down_proj.weight down_proj layer=0 [32, 64]\n");
}

TEST_F(GgufCheckpointTest, OpensTheOnlyModelOfADirectory) {
  directory_.Write(
      "m-00001-of-00002.gguf",
      Metadata("mamba9").U32("split.count", 2).U32("split.no", 0).bytes());
  directory_.Write("m-00002-of-00002.gguf",
                   GgufFile().U32("split.count", 2).U32("split.no", 1).bytes());
  const Checkpoint checkpoint = Checkpoint::Open(directory_.path());
  EXPECT_EQ(checkpoint.path(), directory_.path() / "m-00001-of-00002.gguf");
  EXPECT_EQ(checkpoint.weight_files().size(), 2u);
  EXPECT_THAT(checkpoint.CompanionFiles(), ElementsAre());
  // Of two models neither is meant.
  directory_.Write("other.gguf", TinyLlama().bytes());
  EXPECT_THAT(ErrorOf([&] { Checkpoint::Open(directory_.path()); }),
              HasSubstr("config.json: found nothing"));
}

TEST_F(GgufCheckpointTest, MakesAConfig) {
  GgufFile file = TinyLlama();
  file.U32("tokenizer.ggml.bos_token_id", 1);
  file.U32("tokenizer.ggml.eos_token_id", 2);
  const Checkpoint checkpoint = Open(file);
  EXPECT_EQ(checkpoint.model().config, Json::parse(R"({
    "architectures": ["LlamaForCausalLM"], "model_type": "llama",
    "torch_dtype": "bfloat16", "hidden_size": 32, "num_hidden_layers": 1,
    "intermediate_size": 64, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 10,
    "max_position_embeddings": 2048, "rms_norm_eps": 0.5,
    "rope_theta": 500000.0, "tie_word_embeddings": true,
    "attention_bias": false, "mlp_bias": false, "bos_token_id": 1,
    "eos_token_id": 2})"));
  EXPECT_EQ(Json::parse(checkpoint.config_text()), checkpoint.model().config);
}

TEST_F(GgufCheckpointTest, PutsRowsOfHeadsBackInOrder) {
  const Checkpoint checkpoint = Open(TinyLlama());
  for (const auto& [name, rows, scale] :
       {std::tuple{"q_proj", kHeads * kHeadDim, 2.0F},
        std::tuple{"k_proj", kHeadDim, 1.0F}}) {
    const Matrix& matrix =
        MatrixNamed(checkpoint.model(), "model.layers.0.self_attn." +
                                            std::string(name) + ".weight");
    // Every run of rows, as floats.
    for (uint64_t first = 0; first < rows; ++first) {
      for (uint64_t count = 1; first + count <= rows; ++count) {
        std::vector<float> floats(count * kHidden);
        checkpoint.ReadRows(matrix, first, floats);
        for (uint64_t r = 0; r < count; ++r) {
          ASSERT_EQ(floats[r * kHidden + 5],
                    scale * static_cast<float>(first + r));
        }
      }
    }
  }
}

TEST_F(GgufCheckpointTest, HandsOutBlocksOfRows) {
  const Checkpoint checkpoint = Open(TinyLlama());
  const Matrix& matrix =
      MatrixNamed(checkpoint.model(), "model.layers.0.self_attn.q_proj.weight");
  const TensorInfo& tensor = checkpoint.TensorOf(matrix);
  EXPECT_EQ(StorageLabel(tensor), "Q8_0");
  EXPECT_EQ(tensor.name_in_file(), "blk.0.attn_q.weight");
  ASSERT_EQ(tensor.row_bytes(), 34u);
  std::vector<std::byte> rows(11 * 34);
  checkpoint.ReadStoredRows(matrix, 7, rows);
  for (size_t r = 0; r < 11; ++r) {
    EXPECT_EQ(rows[r * 34 + 2], static_cast<std::byte>(7 + r));
    EXPECT_EQ(rows[r * 34 + 33], static_cast<std::byte>(7 + r));
  }
}

TEST_F(GgufCheckpointTest, ReadsPartsOfPairedRows) {
  const Checkpoint checkpoint = Open(TinyLlama());
  const Matrix& matrix =
      MatrixNamed(checkpoint.model(), "model.layers.0.self_attn.k_proj.weight");
  // Half of row 3, rows 4 to 9, half of row 10.
  std::vector<float> floats(7 * kHidden);
  checkpoint.ReadTensor(matrix.tensor, (3 * kHidden + kHidden / 2) * 4,
                        std::as_writable_bytes(std::span(floats)));
  for (size_t i = 0; i < floats.size(); ++i) {
    const size_t row = 3 + (i + kHidden / 2) / kHidden;
    ASSERT_EQ(floats[i], static_cast<float>(row)) << i;
  }
}

TEST_F(GgufCheckpointTest, PutsBiasesOfHeadsBackInOrder) {
  GgufFile file = TinyLlama();
  std::vector<float> bias;
  for (const uint64_t row : PairedOrder(kHeads)) {
    bias.push_back(static_cast<float>(row));
  }
  file.Tensor("blk.0.attn_q.bias", {kHeads * kHeadDim}, GgmlType::kF32,
              FloatBytes(bias));
  AddF32(file, "blk.0.attn_k.bias", {kHeadDim});
  AddF32(file, "blk.0.attn_v.bias", {kHeadDim});
  const Checkpoint checkpoint = Open(file);
  EXPECT_EQ(checkpoint.model().config["attention_bias"], true);
  std::vector<float> read(kHeads * kHeadDim);
  const auto& tensors = checkpoint.model().tensors;
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].name_in_file() != "blk.0.attn_q.bias") continue;
    checkpoint.ReadTensor(i, 0, std::as_writable_bytes(std::span(read)));
  }
  std::vector<float> expected(read.size());
  std::iota(expected.begin(), expected.end(), 0.0F);
  EXPECT_EQ(read, expected);
}

TEST_F(GgufCheckpointTest, TakesOneOffGemmasNorms) {
  GgufFile file = Metadata("gemma3");
  file.U32("gemma3.attention.key_length", kHeadDim)
      .U32("gemma3.attention.sliding_window", 512);
  AddF32(file, "token_embd.weight", {kVocabulary, kHidden});
  file.Tensor("output_norm.weight", {kHidden}, GgmlType::kF32,
              FloatBytes(std::vector<float>(kHidden, 1.25F)));
  for (const char* norm :
       {"attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm"}) {
    AddF32(file, std::string("blk.0.") + norm + ".weight", {kHidden});
  }
  AddF32(file, "blk.0.attn_q_norm.weight", {kHeadDim});
  AddF32(file, "blk.0.attn_k_norm.weight", {kHeadDim});
  AddF32(file, "blk.0.attn_q.weight", {kHeads * kHeadDim, kHidden});
  AddF32(file, "blk.0.attn_k.weight", {kHeadDim, kHidden});
  AddF32(file, "blk.0.attn_v.weight", {kHeadDim, kHidden});
  AddF32(file, "blk.0.attn_output.weight", {kHidden, kHeads * kHeadDim});
  AddF32(file, "blk.0.ffn_gate.weight", {kWide, kHidden});
  AddF32(file, "blk.0.ffn_up.weight", {kWide, kHidden});
  AddF32(file, "blk.0.ffn_down.weight", {kHidden, kWide});
  const Checkpoint checkpoint = Open(file);
  EXPECT_TRUE(checkpoint.model().known);
  EXPECT_EQ(checkpoint.model().config["sliding_window"], 512);
  EXPECT_EQ(checkpoint.model().config["query_pre_attn_scalar"], kHeadDim);
  std::vector<float> norm(4);
  const auto& tensors = checkpoint.model().tensors;
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].name != "model.norm.weight") continue;
    checkpoint.ReadTensor(i, 8, std::as_writable_bytes(std::span(norm)));
  }
  EXPECT_THAT(norm, ElementsAre(0.25F, 0.25F, 0.25F, 0.25F));
}

// Two experts of two layers: stacks become a matrix per expert.
TEST_F(GgufCheckpointTest, DescribesAMixtureOfExperts) {
  GgufFile file = Metadata("qwen3moe");
  file.U32("qwen3moe.expert_count", 2)
      .U32("qwen3moe.expert_used_count", 1)
      .U32("qwen3moe.expert_feed_forward_length", 8)
      .U32("qwen3moe.attention.key_length", kHeadDim);
  AddF32(file, "token_embd.weight", {kVocabulary, kHidden});
  AddF32(file, "output.weight", {kVocabulary, kHidden});
  AddF32(file, "output_norm.weight", {kHidden});
  AddF32(file, "blk.0.attn_norm.weight", {kHidden});
  AddF32(file, "blk.0.ffn_norm.weight", {kHidden});
  AddF32(file, "blk.0.attn_q_norm.weight", {kHeadDim});
  AddF32(file, "blk.0.attn_k_norm.weight", {kHeadDim});
  AddF32(file, "blk.0.attn_q.weight", {kHeads * kHeadDim, kHidden});
  AddF32(file, "blk.0.attn_k.weight", {kHeadDim, kHidden});
  AddF32(file, "blk.0.attn_v.weight", {kHeadDim, kHidden});
  AddF32(file, "blk.0.attn_output.weight", {kHidden, kHeads * kHeadDim});
  AddF32(file, "blk.0.ffn_gate_inp.weight", {2, kHidden});
  AddF32(file, "blk.0.ffn_gate_exps.weight", {2, 8, kHidden});
  file.Tensor("blk.0.ffn_up_exps.weight", {2, 8, kHidden}, GgmlType::kF32,
              RowsFrom(0, 16, kHidden));
  AddF32(file, "blk.0.ffn_down_exps.weight", {2, kHidden, 8});
  const Checkpoint checkpoint = Open(file);
  EXPECT_TRUE(checkpoint.model().known);
  EXPECT_FALSE(checkpoint.model().tied_head);
  const Matrix& up = MatrixNamed(checkpoint.model(),
                                 "model.layers.0.mlp.experts.1.up_proj.weight");
  std::vector<float> row(kHidden);
  checkpoint.ReadRows(up, 3, row);
  EXPECT_EQ(row[0], 8.0F + 3.0F);
}

// The two halves of kv_b_proj, per head, as llama.cpp splits them.
TEST_F(GgufCheckpointTest, DescribesLatentAttention) {
  GgufFile file = Metadata("deepseek2");
  file.U32("deepseek2.expert_count", 2)
      .U32("deepseek2.expert_used_count", 1)
      .U32("deepseek2.expert_feed_forward_length", 8)
      .U32("deepseek2.expert_gating_func", 2)
      .U32("deepseek2.leading_dense_block_count", 1)
      .U32("deepseek2.attention.kv_lora_rank", 12)
      .U32("deepseek2.attention.key_length_mla", 10)
      .U32("deepseek2.attention.value_length_mla", 6)
      .U32("deepseek2.rope.dimension_count", 4);
  AddF32(file, "token_embd.weight", {kVocabulary, kHidden});
  AddF32(file, "output_norm.weight", {kHidden});
  AddF32(file, "blk.0.attn_norm.weight", {kHidden});
  AddF32(file, "blk.0.ffn_norm.weight", {kHidden});
  AddF32(file, "blk.0.attn_q.weight", {kHeads * 10, kHidden});
  AddF32(file, "blk.0.attn_kv_a_mqa.weight", {12 + 4, kHidden});
  AddF32(file, "blk.0.attn_kv_a_norm.weight", {12});
  AddF32(file, "blk.0.attn_k_b.weight", {kHeads, 12, 6});
  AddF32(file, "blk.0.attn_v_b.weight", {kHeads, 6, 12});
  AddF32(file, "blk.0.attn_output.weight", {kHidden, kHeads * 6});
  AddF32(file, "blk.0.ffn_gate.weight", {kWide, kHidden});
  AddF32(file, "blk.0.ffn_up.weight", {kWide, kHidden});
  AddF32(file, "blk.0.ffn_down.weight", {kHidden, kWide});
  const Checkpoint checkpoint = Open(file);
  EXPECT_EQ(checkpoint.model().model_type, "deepseek_v3");
  EXPECT_TRUE(checkpoint.model().known);
  const Matrix& keys = MatrixNamed(checkpoint.model(),
                                   "model.layers.0.self_attn.embed_q.weight");
  EXPECT_EQ(keys.rows, kHeads * 12);
  EXPECT_EQ(keys.cols, 6u);
  EXPECT_TRUE(keys.contiguous());
}

// Llama-3.1's table for heads of 128 as its converter computes it; the first
// entries with another value than 1 and 8 were worked out by hand.
TEST_F(GgufCheckpointTest, FindsTheScalingOfLlama3) {
  GgufFile file = TinyLlama();
  // theta 500000, 16 dimensions: wavelengths 2 pi 500000^(i / 8) are 6.3, 32,
  // 167, 862, 4443, 22911...: up to 2048 unchanged, beyond 8192 divided by 8,
  // 4443 smoothed by (8192 / 4443.04 - 1) / 3 = 0.281283.
  file.Tensor("rope_freqs.weight", {8}, GgmlType::kF32,
              FloatBytes({1, 1, 1, 1, 2.6945297F, 8, 8, 8}));
  const Checkpoint checkpoint = Open(file);
  EXPECT_EQ(checkpoint.model().config["rope_scaling"], Json::parse(R"(
      {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
       "high_freq_factor": 4.0, "original_max_position_embeddings": 8192})"));
  EXPECT_EQ(UseOf(checkpoint.model(), "rope_freqs.weight"),
            TensorUse::kIgnored);
}

TEST_F(GgufCheckpointTest, NamesAnotherTableOfFrequencies) {
  GgufFile file = TinyLlama();
  file.Tensor("rope_freqs.weight", {8}, GgmlType::kF32,
              FloatBytes({1, 1, 1, 1, 3, 8, 8, 8}));
  EXPECT_EQ(Open(file).model().config["rope_scaling"]["rope_type"],
            "unknown table rope_freqs.weight");
}

TEST_F(GgufCheckpointTest, ReadsScalingFromMetadata) {
  GgufFile file = TinyLlama();
  file.Text("llama.rope.scaling.type", "linear")
      .F32("llama.rope.scaling.factor", 8.0F);
  EXPECT_EQ(Open(file).model().config["rope_scaling"],
            Json::parse(R"({"rope_type": "linear", "factor": 8.0})"));
}

TEST_F(GgufCheckpointTest, DescribesAnUnknownArchitectureByShape) {
  GgufFile file = Metadata("mamba9");
  AddF32(file, "token_embd.weight", {kVocabulary, kHidden});
  AddF32(file, "blk.0.ssm_in.weight", {kWide, kHidden});
  AddF32(file, "blk.0.ssm_a", {kWide});
  const Checkpoint checkpoint = Open(file);
  EXPECT_FALSE(checkpoint.model().known);
  EXPECT_EQ(checkpoint.model().architecture, "unknown");
  EXPECT_EQ(checkpoint.model().model_type, "mamba9");
  EXPECT_EQ(checkpoint.model().matrices.size(), 2u);
}

TEST_F(GgufCheckpointTest, ReadsSplitFiles) {
  GgufFile first = Metadata("mamba9");
  first.U32("split.count", 2).U32("split.no", 0);
  AddF32(first, "token_embd.weight", {kVocabulary, kHidden});
  GgufFile second;
  second.U32("split.count", 2).U32("split.no", 1);
  second.Tensor("blk.0.ssm_in.weight", {4, kHidden}, GgmlType::kF32,
                RowsFrom(7, 4, kHidden));
  const auto path = directory_.Write("m-00001-of-00002.gguf", first.bytes());
  directory_.Write("m-00002-of-00002.gguf", second.bytes());
  const Checkpoint checkpoint = Checkpoint::Open(path);
  EXPECT_THAT(checkpoint.weight_files(),
              ElementsAre("m-00001-of-00002.gguf", "m-00002-of-00002.gguf"));
  const Matrix& matrix = MatrixNamed(checkpoint.model(), "blk.0.ssm_in.weight");
  std::vector<float> row(kHidden);
  checkpoint.ReadRows(matrix, 2, row);
  EXPECT_EQ(row[0], 9.0F);
}

TEST_F(GgufCheckpointTest, RefusesSplitFilesThatDoNotFit) {
  GgufFile first = Metadata("mamba9");
  first.U32("split.count", 2).U32("split.no", 0);
  GgufFile second;
  second.U32("split.count", 2).U32("split.no", 1);
  EXPECT_EQ(OpenError(second, "m-00002-of-00002.gguf"),
            "4 DIR/m-00002-of-00002.gguf: split.no: found part 2 of 2, "
            "expected the first (name the file that ends with "
            "-00001-of-00002.gguf)");
  EXPECT_EQ(OpenError(first, "m.gguf"),
            "4 DIR/m.gguf: found the first of 2 files, expected its name to "
            "end with -00001-of-00002.gguf (that is how the others are found)");
  directory_.Write("m-00002-of-00002.gguf", first.bytes());
  EXPECT_EQ(OpenError(first, "m-00001-of-00002.gguf"),
            "3 DIR/m-00002-of-00002.gguf: split.no and split.count: found 0 "
            "and 2, expected 1 and 2");
}

TEST_F(GgufCheckpointTest, RefusesWhatItCannotDecode) {
  GgufFile file = Metadata("mamba9");
  file.Tensor("blk.0.a.weight", {1, 256}, GgmlType::kIQ2_XXS,
              std::string(66, '\0'));
  EXPECT_EQ(OpenError(file),
            "4 DIR/m.gguf: blk.0.a.weight: found IQ2_XXS, expected F32, F16, "
            "BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K, IQ4_NL or "
            "IQ4_XS");
  GgufFile vector = Metadata("mamba9");
  vector.Tensor("blk.0.a.weight", {32}, GgmlType::kQ8_0, std::string(34, '\0'));
  EXPECT_EQ(OpenError(vector),
            "4 DIR/m.gguf: blk.0.a.weight: found a vector in Q8_0, expected "
            "F32, F16 or BF16");
}

TEST_F(GgufCheckpointTest, RefusesMetadataThatMakesNoModel) {
  EXPECT_EQ(OpenError(GgufFile()),
            "3 DIR/m.gguf: general.architecture: found nothing, expected the "
            "name of one");
  EXPECT_EQ(OpenError(GgufFile().Text("general.architecture", "llama")),
            "3 DIR/m.gguf: llama.embedding_length: found nothing, expected a "
            "whole number");
  GgufFile differing;
  differing.Text("general.architecture", "llama")
      .U32("llama.embedding_length", kHidden)
      .U32("llama.block_count", 2)
      .Numbers<uint32_t>("llama.attention.head_count", GgufValueType::kU32,
                         {2, 4});
  EXPECT_EQ(OpenError(differing),
            "4 DIR/m.gguf: llama.attention.head_count: found numbers that "
            "differ between layers, expected one for all");
}

std::string NameFor(std::string_view model_type, std::string_view name,
                    bool fused = false) {
  return HuggingFaceName({"x", model_type, "C"}, name, fused);
}

TEST(GgufNamesTest, AreHuggingFaceNames) {
  EXPECT_EQ(NameFor("llama", "token_embd.weight"), "model.embed_tokens.weight");
  EXPECT_EQ(NameFor("llama", "output.weight"), "lm_head.weight");
  EXPECT_EQ(NameFor("qwen2", "blk.12.attn_q.bias"),
            "model.layers.12.self_attn.q_proj.bias");
  EXPECT_EQ(NameFor("gemma3_text", "blk.0.ffn_norm.weight"),
            "model.layers.0.pre_feedforward_layernorm.weight");
  EXPECT_EQ(NameFor("glm4", "blk.0.post_attention_norm.weight"),
            "model.layers.0.post_self_attn_layernorm.weight");
  EXPECT_EQ(NameFor("glm4", "blk.0.ffn_up.weight", true),
            "model.layers.0.mlp.gate_up_proj.weight");
  EXPECT_EQ(NameFor("glm4_moe", "blk.46.nextn.eh_proj.weight"),
            "model.layers.46.eh_proj.weight");
  EXPECT_EQ(NameFor("deepseek_v3", "blk.3.exp_probs_b.bias"),
            "model.layers.3.mlp.gate.e_score_correction_bias");
  EXPECT_EQ(NameFor("deepseek_v3", "blk.3.attn_k_b.weight"),
            "model.layers.3.self_attn.embed_q.weight");
  EXPECT_EQ(NameFor("qwen3_moe", "blk.3.ffn_down_exps.weight"),
            "model.layers.3.mlp.switch_mlp.down_proj.weight");
  EXPECT_EQ(NameFor("mixtral", "blk.3.ffn_gate_inp.weight"),
            "model.layers.3.block_sparse_moe.gate.weight");
  EXPECT_EQ(NameFor("mixtral", "blk.3.ffn_up.7.weight"),
            "model.layers.3.block_sparse_moe.experts.7.w3.weight");
}

TEST(GgufNamesTest, StayWhereTheyMeanNothing) {
  for (const char* name :
       {"blk.x.attn_q.weight", "blk.1.ssm_a", "blk.", "blk.1", "blk.1.",
        "other.weight", "blk.1.attn_q", "blk.1.ffn_gate.9"}) {
    EXPECT_EQ(NameFor("llama", name), name);
  }
}

}  // namespace
}  // namespace ram
