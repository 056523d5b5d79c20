#include "ram/export/slices.h"

#include <gtest/gtest.h>

#include "ram/export/slice_reader.h"
#include "ram/export/test_checkpoint.h"

namespace ram {
namespace {

TestTensor Counting(const std::string& name, std::vector<uint64_t> shape) {
  uint64_t count = 1;
  for (uint64_t size : shape) count *= size;
  TestTensor tensor{name, DType::kBF16, std::move(shape), {}, {}};
  for (uint64_t i = 0; i < count; ++i) {
    tensor.values.push_back(static_cast<float>(i));
  }
  return tensor;
}

// One plain tensor [2, 3, 4] of 0, 1, 2... stored with a change.
class PlainSliceTest : public ::testing::Test {
 protected:
  PlainSliceTest() {
    TestModel model = DenseTestModel();
    model.config["architectures"] = {"SomethingElse"};
    model.config["model_type"] = "something_else";
    model.tensors = {Counting("conv1d.weight", {2, 3, 4})};
    WriteTestModel(model, source_);
  }
  std::vector<float> Stored(PlainTensor plain) {
    const Checkpoint checkpoint = Checkpoint::Open(source_.path());
    TargetLayout layout;
    layout.plain = {plain};
    const SliceList slices(checkpoint.model(), layout);
    SliceReader reader(checkpoint, layout, slices.max_weights());
    std::vector<float> all;
    for (uint64_t i = 0; i < slices.size(); ++i) {
      const auto bytes = reader.ReadPlain(slices[i]);
      std::vector<float> part(bytes.size() / DTypeBytes(plain.dtype));
      ToFloat(plain.dtype, bytes.data(), part);
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
  TemporaryDirectory source_;
};

TEST_F(PlainSliceTest, MovesAxisTwoToOne) {
  const auto stored = Stored({0,
                              "conv1d.weight",
                              DType::kBF16,
                              {2, 4, 3},
                              PlainTensor::Change::kMoveAxis21});
  EXPECT_EQ(stored, (std::vector<float>{0,  4,  8,  1,  5,  9,  2,  6,
                                        10, 3,  7,  11, 12, 16, 20, 13,
                                        17, 21, 14, 18, 22, 15, 19, 23}));
}

TEST_F(PlainSliceTest, AddsOne) {
  const auto stored = Stored({0,
                              "conv1d.weight",
                              DType::kBF16,
                              {2, 3, 4},
                              PlainTensor::Change::kAddOne});
  EXPECT_EQ(stored[0], 1.0f);
  EXPECT_EQ(stored[23], 24.0f);
}

TEST_F(PlainSliceTest, CastsToAnotherType) {
  EXPECT_EQ(Stored({0,
                    "conv1d.weight",
                    DType::kF32,
                    {2, 3, 4},
                    PlainTensor::Change::kNone})[23],
            23.0f);
}

TEST(SliceListTest, CoversEveryRowOnceInTheOrderOfTheInput) {
  TemporaryDirectory source;
  WriteTestModel(MixtureTestModel(9000), source, 2);
  const Checkpoint checkpoint = Checkpoint::Open(source.path());
  const Model& model = checkpoint.model();
  const TargetLayout layout = FindTarget("mlx").Describe(model);
  const SliceList slices(model, layout);
  const SliceReader reader(checkpoint, layout, slices.max_weights());
  uint64_t weights = 0, last_tensor = 0;
  std::vector<uint64_t> next_row(model.matrices.size());
  for (uint64_t i = 0; i < slices.size(); ++i) {
    const Slice slice = slices[i];
    weights += slice.weights();
    EXPECT_LE(slice.weights(), kSliceWeights);
    const uint64_t tensor = slice.plain ? layout.plain[slice.index].tensor
                                        : model.matrices[slice.matrix].tensor;
    EXPECT_GE(tensor, last_tensor);
    last_tensor = tensor;
    if (slice.plain) continue;
    EXPECT_EQ(slice.row, next_row[slice.matrix]);
    next_row[slice.matrix] += slice.rows;
    EXPECT_EQ(slice.last,
              next_row[slice.matrix] == model.matrices[slice.matrix].rows);
  }
  EXPECT_EQ(weights, model.weights());
}

}  // namespace
}  // namespace ram
