#include "ram/analysis/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ram/analysis/test_checkpoint.h"
#include "ram/base/error.h"

namespace ram {
namespace {

using ::testing::HasSubstr;

struct ProfilesAndLoads : ProfileSink {
  std::vector<MatrixProfile> profiles;
  std::vector<std::vector<float>> loads;
  void Add(const Matrix&, MatrixProfile profile) override {
    profiles.push_back(std::move(profile));
  }
  void AddRouterLoad(const Matrix&, std::vector<float> load) override {
    loads.push_back(std::move(load));
  }
};

AnalyzeOptions MetricsAlone() {
  AnalyzeOptions options;
  options.digests = false;
  options.search = false;
  return options;
}

// A router of three experts, the first of which hears nothing but one loud
// channel, and one matrix of each expert.
std::filesystem::path WriteMixture(const TemporaryDirectory& directory) {
  const std::string mlp = "model.layers.0.mlp.";
  const std::vector<float> expert(4 * 32, -0.5f);
  std::vector<RandomTensor> tensors = {
      {mlp + "gate.weight", DType::kF32, {3, 32}, std::vector<float>(96)}};
  for (size_t i = 0; i < 3; ++i) tensors[0].values[i * 32 + i] = 1;
  for (const char* number : {"0", "1", "2"}) {
    tensors.push_back({mlp + "experts." + number + ".up_proj.weight",
                       DType::kF32,
                       {4, 32},
                       expert});
  }
  return WriteTensors(directory, "a.safetensors", tensors);
}

TEST(ProfileTest, IsReadBackAsItWasMeasured) {
  const TemporaryDirectory temporary;
  const Checkpoint checkpoint = Checkpoint::Open(WriteMixture(temporary));
  ProfilesAndLoads measured, read;
  Analyze(checkpoint, MetricsAlone(), &measured, NoProgress());
  OutputDirectory directory(temporary / "out");
  {
    ProfileWriter writer(checkpoint.model(), MetricsAlone(), directory);
    Analyze(checkpoint, MetricsAlone(), &writer, NoProgress());
  }
  ReadProfile(directory.path() / "profile.safetensors", checkpoint.model(),
              read);
  ASSERT_EQ(read.profiles.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(read.profiles[i].row_norms, measured.profiles[i].row_norms);
    EXPECT_EQ(read.profiles[i].column_second_moments,
              measured.profiles[i].column_second_moments);
    EXPECT_EQ(read.profiles[i].hash, measured.profiles[i].hash);
    EXPECT_EQ(read.profiles[i].sketch, measured.profiles[i].sketch);
  }
  EXPECT_EQ(read.profiles[1].distinct, 1.0f / 32);
  EXPECT_EQ(read.profiles[0].at_absmax, 3u);    // three ones
  EXPECT_EQ(read.profiles[1].at_absmax, 128u);  // all -0.5
  EXPECT_EQ(read.loads, measured.loads);
}

TEST(ProfileTest, OfAnotherModelIsRefused) {
  const TemporaryDirectory temporary;
  const Checkpoint checkpoint = Checkpoint::Open(WriteMixture(temporary));
  OutputDirectory directory(temporary / "out");
  {
    ProfileWriter writer(checkpoint.model(), MetricsAlone(), directory);
    Analyze(checkpoint, MetricsAlone(), &writer, NoProgress());
  }
  const auto path = directory.path() / "profile.safetensors";
  ProfilesAndLoads keeper;
  Model other = checkpoint.model();
  other.matrices[1].rows = 5;
  try {
    ReadProfile(path, other, keeper);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCorrupt);
    EXPECT_THAT(error.what(), HasSubstr("found 4 F32 elements, expected 5"));
  }
  other.matrices[1].name = "elsewhere";
  EXPECT_THROW(ReadProfile(path, other, keeper), Error);
}

// Without config.json nobody knows how many experts a token gets.
TEST(ProfileTest, AnUnknownRouterHasNoLoad) {
  const TemporaryDirectory temporary;
  const Checkpoint checkpoint = Checkpoint::Open(WriteMixture(temporary));
  ProfilesAndLoads keeper;
  Analyze(checkpoint, MetricsAlone(), &keeper, NoProgress());
  ASSERT_EQ(keeper.loads.size(), 1u);
  EXPECT_TRUE(keeper.loads[0].empty());
}

}  // namespace
}  // namespace ram
