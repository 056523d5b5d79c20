// What ReadRows hands out, against values worked out by hand.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "ram/checkpoint/checkpoint.h"
#include "ram/checkpoint/test_support.h"
#include "ram/container/safetensors.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

namespace fs = std::filesystem;

struct Written {
  SafetensorsTensor tensor;
  std::string data;
};

// Element i of the tensor is first + i.
Written Counting(std::string name, std::vector<uint64_t> shape, DType dtype,
                 float first = 0) {
  uint64_t count = 1;
  for (uint64_t d : shape) count *= d;
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = first + static_cast<float>(i);
  std::string data(count * DTypeBytes(dtype), '\0');
  FromFloat(dtype, values, reinterpret_cast<std::byte*>(data.data()));
  return {{std::move(name), dtype, std::move(shape)}, std::move(data)};
}

Written Codes(std::string name, std::vector<uint64_t> shape,
              std::string codes) {
  return {{std::move(name), DType::kF8E4M3, std::move(shape)},
          std::move(codes)};
}

class ReadRowsTest : public testing::Test {
 protected:
  ReadRowsTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = fs::path(testing::TempDir()) /
            fmt::format("ram_rows_{}_{}", test->name(), getpid());
    fs::create_directories(path_);
  }
  ~ReadRowsTest() override { fs::remove_all(path_); }

  // Writes and opens a checkpoint with a config, or a bare file without.
  Checkpoint Make(const std::vector<Written>& tensors,
                  const std::string& config = "") const {
    std::vector<SafetensorsTensor> headers;
    std::string data;
    for (const Written& written : tensors) {
      headers.push_back(written.tensor);
      data += written.data;
    }
    std::ofstream(path_ / "model.safetensors", std::ios::binary)
        << LayOutSafetensors(headers, {}).prefix << data;
    if (config.empty()) return Checkpoint::Open(path_ / "model.safetensors");
    std::ofstream(path_ / "config.json") << config;
    return Checkpoint::Open(path_);
  }

  static std::vector<float> Rows(const Checkpoint& checkpoint,
                                 const Matrix& matrix, uint64_t row,
                                 uint64_t rows) {
    std::vector<float> out(rows * matrix.cols);
    checkpoint.ReadRows(matrix, row, out);
    return out;
  }

  // The same matrix, described anew: what a family would make of the tensor.
  static Matrix Cut(const Checkpoint& checkpoint, uint64_t first_row,
                    uint64_t block_rows, uint64_t stride, uint64_t blocks,
                    bool transposed) {
    Matrix matrix = checkpoint.model().matrices.at(0);
    matrix.first_row = first_row;
    matrix.block_rows = block_rows;
    matrix.block_stride = stride;
    matrix.blocks = blocks;
    matrix.transposed = transposed;
    matrix.rows = blocks * (transposed ? matrix.source_cols : block_rows);
    matrix.cols = transposed ? block_rows : matrix.source_cols;
    return matrix;
  }

  fs::path path_;
};

using Floats = std::vector<float>;

TEST_F(ReadRowsTest, ReadsEveryFloatType) {
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const Checkpoint checkpoint =
        Make({Counting("pad", {1}, dtype), Counting("w", {3, 2}, dtype)});
    EXPECT_EQ(Rows(checkpoint, checkpoint.model().matrices[0], 1, 2),
              (Floats{2, 3, 4, 5}))
        << DTypeName(dtype);
  }
}

TEST_F(ReadRowsTest, StacksStridedBlocks) {
  // Rows 1 and 2 of every three: [2..5], [8..11].
  const Checkpoint checkpoint = Make({Counting("w", {6, 2}, DType::kBF16)});
  const Matrix matrix = Cut(checkpoint, 1, 2, 3, 2, false);
  EXPECT_EQ(Rows(checkpoint, matrix, 0, 4), (Floats{2, 3, 4, 5, 8, 9, 10, 11}));
  EXPECT_EQ(Rows(checkpoint, matrix, 1, 2), (Floats{4, 5, 8, 9}));
}

TEST_F(ReadRowsTest, TransposesEachBlock) {
  // Blocks [0 1; 2 3] and [6 7; 8 9].
  const Checkpoint checkpoint = Make({Counting("w", {6, 2}, DType::kBF16)});
  const Matrix matrix = Cut(checkpoint, 0, 2, 3, 2, true);
  EXPECT_EQ(Rows(checkpoint, matrix, 0, 4), (Floats{0, 2, 1, 3, 6, 8, 7, 9}));
  EXPECT_EQ(Rows(checkpoint, matrix, 1, 2), (Floats{1, 3, 6, 8}));
}

// Two rows of 32 codes 0, 1, ... 7, 0, ... at 4 bits, one group each: weights
// 2 * code - 1 and code / 2 + 10.
class ReadCodesTest : public ReadRowsTest {
 protected:
  ReadCodesTest()
      : checkpoint_(Make(
            {Stored("w.weight", DType::kU32, {2, 4},
                    std::vector<uint32_t>(8, 0x76543210)),
             Counted("w.scales", {2, 0.5f}), Counted("w.biases", {-1, 10})},
            R"({"model_type": "odd",
                "quantization": {"bits": 4, "group_size": 32}})")) {}

  static Written Stored(std::string name, DType dtype,
                        std::vector<uint64_t> shape,
                        const std::vector<uint32_t>& words) {
    return {{std::move(name), dtype, std::move(shape)},
            {reinterpret_cast<const char*>(words.data()), words.size() * 4}};
  }
  static Written Counted(std::string name, std::vector<float> values) {
    std::string data(4, '\0');
    FromFloat(DType::kBF16, values, reinterpret_cast<std::byte*>(data.data()));
    return {{std::move(name), DType::kBF16, {2, 1}}, std::move(data)};
  }

  const Matrix& matrix() const { return checkpoint_.model().matrices.at(0); }

  Checkpoint checkpoint_;
};

TEST_F(ReadCodesTest, DecodesRows) {
  const Floats rows = Rows(checkpoint_, matrix(), 0, 2);
  for (size_t i = 0; i < 32; ++i) {
    const float code = static_cast<float>(i % 8);
    EXPECT_EQ(rows[i], 2 * code - 1);
    EXPECT_EQ(rows[32 + i], code / 2 + 10);
  }
  EXPECT_EQ(Rows(checkpoint_, matrix(), 1, 1), Floats(&rows[32], &rows[64]));
}

TEST_F(ReadCodesTest, DecodesColumns) {
  const Matrix turned = Cut(checkpoint_, 0, 2, 2, 1, true);
  EXPECT_EQ(Rows(checkpoint_, turned, 11, 2), (Floats{5, 11.5f, 7, 12}));
}

TEST_F(ReadCodesTest, GivesRowsAsTheyAreStored) {
  std::vector<std::byte> codes(16), scales(2), biases(2);
  checkpoint_.ReadStoredRows(matrix(), 1, {codes, scales, biases});
  EXPECT_EQ(codes[0], std::byte{0x10});
  EXPECT_EQ(codes[15], std::byte{0x76});
  EXPECT_EQ(scales[1], std::byte{0x3F});  // 0.5 is 0x3F00
  EXPECT_EQ(biases[1], std::byte{0x41});  // 10 is 0x4120
  EXPECT_EQ(biases[0], std::byte{0x20});
  std::vector<std::byte> alone(16);
  checkpoint_.ReadStoredRows(matrix(), 1, alone);
  EXPECT_EQ(alone, codes);
}

TEST_F(ReadRowsTest, TransposesWhatDoesNotFitABuffer) {
  // 3000 columns: one row of the matrix skips most of every source row.
  const uint64_t wide = 3000;
  const uint64_t high = 700;
  const Checkpoint checkpoint =
      Make({Counting("w", {high, wide}, DType::kF32)});
  const Matrix matrix = Cut(checkpoint, 0, high, high, 1, true);
  const Floats all = Rows(checkpoint, matrix, 0, wide);
  const Floats one = Rows(checkpoint, matrix, 1234, 1);
  for (uint64_t j = 0; j < wide; j += 97) {
    for (uint64_t i = 0; i < high; ++i) {
      ASSERT_EQ(all[j * high + i], static_cast<float>(i * wide + j));
    }
  }
  for (uint64_t i = 0; i < high; ++i) {
    ASSERT_EQ(one[i], static_cast<float>(i * wide + 1234));
  }
}

// 0x38 is 1, 0x40 is 2, 0xB8 is -1 (OCP E4M3: bias 7).
TEST_F(ReadRowsTest, MultipliesFp8ByTheScaleOfItsBlock) {
  const std::string config = R"({"model_type": "odd", "quantization_config": {
      "quant_method": "fp8", "weight_block_size": [2, 2]}})";
  const Checkpoint checkpoint =
      Make({Codes("w", {3, 3}, "\x38\x38\x40\x38\xB8\x38\x40\x40\x38"),
            Counting("w_scale_inv", {2, 2}, DType::kF32, 10)},
           config);
  const Matrix& matrix = checkpoint.model().matrices.at(0);
  EXPECT_EQ(Rows(checkpoint, matrix, 0, 3),
            (Floats{10, 10, 22, 10, -10, 11, 24, 24, 13}));
  EXPECT_EQ(Rows(checkpoint, matrix, 2, 1), (Floats{24, 24, 13}));
}

TEST_F(ReadRowsTest, ScalesFp8BeforeTransposing) {
  const std::string config = R"({"model_type": "odd", "quantization_config": {
      "quant_method": "fp8", "weight_block_size": [2, 2]}})";
  const Checkpoint checkpoint =
      Make({Codes("w", {3, 3}, "\x38\x38\x40\x38\xB8\x38\x40\x40\x38"),
            Counting("w_scale_inv", {2, 2}, DType::kF32, 10)},
           config);
  const Matrix matrix = Cut(checkpoint, 0, 3, 3, 1, true);
  EXPECT_EQ(Rows(checkpoint, matrix, 1, 2), (Floats{10, -10, 24, 22, 11, 13}));
}

TEST_F(ReadRowsTest, ScalesFp8ByBlocksOf128UnlessToldOtherwise) {
  const Checkpoint checkpoint =
      Make({Codes("w", {130, 129}, std::string(130 * 129, '\x38')),
            Counting("w_scale_inv", {2, 2}, DType::kBF16, 1)});
  const Matrix& matrix = checkpoint.model().matrices.at(0);
  const Floats all = Rows(checkpoint, matrix, 0, 130);
  EXPECT_EQ(all[0], 1);
  EXPECT_EQ(all[127 * 129 + 127], 1);
  EXPECT_EQ(all[127 * 129 + 128], 2);
  EXPECT_EQ(all[128 * 129 + 127], 3);
  EXPECT_EQ(all[129 * 129 + 128], 4);
}

TEST_F(ReadRowsTest, StartsBlocksAnewInEveryExpert) {
  // Two experts of 3 rows, blocks of 2: the first row of expert 1 has the
  // third row of scales.
  const std::string config = R"({"model_type": "odd", "quantization_config": {
      "quant_method": "fp8", "weight_block_size": [2, 2]}})";
  const Checkpoint checkpoint =
      Make({Codes("experts.w", {2, 3, 2}, std::string(12, '\x38')),
            Counting("experts.w_scale_inv", {2, 2, 1}, DType::kF32, 1)},
           config);
  const Matrix& second = checkpoint.model().matrices.at(1);
  EXPECT_EQ(second.name, "experts.1.w.weight");
  EXPECT_EQ(Rows(checkpoint, second, 0, 3), (Floats{3, 3, 3, 3, 4, 4}));
}

TEST_F(ReadRowsTest, TakesOneScaleForAWholeTensor) {
  const std::string config = R"({"model_type": "odd", "quantization_config": {
      "quant_method": "fp8", "weight_block_size": null}})";
  const Checkpoint checkpoint =
      Make({Codes("w", {2, 2}, "\x38\x40\x38\x40"),
            Counting("w_scale_inv", {}, DType::kBF16, 3)},
           config);
  EXPECT_EQ(Rows(checkpoint, checkpoint.model().matrices.at(0), 0, 2),
            (Floats{3, 6, 3, 6}));
}

TEST_F(ReadRowsTest, KeepsFp8NaN) {
  const Checkpoint checkpoint =
      Make({Codes("w", {2, 2}, std::string("\x7F\x38\xFF\x38", 4)),
            Counting("w_scale_inv", {1, 1}, DType::kF32, 1)});
  const Floats all = Rows(checkpoint, checkpoint.model().matrices.at(0), 0, 2);
  EXPECT_TRUE(std::isnan(all[0]));
  EXPECT_TRUE(std::isnan(all[2]));
  EXPECT_EQ(all[3], 1);
}

}  // namespace
}  // namespace ram
