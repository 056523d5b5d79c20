#include "ram/export/reproduce.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ram/base/digest.h"
#include "ram/base/error.h"
#include "ram/export/test_checkpoint.h"

namespace ram {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

class ReproduceTest : public ::testing::Test {
 protected:
  ReproduceTest() {
    WriteTestModel(MixtureTestModel(), source_, 2);
    Compress(source_.path(), out_, Mixed(), "native", 2, Encoder::kSearch);
  }
  size_t EntriesBesideOut() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         fs::directory_iterator(parent_.path())) {
      ++count;
    }
    return count;
  }

  TemporaryDirectory source_;
  TemporaryDirectory parent_;
  const fs::path out_ = parent_ / "out";
};

TEST_F(ReproduceTest, RebuildsTheSameBytes) {
  const ReproduceResult result =
      Reproduce(out_, source_.path(), 1, NoProgress());
  EXPECT_THAT(result.different, ElementsAre());
  EXPECT_EQ(result.files_compared, ReadRecord(out_).outputs.size());
  EXPECT_EQ(EntriesBesideOut(), 1u);
}

TEST_F(ReproduceTest, NamesTheFilesThatDiffer) {
  std::string text = FileText(out_ / "model.safetensors");
  text.back() ^= 1;
  WriteText(out_ / "model.safetensors", text);
  EXPECT_THAT(Reproduce(out_, source_.path(), 2, NoProgress()).different,
              ElementsAre("model.safetensors"));
  EXPECT_EQ(EntriesBesideOut(), 1u);
}

TEST_F(ReproduceTest, NamesAnotherSource) {
  const fs::path file = source_ / "model-00002-of-00002.safetensors";
  const std::string before = Sha256OfFile(file);
  std::string text = FileText(file);
  text.back() ^= 1;
  WriteText(file, text);
  EXPECT_EQ(
      ErrorMessage([&] { Reproduce(out_, source_.path(), 2, NoProgress()); }),
      fmt::format("{}: found {}, expected {} (ram.json names another source)",
                  file.string(), Sha256OfFile(file), before));
}

}  // namespace
}  // namespace ram
