#include "ram/export/export_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <map>

#include "ram/base/digest.h"
#include "ram/base/error.h"
#include "ram/base/interrupt.h"
#include "ram/export/test_checkpoint.h"
#include "ram/quantization/affine.h"

namespace ram {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

// Every file of a directory but ram.json.
std::map<std::string, std::string> Contents(const fs::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    files[name] = FileText(entry.path());
  }
  return files;
}

std::string TensorBytes(const fs::path& file, const std::string& name) {
  const SafetensorsHeader header = ReadSafetensorsHeader(File::Open(file));
  const std::string text = FileText(file);
  for (const SafetensorsEntry& entry : header.entries) {
    if (entry.name == name) return text.substr(entry.begin, entry.bytes());
  }
  return "no tensor " + name;
}

std::vector<std::string> NamesIn(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

std::string BF16Text(const std::vector<float>& values) {
  std::string text(values.size() * 2, '\0');
  FromFloat(DType::kBF16, values, reinterpret_cast<std::byte*>(text.data()));
  return text;
}

struct Encoded {
  std::string codes, scales, biases;
};
Encoded Encode(const Scheme& scheme, const std::vector<float>& weights,
               uint64_t cols) {
  const uint64_t rows = weights.size() / cols;
  Encoded out{std::string(rows * AffineCodeBytes(scheme, cols), '\0'),
              std::string(rows * AffineScaleBytes(scheme, cols), '\0'),
              std::string(rows * AffineScaleBytes(scheme, cols), '\0')};
  EncodeAffine(scheme, Encoder::kMinMax, DType::kBF16, weights, cols,
               {std::as_writable_bytes(std::span(out.codes)),
                std::as_writable_bytes(std::span(out.scales)),
                std::as_writable_bytes(std::span(out.biases))});
  return out;
}

std::vector<float> Rounded(std::vector<float> values) {
  for (float& value : values) value = RoundTo(DType::kBF16, value);
  return values;
}

class ExportModelTest : public ::testing::Test {
 protected:
  TemporaryDirectory source_;
  TemporaryDirectory parent_;
  const fs::path out_ = parent_ / "out";
};

TEST_F(ExportModelTest, WritesTheSameBytesForAnyNumberOfThreads) {
  WriteTestModel(MixtureTestModel(9000), source_, 3);
  for (const char* target : {"mlx", "native"}) {
    const std::string name = std::string(target);
    Compress(source_.path(), parent_ / (name + "1"), Mixed(), target, 1);
    Compress(source_.path(), parent_ / (name + "2"), Mixed(), target, 2);
    Compress(source_.path(), parent_ / (name + "5"), Mixed(), target, 5);
    const auto one = Contents(parent_ / (name + "1"));
    EXPECT_EQ(one, Contents(parent_ / (name + "2")));
    EXPECT_EQ(one, Contents(parent_ / (name + "5")));
  }
}

TEST_F(ExportModelTest, StoresTheCodesOfTheCodec) {
  TestModel model = DenseTestModel();
  WriteTestModel(model, source_);
  Compress(source_.path(), out_, Everywhere(Affine(4, 64)), "mlx");
  const Encoded expected =
      Encode(Affine(4, 64),
             Rounded(model["model.layers.1.mlp.down_proj.weight"].values), 256);
  const fs::path file = out_ / "model.safetensors";
  const std::string module = "model.layers.1.mlp.down_proj";
  EXPECT_EQ(TensorBytes(file, module + ".weight"), expected.codes);
  EXPECT_EQ(TensorBytes(file, module + ".scales"), expected.scales);
  EXPECT_EQ(TensorBytes(file, module + ".biases"), expected.biases);
}

TEST_F(ExportModelTest, WritesALargeMatrixInSlices) {
  TestModel model = DenseTestModel(9001);
  WriteTestModel(model, source_);
  const Record record =
      Compress(source_.path(), out_, Everywhere(Affine(5, 32)), "mlx");
  const Encoded expected = Encode(
      Affine(5, 32), Rounded(model["model.embed_tokens.weight"].values), 128);
  const fs::path file = out_ / "model.safetensors";
  EXPECT_EQ(TensorBytes(file, "model.embed_tokens.weight"), expected.codes);
  EXPECT_EQ(TensorBytes(file, "model.embed_tokens.biases"), expected.biases);
}

// Block (r, c) of 128 x 128 has the scale 2^-(1 + r + c).
TEST_F(ExportModelTest, DecodesScaledFloat8) {
  TestModel model = DenseTestModel();
  model.config["quantization_config"] = {{"quant_method", "fp8"},
                                         {"weight_block_size", {128, 128}}};
  const std::string name = "model.layers.0.mlp.down_proj.weight";
  TestTensor& tensor = model[name];
  tensor.dtype = DType::kF8E4M3;
  std::vector<float> expected;
  for (uint64_t i = 0; i < 128 * 256; ++i) {
    const auto code = static_cast<uint8_t>(i * 37 % 120);  // 0x00 to 0x77
    tensor.raw += static_cast<char>(code);
    expected.push_back(F8E4M3ToFloat(code) *
                       std::ldexp(1.0f, i % 256 < 128 ? -1 : -2));
  }
  TestTensor scales{
      name + "_scale_inv", DType::kF32, {1, 2}, {0.5f, 0.25f}, {}};
  model.tensors.push_back(scales);
  WriteTestModel(model, source_);
  Compress(source_.path(), out_, Everywhere(Affine(8, 128)), "mlx");
  EXPECT_EQ(TensorBytes(out_ / "model.safetensors", name),
            Encode(Affine(8, 128), expected, 256).codes);
}

TEST_F(ExportModelTest, StacksExpertsInTheirOrder) {
  TestModel model = MixtureTestModel();
  WriteTestModel(model, source_);
  Compress(source_.path(), out_, Everywhere(Affine(3, 32)), "mlx");
  std::string codes, scales;
  for (const char* expert : {"0", "1", "2", "3"}) {
    const Encoded one = Encode(
        Affine(3, 32),
        Rounded(
            model[fmt::format("model.layers.0.mlp.experts.{}.up_proj.weight",
                              expert)]
                .values),
        128);
    codes += one.codes;
    scales += one.scales;
  }
  const fs::path file = out_ / "model.safetensors";
  const std::string module = "model.layers.0.mlp.switch_mlp.up_proj";
  EXPECT_EQ(TensorBytes(file, module + ".weight"), codes);
  EXPECT_EQ(TensorBytes(file, module + ".scales"), scales);
}

TEST_F(ExportModelTest, CopiesPlainTensorsAndUnitsLeftAtSixteenBits) {
  TestModel model = DenseTestModel();
  WriteTestModel(model, source_);
  Compress(source_.path(), out_, Everywhere(kFloat16Scheme), "mlx");
  for (const char* name : {"model.norm.weight", "lm_head.weight"}) {
    EXPECT_EQ(TensorBytes(out_ / "model.safetensors", name),
              BF16Text(model[name].values));
  }
}

TEST_F(ExportModelTest, CastsFloatsLeftAtSixteenBits) {
  TestModel model = DenseTestModel();
  for (TestTensor& tensor : model.tensors) tensor.dtype = DType::kF32;
  WriteTestModel(model, source_);
  const Record record =
      Compress(source_.path(), out_, Everywhere(kFloat16Scheme), "mlx");
  EXPECT_EQ(TensorBytes(out_ / "model.safetensors", "lm_head.weight"),
            BF16Text(model["lm_head.weight"].values));
  // Rounding to 8 significant bits: about 2^-18 / 3 of the mean square.
  EXPECT_GT(record.units[0].nmse, 1e-7);
  EXPECT_LT(record.units[0].nmse, 0x1p-16);
}

TEST_F(ExportModelTest, RecordsTheErrorOfWhatWasStored) {
  TestModel model = DenseTestModel();
  WriteTestModel(model, source_);
  const Record record =
      Compress(source_.path(), out_, Everywhere(Affine(4, 64)), "mlx");
  const auto unit = std::find_if(
      record.units.begin(), record.units.end(),
      [](const auto& u) { return u.unit == "model.layers.0.mlp.up_proj"; });
  ASSERT_NE(unit, record.units.end());
  // The range of 64 normal values is about 4.8 deviations, so a step is 0.32
  // of one and the error 0.32^2 / 12 of the variance.
  EXPECT_NEAR(unit->nmse, 0.32 * 0.32 / 12, 0.0015);
}

TEST_F(ExportModelTest, RecordsTheDigestOfEveryInputAndOutput) {
  WriteTestModel(MixtureTestModel(), source_, 2);
  const Record record = Compress(source_.path(), out_, Mixed(), "native");
  EXPECT_EQ(record.inputs.size(), 3u);
  for (const ExportedFile& file : record.inputs) {
    EXPECT_EQ(file.sha256, Sha256OfFile(source_ / file.name)) << file.name;
    EXPECT_EQ(file.bytes, fs::file_size(source_ / file.name));
  }
  EXPECT_EQ(record.outputs.size() + 1, NamesIn(out_).size());
  for (const ExportedFile& file : record.outputs) {
    EXPECT_EQ(file.sha256, Sha256OfFile(out_ / file.name)) << file.name;
    EXPECT_EQ(file.bytes, fs::file_size(out_ / file.name));
  }
}

TEST_F(ExportModelTest, CopiesCompanionFilesAsTheyAre) {
  WriteTestModel(DenseTestModel(), source_);
  Compress(source_.path(), out_, Everywhere(Affine(4, 64)), "mlx");
  EXPECT_EQ(FileText(out_ / "tokenizer.json"), "{\"version\": \"1.0\"}");
}

TEST_F(ExportModelTest, WritesAnIndexOfEveryTensor) {
  TestModel model = DenseTestModel();
  WriteTestModel(model, source_);
  Compress(source_.path(), out_, Everywhere(Affine(8, 32)), "mlx");
  const Json index =
      Json::parse(FileText(out_ / "model.safetensors.index.json"));
  const SafetensorsHeader header =
      ReadSafetensorsHeader(File::Open(out_ / "model.safetensors"));
  EXPECT_EQ(index["weight_map"].size(), header.entries.size());
  uint64_t weights = 0;
  for (const TestTensor& tensor : model.tensors)
    weights += tensor.values.size();
  EXPECT_EQ(index["metadata"]["total_parameters"], weights);
}

TEST_F(ExportModelTest, NamesTheTensorAndIndexOfAnInfiniteWeight) {
  TestModel model = DenseTestModel();
  auto& values = model["model.layers.1.self_attn.q_proj.weight"].values;
  values[5 * 128 + 17] = std::numeric_limits<float>::infinity();
  WriteTestModel(model, source_);
  EXPECT_EQ(ErrorMessage([&] {
              Compress(source_.path(), out_, Everywhere(Affine(4, 64)), "mlx");
            }),
            (source_.path() / "model.safetensors").string() +
                ": model.layers.1.self_attn.q_proj.weight: found infinity at "
                "index 657, expected finite weights (--allow-nonfinite keeps "
                "the tensor at 16 bits)");
  EXPECT_TRUE(NamesIn(parent_.path()).empty());
}

TEST_F(ExportModelTest, CopiesNanInAUnitLeftAtSixteenBits) {
  TestModel model = DenseTestModel();
  auto& values = model["lm_head.weight"].values;
  values[3] = std::numeric_limits<float>::quiet_NaN();
  WriteTestModel(model, source_);
  const Record record =
      Compress(source_.path(), out_, Everywhere(kFloat16Scheme), "mlx");
  EXPECT_EQ(TensorBytes(out_ / "model.safetensors", "lm_head.weight"),
            BF16Text(values));
  for (const auto& unit : record.units) {
    EXPECT_EQ(unit.nonfinite, unit.unit == "lm_head" ? 1u : 0u) << unit.unit;
  }
}

TEST_F(ExportModelTest, LeavesAnExistingOutputAlone) {
  WriteTestModel(DenseTestModel(), source_);
  fs::create_directory(out_);
  WriteText(out_ / "mine", "untouched");
  EXPECT_EQ(ErrorMessage([&] {
              Compress(source_.path(), out_, Everywhere(Affine(4, 64)), "mlx");
            }),
            out_.string() +
                ": found an existing output, expected a new name (nothing was "
                "changed; remove it or choose another)");
  EXPECT_EQ(FileText(out_ / "mine"), "untouched");
  EXPECT_EQ(NamesIn(parent_.path()), std::vector<std::string>{"out"});
}

// Asks for an interrupt once some work is done.
class InterruptingProgress : public Progress {
 public:
  void Begin(std::string_view, uint64_t) override {}
  void Advance(uint64_t) override {
    if (++calls_ == 5) RequestInterrupt();
  }
  void End() override {}

 private:
  std::atomic<int> calls_ = 0;
};

TEST_F(ExportModelTest, LeavesNothingBehindWhenInterrupted) {
  WriteTestModel(DenseTestModel(), source_);
  const Checkpoint checkpoint = Checkpoint::Open(source_.path());
  const Target& target = FindTarget("mlx");
  const TargetLayout layout = target.Describe(checkpoint.model());
  const Plan plan =
      TestPlan(checkpoint.model(), target, layout, Everywhere(Affine(4, 64)));
  InterruptingProgress progress;
  try {
    OutputDirectory directory(out_);
    ExportModel(checkpoint, target, layout, plan, {2, true}, directory,
                progress);
    FAIL() << "not interrupted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInterrupted);
  }
  ClearInterrupt();
  EXPECT_TRUE(NamesIn(parent_.path()).empty());
}

// Writes to a file of the source in the middle of the work.
class MeddlingProgress : public Progress {
 public:
  explicit MeddlingProgress(fs::path path) : path_(std::move(path)) {}
  void Begin(std::string_view, uint64_t) override {}
  void Advance(uint64_t) override {
    if (++calls_ == 5) std::ofstream(path_, std::ios::app) << "more";
  }
  void End() override {}

 private:
  fs::path path_;
  std::atomic<int> calls_ = 0;
};

TEST_F(ExportModelTest, RefusesAnInputThatChangesMeanwhile) {
  WriteTestModel(DenseTestModel(), source_);
  const fs::path file = source_ / "model.safetensors";
  const uint64_t bytes = fs::file_size(file);
  const Checkpoint checkpoint = Checkpoint::Open(source_.path());
  const Target& target = FindTarget("mlx");
  const TargetLayout layout = target.Describe(checkpoint.model());
  const Plan plan =
      TestPlan(checkpoint.model(), target, layout, Everywhere(Affine(4, 64)));
  MeddlingProgress progress(file);
  EXPECT_EQ(ErrorMessage([&] {
              OutputDirectory directory(out_);
              ExportModel(checkpoint, target, layout, plan, {2, true},
                          directory, progress);
            }),
            fmt::format("{}: changed while being read: found {} bytes, "
                        "expected {} (run again when nothing writes to it)",
                        file.string(), bytes + 4, bytes));
  EXPECT_TRUE(NamesIn(parent_.path()).empty());
}

// A limit on the size of files stands for a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(uint64_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_;
  void (*handler_)(int);
};

TEST_F(ExportModelTest, LeavesNothingBehindWithoutSpace) {
  WriteTestModel(DenseTestModel(), source_);
  std::string message;
  {
    const FileSizeLimit limit(uint64_t{64} << 10);
    message = ErrorMessage([&] {
      Compress(source_.path(), out_, Everywhere(Affine(4, 64)), "mlx");
    });
  }
  EXPECT_THAT(message,
              MatchesRegex(".*/\\.out\\.partial-[0-9]+/model\\.safetensors: "
                           "cannot reserve [0-9]+ bytes: File too large"));
  EXPECT_TRUE(NamesIn(parent_.path()).empty());
}

TEST_F(ExportModelTest, RefusesAPlanForAnotherModel) {
  TestModel model = DenseTestModel();
  WriteTestModel(model, source_);
  const Checkpoint checkpoint = Checkpoint::Open(source_.path());
  const Target& target = FindTarget("mlx");
  const TargetLayout layout = target.Describe(checkpoint.model());
  Plan plan =
      TestPlan(checkpoint.model(), target, layout, Everywhere(Affine(4, 64)));
  plan.units.back().unit = "model.layers.9.mlp.up_proj";
  const std::string message = ErrorMessage([&] {
    OutputDirectory directory(out_);
    ExportModel(checkpoint, target, layout, plan, {2, true}, directory,
                NoProgress());
  });
  EXPECT_NE(message, "");
  EXPECT_TRUE(NamesIn(parent_.path()).empty());
}

}  // namespace
}  // namespace ram
