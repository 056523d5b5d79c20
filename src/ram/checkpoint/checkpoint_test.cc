#include "ram/checkpoint/checkpoint.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <iostream>

#include "ram/checkpoint/test_support.h"
#include "ram/checkpoint/weight_index.h"
#include "ram/container/safetensors.h"

namespace ram {
namespace {

namespace fs = std::filesystem;

// A directory of its own for each test, gone afterwards.
class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    dir_ = fs::path(testing::TempDir()) /
           fmt::format("ram_{}_{}", test->name(), getpid());
    fs::create_directories(dir_);
  }
  ~CheckpointTest() override { fs::remove_all(dir_); }

  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(dir_ / name, std::ios::binary) << text;
  }

  // A file with these tensors, `data` behind the header.
  void WriteTensors(const std::string& name,
                    const std::vector<SafetensorsTensor>& tensors,
                    const std::string& data) const {
    const SafetensorsLayout layout = LayOutSafetensors(tensors, {});
    ASSERT_EQ(layout.file_bytes, layout.prefix.size() + data.size());
    Write(name, layout.prefix + data);
  }

  // Two BF16 tensors of two weights each, in two shards.
  void WriteShards(const std::string& index) const {
    Write("config.json", R"({"model_type": "odd"})");
    WriteTensors("one.safetensors", {{"a", DType::kBF16, {2}}}, "1234");
    WriteTensors("two.safetensors", {{"b", DType::kBF16, {2}}}, "5678");
    Write("model.safetensors.index.json", index);
  }

  // The error of opening, with the directory's path written DIR.
  std::string OpenError(const std::string& name = "") const {
    std::string text =
        ErrorOf([&] { Checkpoint::Open(name.empty() ? dir_ : dir_ / name); });
    const std::string path = dir_.string();
    for (size_t at; (at = text.find(path)) != text.npos;) {
      text.replace(at, path.size(), "DIR");
    }
    return text;
  }

  fs::path dir_;
};

TEST_F(CheckpointTest, OpensShardsThroughTheIndex) {
  WriteShards(
      R"({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})");
  const Checkpoint checkpoint = Checkpoint::Open(dir_);
  EXPECT_EQ(checkpoint.weight_files(),
            (std::vector<std::string>{"one.safetensors", "two.safetensors"}));
  EXPECT_EQ(checkpoint.model().tensors[1].name, "b");
  std::array<std::byte, 2> bytes{};
  checkpoint.ReadTensor(1, 2, bytes);
  EXPECT_EQ(bytes[0], std::byte{'7'});
}

TEST_F(CheckpointTest, ReportsAMissingConfig) {
  WriteTensors("model.safetensors", {{"a", DType::kBF16, {2}}}, "1234");
  EXPECT_EQ(OpenError(),
            "3 DIR/config.json: found nothing, expected the model's "
            "configuration");
}

TEST_F(CheckpointTest, ReportsAMalformedConfig) {
  Write("config.json", "{");
  WriteTensors("model.safetensors", {{"a", DType::kBF16, {2}}}, "1234");
  EXPECT_EQ(OpenError(),
            "3 DIR/config.json: JSON: found an error at byte 2 (syntax error "
            "while parsing object key - unexpected end of input; expected "
            "string literal), expected well-formed JSON");
}

TEST_F(CheckpointTest, ReportsADirectoryWithoutWeights) {
  Write("config.json", "{}");
  EXPECT_EQ(OpenError(),
            "3 DIR: found no weights, expected model.safetensors or "
            "model.safetensors.index.json");
}

TEST_F(CheckpointTest, ReportsWeightsOfAnotherFormat) {
  Write("config.json", "{}");
  Write("pytorch_model.bin", "PK");
  EXPECT_EQ(OpenError(),
            "4 DIR: found pytorch_model.bin, expected model.safetensors or "
            "model.safetensors.index.json (only safetensors and GGUF can "
            "be read)");
}

TEST_F(CheckpointTest, ReportsGgufInADirectory) {
  Write("config.json", "{}");
  Write("model.gguf", "GGUF\3");
  EXPECT_EQ(OpenError(),
            "4 DIR: found model.gguf, expected model.safetensors or "
            "model.safetensors.index.json (name the GGUF file itself)");
}

TEST_F(CheckpointTest, ReportsAPathThatIsNotThere) {
  EXPECT_EQ(OpenError("nothing"),
            "5 DIR/nothing: cannot open: No such file or directory");
}

TEST_F(CheckpointTest, ReportsAnIndexThatIsNoIndex) {
  WriteShards(R"({"metadata": {}})");
  EXPECT_EQ(OpenError(),
            "3 DIR/model.safetensors.index.json: weight_map: found none, "
            "expected an object of tensor names and file names");
}

TEST_F(CheckpointTest, ReportsAMissingShard) {
  WriteShards(
      R"({"weight_map": {"a": "one.safetensors", "b": "three.safetensors"}})");
  EXPECT_EQ(OpenError(),
            "3 DIR/model.safetensors.index.json: weight_map: b: found no file "
            "DIR/three.safetensors");
}

TEST_F(CheckpointTest, ReportsATensorThatNoShardHolds) {
  WriteShards(R"({"weight_map": {"a": "one.safetensors",
                  "b": "two.safetensors", "c": "two.safetensors"}})");
  EXPECT_EQ(OpenError(),
            "3 DIR/model.safetensors.index.json: c: found it in no shard, "
            "expected it in two.safetensors");
}

TEST_F(CheckpointTest, ReportsATensorInAnotherShard) {
  WriteShards(
      R"({"weight_map": {"a": "two.safetensors", "b": "one.safetensors"}})");
  EXPECT_EQ(OpenError(),
            "3 DIR/model.safetensors.index.json: a: found it in "
            "one.safetensors, expected it in two.safetensors");
}

TEST_F(CheckpointTest, ReportsATensorTheIndexDoesNotName) {
  WriteTensors("two.safetensors",
               {{"b", DType::kBF16, {2}}, {"c", DType::kBF16, {2}}},
               "56789abc");
  Write("config.json", "{}");
  Write("model.safetensors.index.json",
        R"({"weight_map": {"b": "two.safetensors"}})");
  EXPECT_EQ(OpenError(),
            "3 DIR/two.safetensors: c: found a tensor that "
            "model.safetensors.index.json does not name");
}

TEST_F(CheckpointTest, ReportsATensorInTwoShards) {
  WriteShards(
      R"({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})");
  WriteTensors("two.safetensors",
               {{"a", DType::kBF16, {2}}, {"b", DType::kBF16, {2}}},
               "56789abc");
  EXPECT_EQ(OpenError(),
            "3 DIR: a: found in one.safetensors and in two.safetensors, "
            "expected it once");
}

TEST_F(CheckpointTest, StaysInsideTheDirectory) {
  for (const char* file : {"../one.safetensors", "/etc/passwd", "..", ".", "",
                           "sub/one.safetensors", "sub\\\\one"}) {
    WriteShards(fmt::format(R"({{"weight_map": {{"a": "{}"}}}})", file));
    EXPECT_EQ(
        OpenError(),
        fmt::format("3 DIR/model.safetensors.index.json: weight_map: a: found "
                    "\"{}\", expected the name of a file in this directory",
                    file));
  }
}

TEST_F(CheckpointTest, ReportsFileNamesThatAreNoText) {
  WriteShards(R"({"weight_map": {"a": 7}})");
  EXPECT_EQ(OpenError(),
            "3 DIR/model.safetensors.index.json: weight_map: a: found 7, "
            "expected the name of a file in this directory");
}

TEST_F(CheckpointTest, NoticesAChangedFile) {
  WriteShards(
      R"({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})");
  const Checkpoint checkpoint = Checkpoint::Open(dir_);
  checkpoint.CheckUnchanged();
  const uint64_t bytes = fs::file_size(dir_ / "two.safetensors");
  std::ofstream(dir_ / "two.safetensors", std::ios::app) << "more";
  EXPECT_EQ(ErrorOf([&] { checkpoint.CheckUnchanged(); }),
            fmt::format("5 {}/two.safetensors: changed while being read: found "
                        "{} bytes, expected {} (run again when nothing writes "
                        "to it)",
                        dir_.string(), bytes + 4, bytes));
}

TEST_F(CheckpointTest, ListsWhatARuntimeNeedsBesides) {
  WriteShards(
      R"({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})");
  for (const char* name : {"tokenizer.json", "merges.txt", "README.md",
                           "spiece.model", "chat_template.jinja"}) {
    Write(name, "x");
  }
  EXPECT_EQ(Checkpoint::Open(dir_).CompanionFiles(),
            (std::vector<std::string>{"chat_template.jinja", "merges.txt",
                                      "spiece.model", "tokenizer.json"}));
}

TEST_F(CheckpointTest, OpensABareFile) {
  WriteTensors("a.safetensors",
               {{"model.layers.3.mlp.up_proj.weight", DType::kBF16, {2, 2}}},
               "12345678");
  const Checkpoint checkpoint = Checkpoint::Open(dir_ / "a.safetensors");
  EXPECT_TRUE(checkpoint.bare_file());
  EXPECT_FALSE(checkpoint.model().known);
  EXPECT_EQ(checkpoint.model().architecture, "unknown");
  EXPECT_EQ(Summary(checkpoint.model()),
            "model.layers.3.mlp.up_proj.weight up_proj layer=3 [2, 2]\n");
}

TEST(WeightIndexTest, RefusesRepeatedNames) {
  EXPECT_EQ(ErrorOf([] {
              ParseWeightIndex(R"({"weight_map": {"a": "x", "a": "y"}})", "I");
            }),
            "3 I: key 'a': found twice in one object, expected once");
}

TEST(BundledModelTest, OpensKnownAndTied) {
  const fs::path path = RAM_SOURCE_DIR "/models/wiki-dense";
  if (!fs::exists(path)) {
    std::cout << "skipped: no shared data\n";
    return;
  }
  const Checkpoint checkpoint = Checkpoint::Open(path);
  EXPECT_TRUE(checkpoint.model().known);
  EXPECT_TRUE(checkpoint.model().tied_head);
  EXPECT_EQ(checkpoint.model().weights(), 6'819'840u);
  EXPECT_EQ(checkpoint.model().matrices.size(), 43u);
}

}  // namespace
}  // namespace ram
