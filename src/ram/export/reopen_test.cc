// What was compressed, opened as a checkpoint: the same canonical matrices as
// in the source, holding what the stored codes decode to.
#include <gtest/gtest.h>

#include <map>

#include "ram/checkpoint/expected_tensors.h"
#include "ram/export/test_checkpoint.h"

namespace ram {
namespace {

// tests/data/mlx_names/FAMILY.json: a tiny config of every family.
TestModel FamilyModel(const std::string& family) {
  const Json golden = ReadJsonFile(std::string(RAM_SOURCE_DIR) +
                                   "/tests/data/mlx_names/" + family + ".json");
  TestModel model;
  model.config = golden["config"];
  Json outer = golden["config"];  // the family is that of the whole model
  if (outer.contains("text_config")) outer["text_config"].erase("model_type");
  for (const TensorInfo& tensor : ExpectedTensors(outer)) {
    model.Add(tensor.name, tensor.shape);
  }
  const std::string correction =
      "model.layers.1.mlp.gate.e_score_correction_bias";
  if (golden["parameters"].contains(correction)) model.Add(correction, {4});
  return model;
}

// The bits [at, at + width) of a little-endian stream.
uint32_t BitsAt(std::string_view bytes, uint64_t at, int width) {
  uint32_t value = 0;
  for (int i = 0; i < width; ++i) {
    const uint64_t bit = at + static_cast<uint64_t>(i);
    const auto byte = static_cast<unsigned char>(bytes[bit / 8]);
    value |= ((byte >> (bit % 8)) & 1u) << i;
  }
  return value;
}

// A tensor of an output file, found by its name there.
struct RawTensor {
  SafetensorsEntry entry;
  std::string bytes;

  float Number(uint64_t i) const {
    float value = 0;
    ToFloat(entry.dtype,
            reinterpret_cast<const std::byte*>(bytes.data()) +
                i * DTypeBytes(entry.dtype),
            std::span(&value, 1));
    return value;
  }
};

std::map<std::string, RawTensor> RawTensors(const std::filesystem::path& file) {
  std::map<std::string, RawTensor> tensors;
  const File in = File::Open(file);
  for (SafetensorsEntry& entry : ReadSafetensorsHeader(in).entries) {
    std::string bytes(entry.bytes(), '\0');
    in.ReadAt(entry.begin, std::as_writable_bytes(std::span(bytes)));
    const std::string name = entry.name;
    tensors[name] = {std::move(entry), std::move(bytes)};
  }
  return tensors;
}

// The rows of a unit as docs/formats/mlx.md defines them, bit by bit.
std::vector<float> DecodeUnit(const Unit& unit, const Scheme& scheme,
                              const std::map<std::string, RawTensor>& raw) {
  std::vector<float> weights(unit.weights());
  const RawTensor& stored = raw.at(unit.name + ".weight");
  if (scheme.kind == SchemeKind::kFloat) {
    for (uint64_t i = 0; i < weights.size(); ++i) {
      weights[i] = stored.Number(i);
    }
    return weights;
  }
  const RawTensor& scales = raw.at(unit.name + ".scales");
  const RawTensor& biases = raw.at(unit.name + ".biases");
  const auto group = static_cast<uint64_t>(scheme.group_size);
  for (uint64_t i = 0; i < weights.size(); ++i) {
    const uint32_t code = BitsAt(
        stored.bytes, i * static_cast<uint64_t>(scheme.bits), scheme.bits);
    const float product = scales.Number(i / group) * static_cast<float>(code);
    weights[i] = product + biases.Number(i / group);
  }
  return weights;
}

std::vector<float> RowsOf(const Checkpoint& checkpoint, const Matrix& matrix) {
  std::vector<float> rows(matrix.weights());
  checkpoint.ReadRows(matrix, 0, rows);
  return rows;
}

const Matrix* Find(const Model& model, const std::string& name) {
  for (const Matrix& matrix : model.matrices) {
    if (matrix.name == name) return &matrix;
  }
  return nullptr;
}

class Reopened {
 public:
  Reopened(const std::filesystem::path& source_path, const char* target_name,
           const SchemeChooser& choose)
      : out_(directory_.path() / "out") {
    Compress(source_path, out_, choose, target_name);
    source_.emplace(Checkpoint::Open(source_path));
    output_.emplace(Checkpoint::Open(out_));
    layout_ = FindTarget(target_name).Describe(source_->model());
    plan_ = ReadPlan(out_ / "plan.json");
    for (const std::string& file : output_->weight_files()) {
      raw_.merge(RawTensors(out_ / file));
    }
  }

  void ExpectSameMatrices() {
    size_t members = 0;
    for (size_t u = 0; u < layout_.units.size(); ++u) {
      const Unit& unit = layout_.units[u];
      const std::vector<float> rows =
          DecodeUnit(unit, plan_.units[u].scheme, raw_);
      uint64_t at = 0;
      for (uint32_t member : unit.members) {
        const Matrix& matrix = source_->model().matrices[member];
        ExpectSameMatrix(matrix, plan_.units[u].scheme,
                         std::span(rows).subspan(at, matrix.weights()));
        at += matrix.weights();
        ++members;
      }
    }
    EXPECT_EQ(output_->model().matrices.size(), members);
  }

  // Tensors that are no matrices keep their names.
  void ExpectSamePlainTensors(bool same_values) {
    const Model& model = output_->model();
    std::map<std::string, uint32_t> index;
    for (uint32_t i = 0; i < model.tensors.size(); ++i) {
      index[model.tensors[i].name] = i;
    }
    for (const PlainTensor& plain : layout_.plain) {
      const TensorInfo& source = source_->model().tensors[plain.tensor];
      SCOPED_TRACE(source.name);
      ASSERT_TRUE(index.contains(source.name));
      const uint32_t found = index.at(source.name);
      EXPECT_EQ(model.uses[found], TensorUse::kPlain);
      ASSERT_EQ(model.tensors[found].bytes(), source.bytes());
      std::string expected(source.bytes(), '\0');
      std::string stored(source.bytes(), '\0');
      source_->ReadTensor(plain.tensor, 0,
                          std::as_writable_bytes(std::span(expected)));
      output_->ReadTensor(found, 0, std::as_writable_bytes(std::span(stored)));
      if (same_values) {
        EXPECT_EQ(stored, expected);
      }
    }
  }

  const Checkpoint& output() const { return *output_; }

 private:
  void ExpectSameMatrix(const Matrix& expected, const Scheme& scheme,
                        std::span<const float> rows) {
    SCOPED_TRACE(expected.name);
    const Matrix* found = Find(output_->model(), expected.name);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->role, expected.role);
    EXPECT_EQ(found->layer, expected.layer);
    EXPECT_EQ(found->expert, expected.expert);
    EXPECT_EQ(found->section, expected.section);
    EXPECT_EQ(found->norm, expected.norm);
    EXPECT_TRUE(found->contiguous());
    ASSERT_EQ(found->rows, expected.rows);
    ASSERT_EQ(found->cols, expected.cols);
    const std::vector<float> weights = RowsOf(*output_, *found);
    EXPECT_TRUE(std::equal(weights.begin(), weights.end(), rows.begin()));
    if (scheme.kind == SchemeKind::kFloat) {
      EXPECT_EQ(weights, RowsOf(*source_, expected));
    }
    ExpectStoredRows(*found, scheme, weights);
  }

  // The packed rows of the second half decode to the same.
  void ExpectStoredRows(const Matrix& matrix, const Scheme& scheme,
                        std::span<const float> weights) {
    const Storage& storage = output_->TensorOf(matrix).storage;
    if (scheme.kind == SchemeKind::kFloat) {
      EXPECT_TRUE(storage.dense());
      return;
    }
    ASSERT_EQ(storage.kind, Storage::Kind::kAffine);
    EXPECT_EQ(storage.scheme, scheme);
    const uint64_t row = matrix.rows / 2;
    const uint64_t count = matrix.rows - row;
    std::vector<std::byte> codes(count * AffineCodeBytes(scheme, matrix.cols));
    std::vector<std::byte> scales(count *
                                  AffineScaleBytes(scheme, matrix.cols));
    std::vector<std::byte> biases(scales.size());
    output_->ReadStoredRows(matrix, row, {codes, scales, biases});
    std::vector<float> decoded(count * matrix.cols);
    DecodeAffine(scheme, output_->TensorOf(matrix).dtype,
                 {codes, scales, biases}, matrix.cols, decoded);
    const auto expected = weights.subspan(row * matrix.cols);
    EXPECT_TRUE(std::equal(decoded.begin(), decoded.end(), expected.begin()));
  }

  TemporaryDirectory directory_;
  std::filesystem::path out_;
  std::optional<Checkpoint> source_;
  std::optional<Checkpoint> output_;
  TargetLayout layout_;
  Plan plan_;
  std::map<std::string, RawTensor> raw_;
};

class ReopenTest : public testing::TestWithParam<const char*> {
 protected:
  ReopenTest() : model_(FamilyModel(GetParam())) {
    WriteTestModel(model_, source_);
  }
  // Qwen3.5's norms and convolutions are stored MLX's way.
  bool SameValues() const {
    return std::string_view(GetParam()).find("qwen3_5") == std::string::npos;
  }

  TestModel model_;
  TemporaryDirectory source_;
};

TEST_P(ReopenTest, FindsTheSameMatricesInMlx) {
  Reopened reopened(source_.path(), "mlx", Mixed());
  reopened.ExpectSameMatrices();
  reopened.ExpectSamePlainTensors(SameValues());
}

TEST_P(ReopenTest, FindsTheSameMatricesInNative) {
  Reopened reopened(source_.path(), "native", Mixed());
  reopened.ExpectSameMatrices();
  reopened.ExpectSamePlainTensors(true);
}

TEST_P(ReopenTest, FindsTheSameMatricesAt16Bits) {
  for (const char* target : {"mlx", "native"}) {
    Reopened reopened(source_.path(), target, Everywhere(kFloat16Scheme));
    reopened.ExpectSameMatrices();
    EXPECT_EQ(reopened.output().model().quantized_weights(), 0u);
  }
}

// MLX's form again, from MLX's and from native's.
TEST_P(ReopenTest, CompressesAgainUnderTheSameNames) {
  TemporaryDirectory directory;
  const auto at = [&](const char* name) { return directory.path() / name; };
  Compress(source_.path(), at("mlx"), Everywhere(Affine(8, 32)), "mlx");
  Compress(source_.path(), at("native"), Everywhere(Affine(8, 32)), "native");
  const auto expected = RawTensors(at("mlx") / "model.safetensors");
  for (const char* name : {"mlx", "native"}) {
    const auto again = at((std::string(name) + "-again").c_str());
    Compress(at(name), again, Everywhere(Affine(8, 32)), "mlx");
    const auto found = RawTensors(again / "model.safetensors");
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [tensor, raw] : expected) {
      SCOPED_TRACE(tensor);
      ASSERT_TRUE(found.contains(tensor));
      EXPECT_EQ(found.at(tensor).entry.shape, raw.entry.shape);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, ReopenTest,
                         testing::Values("llama", "llama_bias", "mistral",
                                         "mixtral", "qwen2", "qwen3",
                                         "qwen3_moe", "qwen3_5", "qwen3_5_moe",
                                         "glm4", "glm4_moe", "glm4_moe_lite",
                                         "deepseek_v3", "dbrx", "phi3",
                                         "gemma3_text", "gemma3", "gpt2"),
                         [](const auto& test) { return test.param; });

TEST(ReopenSharedTest, FindsTheSameMatrices) {
  const std::filesystem::path models =
      std::filesystem::path(RAM_SOURCE_DIR) / ".." / "shared" / "models";
  for (const char* name : {"wiki-dense", "wiki-moe"}) {
    if (!std::filesystem::exists(models / name)) {
      GTEST_SKIP() << (models / name) << " is not there";
    }
    for (const char* target : {"mlx", "native"}) {
      SCOPED_TRACE(std::string(name) + " " + target);
      Reopened reopened(models / name, target, Mixed());
      reopened.ExpectSameMatrices();
      reopened.ExpectSamePlainTensors(true);
    }
  }
}

}  // namespace
}  // namespace ram
