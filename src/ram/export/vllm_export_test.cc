// Outputs of target vllm: byte equality with compressed-tensors 0.20.1
// (tests/peers/make_vllm_golden.py wrote tests/data/vllm), reading them back,
// and what the audit finds in them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "ram/base/digest.h"
#include "ram/export/reproduce.h"
#include "ram/export/test_checkpoint.h"
#include "ram/quantization/packed_int.h"

namespace ram {
namespace {

namespace fs = std::filesystem;

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

// "BF16 [2, 3] BYTES" of every tensor.
std::map<std::string, std::string> Tensors(const fs::path& path) {
  std::map<std::string, std::string> tensors;
  const File file = File::Open(path);
  for (const SafetensorsEntry& entry : ReadSafetensorsHeader(file).entries) {
    std::string bytes(entry.bytes(), '\0');
    file.ReadAt(entry.begin, std::as_writable_bytes(std::span(bytes)));
    tensors[entry.name] = fmt::format("{} [{}] {}", DTypeName(entry.dtype),
                                      fmt::join(entry.shape, ", "), bytes);
  }
  return tensors;
}

// Attention at 8 bits, all else at 4.
Scheme GoldenScheme(const Unit& unit) {
  const bool attention = unit.name.find(".self_attn.") != std::string::npos;
  return Everywhere(SignedInt(attention ? 8 : 4, 32))(unit);
}

class VllmGoldenTest : public testing::TestWithParam<const char*> {};

TEST_P(VllmGoldenTest, WritesTheTensorsOfCompressedTensors) {
  const fs::path folder =
      fs::path(RAM_SOURCE_DIR "/tests/data/vllm") / GetParam();
  TemporaryDirectory parent;
  Compress(folder, parent / "out", GoldenScheme, "vllm");
  std::map<std::string, std::string> expected =
      Tensors(folder / "model.safetensors");
  for (auto& [name, tensor] : Tensors(folder / "packed.safetensors")) {
    const size_t dot = name.rfind('.');
    expected.erase(name.substr(0, dot) + ".weight");
    expected[name] = tensor;
  }
  EXPECT_EQ(Tensors(parent / "out" / "model.safetensors"), expected);
}

INSTANTIATE_TEST_SUITE_P(Models, VllmGoldenTest,
                         testing::Values("qwen3", "qwen3-moe"),
                         [](const auto& test) {
                           const std::string name = test.param;
                           return name == "qwen3" ? "Dense" : "Mixture";
                         });

class VllmExportTest : public testing::Test {
 protected:
  VllmExportTest() {
    WriteTestModel(MixtureTestModel(), source_);
    Compress(source_.path(), out_, Mixed(), "vllm-unportable", 2,
             Encoder::kSearch);
  }
  std::vector<std::string> Findings() const {
    std::vector<std::string> texts;
    for (const auto& finding :
         Audit(out_, {2, source_.path()}, NoProgress()).findings) {
      texts.push_back(FindingText(finding));
    }
    return texts;
  }

  TemporaryDirectory source_;
  TemporaryDirectory parent_;
  const fs::path out_ = parent_ / "out";
};

// What it reads is what the stored scales times the stored codes give.
TEST_F(VllmExportTest, IsReadBackByTheSameNames) {
  const Checkpoint source = Checkpoint::Open(source_.path());
  const Checkpoint packed = Checkpoint::Open(out_);
  const auto& matrices = source.model().matrices;
  ASSERT_EQ(packed.model().matrices.size(), matrices.size());
  uint64_t ints = 0;
  for (const Matrix& matrix : matrices) {
    const auto same = std::find_if(
        packed.model().matrices.begin(), packed.model().matrices.end(),
        [&](const Matrix& other) { return other.name == matrix.name; });
    ASSERT_NE(same, packed.model().matrices.end()) << matrix.name;
    EXPECT_EQ(same->role, matrix.role);
    std::vector<float> a(matrix.weights()), b(matrix.weights());
    source.ReadRows(matrix, 0, a);
    packed.ReadRows(*same, 0, b);
    const Storage& storage = packed.TensorOf(*same).storage;
    double error = 0, norm = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      error += (a[i] - b[i]) * (a[i] - b[i]);
      norm += a[i] * a[i];
    }
    if (storage.dense()) {
      EXPECT_EQ(a, b) << matrix.name;
    } else {
      EXPECT_EQ(storage.scheme.kind, SchemeKind::kInt);
      // 2 bits on Gaussian weights lose 8.4 dB or more.
      EXPECT_LT(error, 0.25 * norm) << matrix.name;
      ++ints;
    }
  }
  EXPECT_GT(ints, 0u);
}

// The biases that the kernels of affine codes are given.
TEST_F(VllmExportTest, GivesStoredRowsWithTheirBiases) {
  const Checkpoint packed = Checkpoint::Open(out_);
  for (const Matrix& matrix : packed.model().matrices) {
    const TensorInfo& tensor = packed.TensorOf(matrix);
    if (tensor.storage.dense()) continue;
    const Scheme scheme = tensor.storage.scheme;
    std::vector<std::byte> codes(matrix.rows * tensor.row_bytes());
    std::vector<std::byte> scales(matrix.rows *
                                  AffineScaleBytes(scheme, matrix.cols));
    std::vector<std::byte> biases(scales.size());
    packed.ReadStoredRows(matrix, 0, AffineOutput{codes, scales, biases});
    std::vector<float> affine(matrix.weights()), read(matrix.weights());
    DecodeAffine(Affine(scheme.bits, scheme.group_size), tensor.dtype,
                 {codes, scales, biases}, matrix.cols, affine);
    packed.ReadRows(matrix, 0, read);
    EXPECT_EQ(affine, read) << matrix.name;
  }
}

TEST_F(VllmExportTest, IsReproducedByteForByte) {
  EXPECT_THAT(Reproduce(out_, source_.path(), 1, NoProgress()).different,
              IsEmpty());
}

TEST_F(VllmExportTest, CanBeCompressedAgain) {
  Compress(out_, parent_ / "again", Everywhere(Affine(4, 32)), "mlx");
  EXPECT_TRUE(
      Audit(parent_ / "again", {2, out_}, NoProgress()).findings.empty());
}

class VllmAuditTest : public VllmExportTest {
 protected:
  // Changes config.json and makes ram.json agree with it again.
  void EditConfig(const std::function<void(Json&)>& edit) {
    Json config = Json::parse(FileText(out_ / "config.json"));
    edit(config["quantization_config"]);
    WriteText(out_ / "config.json", config.dump());
    Record record = ReadRecord(out_);
    for (ExportedFile& file : record.outputs) {
      if (file.name != "config.json") continue;
      file.bytes = fs::file_size(out_ / "config.json");
      file.sha256 = Sha256OfFile(out_ / "config.json");
    }
    WriteText(out_ / kRecordName, RecordToJson(record));
  }
};

TEST_F(VllmAuditTest, HoldsForWhatWasWritten) {
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(VllmAuditTest, NamesModulesOfChangedBits) {
  std::string target;
  EditConfig([&](Json& quantization) {
    Json& group = quantization["config_groups"]["group_0"];
    target = group["targets"][0].get<std::string>();
    group["targets"] = Json::array({target});
    group["weights"]["num_bits"] = 7;
  });
  const auto findings = Findings();
  ASSERT_FALSE(findings.empty());
  EXPECT_THAT(findings, testing::Contains(
                            StartsWith("config.json: " + target +
                                       ": found num_bits 7, type \"int\"")));
}

TEST_F(VllmAuditTest, NamesATargetOfNoModule) {
  EditConfig([](Json& quantization) {
    quantization["config_groups"]["group_0"]["targets"].push_back("re:.*");
  });
  EXPECT_THAT(Findings(),
              ElementsAre("config.json: re:.*: found a target that names no "
                          "module, expected none"));
}

TEST_F(VllmAuditTest, NamesAnotherFormat) {
  EditConfig([](Json& quantization) { quantization["format"] = "dense"; });
  EXPECT_THAT(Findings(),
              ElementsAre("config.json: quantization_config.format: found "
                          "\"dense\", expected \"pack-quantized\""));
}

TEST_F(VllmAuditTest, NamesAChangedModuleInTheRecord) {
  Record record = ReadRecord(out_);
  for (auto& unit : record.units) {
    if (!unit.modules.empty()) unit.modules[0].shape = {1, 32};
  }
  WriteText(out_ / kRecordName, RecordToJson(record));
  EXPECT_FALSE(Findings().empty());
}

}  // namespace
}  // namespace ram
