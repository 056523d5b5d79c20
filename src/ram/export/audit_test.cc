#include "ram/export/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "ram/base/digest.h"
#include "ram/base/error.h"
#include "ram/export/test_checkpoint.h"
#include "ram/quantization/affine.h"

namespace ram {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr char kUp[] = "model.layers.0.mlp.up_proj";
constexpr char kGate[] = "model.layers.0.mlp.gate_proj";

void Replace(std::string& text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
}

void EditFile(const fs::path& path,
              const std::function<void(std::string&)>& edit) {
  std::string text = FileText(path);
  edit(text);
  WriteText(path, text);
}

SafetensorsEntry EntryOf(const fs::path& file, const std::string& name) {
  const SafetensorsHeader header = ReadSafetensorsHeader(File::Open(file));
  for (const SafetensorsEntry& entry : header.entries) {
    if (entry.name == name) return entry;
  }
  ADD_FAILURE() << name;
  return {};
}

// A dense model at 4 bits, group 64, for mlx.
class AuditTest : public ::testing::Test {
 protected:
  AuditTest() {
    WriteTestModel(DenseTestModel(), source_);
    Compress(source_.path(), out_, Everywhere(Affine(4, 64)), "mlx");
  }

  std::vector<std::string> Findings(bool with_source = false) const {
    AuditOptions options;
    options.threads = 2;
    if (with_source) options.source = source_.path();
    std::vector<std::string> texts;
    for (const auto& finding : Audit(out_, options, NoProgress()).findings) {
      texts.push_back(FindingText(finding));
    }
    return texts;
  }
  // Makes ram.json agree with the changed file again.
  void Rehash(const std::string& name) const {
    Record record = ReadRecord(out_);
    for (ExportedFile& file : record.outputs) {
      if (file.name == name) file.sha256 = Sha256OfFile(out_ / name);
    }
    for (ExportedFile& file : record.outputs) {
      if (file.name == "plan.json") record.plan_sha256 = file.sha256;
    }
    WriteText(out_ / kRecordName, RecordToJson(record));
  }
  void FlipByte(const std::string& tensor) const {
    const uint64_t at = EntryOf(weights_, tensor).begin + 11;
    EditFile(weights_, [&](std::string& text) { text[at] ^= 0x40; });
  }

  TemporaryDirectory source_;
  TemporaryDirectory parent_;
  const fs::path out_ = parent_ / "out";
  const fs::path weights_ = out_ / "model.safetensors";
};

TEST_F(AuditTest, HoldsForWhatWasWritten) {
  EXPECT_THAT(Findings(), IsEmpty());
  EXPECT_THAT(Findings(true), IsEmpty());
}

TEST_F(AuditTest, ChecksEveryTensor) {
  const AuditResult result = Audit(out_, {}, NoProgress());
  const SafetensorsHeader header = ReadSafetensorsHeader(File::Open(weights_));
  EXPECT_EQ(result.tensors_total, header.entries.size());
  EXPECT_EQ(result.tensors_checked, header.entries.size());
}

TEST_F(AuditTest, DecodesEveryUnitWithASource) {
  const AuditResult result = Audit(out_, {2, source_.path()}, NoProgress());
  EXPECT_TRUE(result.source_checked);
  EXPECT_EQ(result.units_decoded, ReadRecord(out_).units.size());
  EXPECT_LE(result.largest_error_deviation, 1e-6);
}

TEST_F(AuditTest, HoldsForEveryTargetSchemeEncoderAndShardCount) {
  for (const char* target : {"mlx", "native", "vllm", "vllm-unportable"}) {
    for (Encoder encoder : {Encoder::kMinMax, Encoder::kSearch}) {
      TemporaryDirectory source, parent;
      WriteTestModel(MixtureTestModel(), source, 2);
      Compress(source.path(), parent / "out", Mixed(), target, 2, encoder);
      const AuditResult result =
          Audit(parent / "out", {2, source.path()}, NoProgress());
      for (const auto& finding : result.findings) {
        ADD_FAILURE() << target << ": " << FindingText(finding);
      }
    }
  }
}

TEST_F(AuditTest, HoldsForFloat32Sources) {
  TemporaryDirectory source, parent;
  TestModel model = MixtureTestModel();
  for (TestTensor& tensor : model.tensors) tensor.dtype = DType::kF32;
  WriteTestModel(model, source);
  Compress(source.path(), parent / "out", Mixed(), "mlx");
  for (const auto& finding :
       Audit(parent / "out", {2, source.path()}, NoProgress()).findings) {
    ADD_FAILURE() << FindingText(finding);
  }
}

TEST_F(AuditTest, HoldsForMatricesOfManySlices) {
  TemporaryDirectory source, parent;
  WriteTestModel(DenseTestModel(9001), source);
  Compress(source.path(), parent / "out", Mixed(), "mlx", 2, Encoder::kSearch);
  for (const auto& finding :
       Audit(parent / "out", {2, source.path()}, NoProgress()).findings) {
    ADD_FAILURE() << FindingText(finding);
  }
}

// Real weights: trained ones in the repository, others where they are present.
TEST_F(AuditTest, HoldsForTrainedModels) {
  const fs::path root = RAM_SOURCE_DIR;
  const char* shared = std::getenv("RAM_SHARED");
  const fs::path more =
      (shared != nullptr ? fs::path(shared) : root / ".." / "shared") /
      "models";
  for (const fs::path& source :
       {root / "models/wiki-dense", more / "wiki-moe", more / "stories260k"}) {
    if (!fs::exists(source)) {
      std::cout << source.filename() << " skipped: no shared data\n";
      continue;
    }
    TemporaryDirectory parent;
    Compress(source, parent / "out", Mixed(), "mlx", 2, Encoder::kSearch);
    const AuditResult result = Audit(parent / "out", {2, source}, NoProgress());
    EXPECT_TRUE(result.source_checked);
    for (const auto& finding : result.findings) {
      ADD_FAILURE() << source << ": " << FindingText(finding);
    }
  }
}

// The plan's prediction is made matrix by matrix without writing anything.
TEST_F(AuditTest, HoldsForErrorsPredictedByTheSearch) {
  TestModel model = DenseTestModel();
  TestTensor& tensor = model[std::string(kUp) + ".weight"];
  for (float& value : tensor.values) value = RoundTo(DType::kBF16, value);
  const Scheme scheme = Affine(3, 64);
  double squared_error = 0, squared_norm = 0;
  MeasureAffineSearch(std::span(&scheme, 1), DType::kBF16, tensor.values, 128,
                      std::span(&squared_error, 1));
  for (float value : tensor.values) {
    squared_norm += static_cast<double>(value) * value;
  }
  TemporaryDirectory parent;
  Compress(source_.path(), parent / "out", Everywhere(scheme), "mlx", 2,
           Encoder::kSearch);
  for (const auto& unit : ReadRecord(parent / "out").units) {
    if (unit.unit != kUp) continue;
    EXPECT_NEAR(unit.nmse, squared_error / squared_norm,
                kSearchPredictionTolerance * unit.nmse);
  }
}

TEST_F(AuditTest, NeedsARecord) {
  fs::remove(out_ / "ram.json");
  EXPECT_EQ(ErrorMessage([&] { Audit(out_, {}, NoProgress()); }),
            out_.string() +
                ": found no ram.json, expected what `ram compress` wrote");
}

TEST_F(AuditTest, NamesTheTensorOfAChangedCode) {
  FlipByte(std::string(kUp) + ".weight");
  const auto findings = Findings();
  EXPECT_THAT(findings,
              Contains(StartsWith("model.safetensors: " + std::string(kUp) +
                                  ".weight: found data of xxh3 ")));
  EXPECT_THAT(findings,
              Contains(StartsWith("model.safetensors: sha256: found ")));
  EXPECT_EQ(findings.size(), 2u);
}

TEST_F(AuditTest, NamesTheTensorOfAChangedScale) {
  FlipByte(std::string(kUp) + ".scales");
  EXPECT_THAT(Findings(),
              Contains(StartsWith("model.safetensors: " + std::string(kUp) +
                                  ".scales: found data of xxh3 ")));
}

TEST_F(AuditTest, NamesAScaleThatIsNotFinite) {
  const std::string name = std::string(kUp) + ".scales";
  const uint64_t at = EntryOf(weights_, name).begin;
  EditFile(weights_, [&](std::string& text) {
    text[at] = static_cast<char>(0x80);
    text[at + 1] = 0x7F;  // BF16 infinity
  });
  EXPECT_THAT(Findings(), Contains("model.safetensors: " + name +
                                   ": found 1 NaN or Inf, expected 0"));
}

TEST_F(AuditTest, NamesTwoTensorsSwappedInTheHeader) {
  EditFile(weights_, [](std::string& text) {
    Replace(text, std::string(kUp) + ".weight", "@");
    Replace(text, std::string(kGate) + ".weight", std::string(kUp) + ".weight");
    Replace(text, "@", std::string(kGate) + ".weight");
  });
  const auto findings = Findings();
  for (const char* unit : {kUp, kGate}) {
    EXPECT_THAT(findings,
                Contains(StartsWith("model.safetensors: " + std::string(unit) +
                                    ".weight: found data of xxh3 ")));
  }
}

TEST_F(AuditTest, NamesTheUnitsOfChangedBitsInTheConfig) {
  EditFile(out_ / "config.json", [](std::string& text) {
    Json config = Json::parse(text);
    for (const char* key : {"quantization", "quantization_config"}) {
      config[key][kUp] = {{"bits", 8}, {"group_size", 64}, {"mode", "affine"}};
    }
    text = config.dump();
  });
  Rehash("config.json");
  EXPECT_THAT(
      Findings(),
      Contains("config.json: " + std::string(kUp) +
               ": found 8 bits, group size 64, affine, expected 4 bits, group "
               "size 64, affine, as planned"));
}

TEST_F(AuditTest, NamesAConfigEntryForNoUnit) {
  EditFile(out_ / "config.json", [](std::string& text) {
    Json config = Json::parse(text);
    for (const char* key : {"quantization", "quantization_config"}) {
      config[key]["model.layers.7.mlp.up_proj"] = {{"bits", 4},
                                                   {"group_size", 64}};
    }
    text = config.dump();
  });
  EXPECT_THAT(Findings(),
              Contains("config.json: model.layers.7.mlp.up_proj: found a "
                       "quantization entry that names no unit, expected none"));
}

TEST_F(AuditTest, NamesTheSecondConfigObjectThatDiffers) {
  EditFile(out_ / "config.json", [](std::string& text) {
    Json config = Json::parse(text);
    config["quantization_config"]["bits"] = 8;
    text = config.dump();
  });
  EXPECT_THAT(Findings(),
              Contains(StartsWith("config.json: quantization_config: found ")));
}

TEST_F(AuditTest, NamesAMissingTensorAndTheOneInItsPlace) {
  EditFile(weights_, [](std::string& text) {
    Replace(text, std::string(kUp) + ".biases",
            "model.layers.0.mlp.up_proj.biasez");
  });
  const auto findings = Findings();
  EXPECT_THAT(findings,
              Contains("model.safetensors.index.json: " + std::string(kUp) +
                       ".biases: found no such tensor in any file, expected "
                       "BF16 [256, 2]"));
  EXPECT_THAT(findings,
              Contains("model.safetensors: model.layers.0.mlp.up_proj.biasez: "
                       "found a tensor that the plan lacks, expected none"));
}

TEST_F(AuditTest, NamesATruncatedFileAndItsTensors) {
  const uint64_t bytes = fs::file_size(weights_);
  fs::resize_file(weights_, bytes - 1);
  const auto findings = Findings();
  EXPECT_THAT(findings,
              Contains(fmt::format("model.safetensors: found {} bytes, "
                                   "expected {} bytes",
                                   bytes - 1, bytes)));
  EXPECT_THAT(findings,
              Contains(HasSubstr(fmt::format(
                  ": found the end of the file at byte {}, expected data up "
                  "to byte {}",
                  bytes - 1, bytes))));
}

TEST_F(AuditTest, NamesAFileCutInItsHeader) {
  fs::resize_file(weights_, 100);
  EXPECT_THAT(Findings(),
              Contains(StartsWith("model.safetensors: header: found ")));
}

TEST_F(AuditTest, NamesTheUnitOfAnEditedPlan) {
  EditFile(out_ / "plan.json", [](std::string& text) {
    Plan plan = PlanFromJson(text, "plan.json");
    for (PlannedUnit& unit : plan.units) {
      if (unit.unit == kUp) unit.scheme = Affine(8, 64);
    }
    text = PlanToJson(plan);
  });
  const auto findings = Findings();
  EXPECT_THAT(findings, Contains(StartsWith("plan.json: sha256: found ")));
  EXPECT_THAT(findings,
              Contains("model.safetensors: " + std::string(kUp) +
                       ".weight: found U32 [256, 16], expected U32 [256, 32]"));
}

TEST_F(AuditTest, FindsAnEditedPlanWithItsDigestAdjusted) {
  EditFile(out_ / "plan.json", [](std::string& text) {
    Plan plan = PlanFromJson(text, "plan.json");
    plan.totals.file_bytes += 1;
    text = PlanToJson(plan);
  });
  Rehash("plan.json");
  EXPECT_THAT(Findings(),
              Contains(StartsWith("plan.json: totals.file_bytes: found ")));
}

TEST_F(AuditTest, FindsAPredictedErrorThatWasNotMet) {
  EditFile(out_ / "plan.json", [](std::string& text) {
    Plan plan = PlanFromJson(text, "plan.json");
    for (PlannedUnit& unit : plan.units) {
      if (unit.unit == kUp) unit.nmse = 0.5;
    }
    text = PlanToJson(plan);
  });
  Rehash("plan.json");
  EXPECT_THAT(Findings(),
              Contains(StartsWith("plan.json: " + std::string(kUp) +
                                  ": found a predicted nmse of 0.5, ")));
}

TEST_F(AuditTest, NamesAPlanThatIsNotJson) {
  WriteText(out_ / "plan.json", "{");
  EXPECT_THAT(Findings(), Contains(StartsWith("plan.json: found ")));
}

TEST_F(AuditTest, NamesAFileThatDoesNotBelongThere) {
  WriteText(out_ / "extra.bin", "");
  EXPECT_THAT(Findings(),
              Contains("extra.bin: found a file that ram.json does not list, "
                       "expected no such file"));
}

TEST_F(AuditTest, NamesAMissingFile) {
  fs::remove(out_ / "tokenizer.json");
  EXPECT_THAT(
      Findings(),
      Contains("tokenizer.json: found no such file, expected 18 bytes"));
}

TEST_F(AuditTest, NamesAChangedCompanionFile) {
  EditFile(out_ / "tokenizer.json", [](std::string& text) { text[2] = 'x'; });
  EXPECT_THAT(Findings(),
              Contains(StartsWith("tokenizer.json: sha256: found ")));
}

TEST_F(AuditTest, NamesATensorThatTheIndexPutsElsewhere) {
  EditFile(out_ / "model.safetensors.index.json", [](std::string& text) {
    Json index = Json::parse(text);
    index["weight_map"]["lm_head.weight"] = "other.safetensors";
    text = index.dump();
  });
  EXPECT_THAT(Findings(),
              Contains("model.safetensors.index.json: lm_head.weight: found "
                       "\"other.safetensors\", expected model.safetensors"));
}

// The one who tampers may well adjust ram.json.
TEST_F(AuditTest, FindsChangedCodesBehindAdjustedHashesWithASource) {
  FlipByte(std::string(kUp) + ".weight");
  Rehash("model.safetensors");
  Record record = ReadRecord(out_);
  const auto findings = Findings();
  ASSERT_EQ(findings.size(), 1u);
  const size_t at = findings[0].find("xxh3 ") + 5;
  for (auto& unit : record.units) {
    if (unit.unit == kUp) {
      unit.xxh3[0] = std::stoull(findings[0].substr(at, 16), nullptr, 16);
    }
  }
  WriteText(out_ / kRecordName, RecordToJson(record));
  EXPECT_THAT(Findings(), IsEmpty());
  const auto with_source = Findings(true);
  ASSERT_EQ(with_source.size(), 1u);
  EXPECT_THAT(with_source[0],
              StartsWith("model.safetensors: " + std::string(kUp) +
                         ".weight: found an nmse of "));
}

TEST_F(AuditTest, NamesASourceThatIsNotTheOriginal) {
  EditFile(source_ / "model.safetensors", [](std::string& text) {
    text[text.size() - 2] ^= 1;  // in model.norm.weight
  });
  const auto findings = Findings(true);
  EXPECT_THAT(findings,
              Contains(StartsWith((source_ / "model.safetensors").string() +
                                  ": sha256: found ")));
  EXPECT_THAT(findings, Contains("model.safetensors: model.norm.weight: found "
                                 "other values, expected those of the source"));
}

TEST_F(AuditTest, WritesItsResultAsJson) {
  FlipByte(std::string(kUp) + ".weight");
  const OrderedJson json = AuditToJson(Audit(out_, {}, NoProgress()));
  EXPECT_EQ(json["holds"], false);
  EXPECT_EQ(json["findings"].size(), 2u);
  EXPECT_EQ(json["findings"][1]["file"], "model.safetensors");
}

}  // namespace
}  // namespace ram
