#include "ram/xray/compare_direction.h"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string_view>

namespace ram {
namespace {

constexpr uint64_t kChunkWeights = uint64_t{1} << 18;

bool Writes(std::string_view role) {
  constexpr std::array<std::string_view, 4> kWriters = {
      "o_proj", "down_proj", "shared_down_proj", "linear_out"};
  return std::find(kWriters.begin(), kWriters.end(), role) != kWriters.end();
}

bool Reads(std::string_view role) {
  constexpr std::array<std::string_view, 15> kReaders = {
      "q_proj",         "k_proj",           "v_proj",    "qkv_proj",
      "q_a_proj",       "kv_a_proj",        "gate_proj", "up_proj",
      "shared_up_proj", "shared_gate_proj", "router",    "linear_qkv",
      "linear_z",       "linear_a",         "linear_b"};
  return std::find(kReaders.begin(), kReaders.end(), role) != kReaders.end();
}

// The vector on the other side: the change times `x`, or its transpose times
// `x` where `x` is as long as the rows are many.
std::vector<float> OtherSide(const RowReader& read, uint64_t rows,
                             uint64_t cols, const std::vector<float>& x,
                             bool x_is_rows) {
  std::vector<double> y(x_is_rows ? cols : rows);
  const uint64_t step = std::max<uint64_t>(1, kChunkWeights / cols);
  std::vector<float> chunk;
  for (uint64_t row = 0; row < rows; row += step) {
    const uint64_t n = std::min(step, rows - row);
    chunk.resize(n * cols);
    read(row, chunk);
    for (uint64_t i = 0; i < n; ++i) {
      const float* const d = chunk.data() + i * cols;
      if (x_is_rows) {
        const double factor = static_cast<double>(x[row + i]);
        for (uint64_t j = 0; j < cols; ++j) {
          y[j] += factor * static_cast<double>(d[j]);
        }
        continue;
      }
      double sum = 0;
      for (uint64_t j = 0; j < cols; ++j) {
        sum += static_cast<double>(d[j]) * static_cast<double>(x[j]);
      }
      y[row + i] = sum;
    }
  }
  double norm = 0;
  for (const double value : y) norm += value * value;
  norm = norm > 0 ? std::sqrt(norm) : 1;
  std::vector<float> unit;
  for (const double value : y) unit.push_back(static_cast<float>(value / norm));
  return unit;
}

}  // namespace

std::vector<float> ResidualDirection(const RowReader& read,
                                     const MatrixChange& change,
                                     std::vector<float> leading) {
  const bool writes = Writes(change.role);
  if (change.expert >= 0 || leading.empty()) return {};
  if (!writes && !Reads(change.role)) return {};
  const bool leading_is_rows = change.cols > change.rows;
  if (writes == leading_is_rows) return leading;
  return OtherSide(read, change.rows, change.cols, leading, leading_is_rows);
}

CommonDirection FindCommonDirection(
    std::vector<std::vector<float>>& directions) {
  std::map<size_t, size_t> lengths;
  for (const auto& direction : directions) ++lengths[direction.size()];
  size_t length = 0, most = 0;
  for (const auto& [size, count] : lengths) {
    if (count > most) {
      length = size;
      most = count;
    }
  }
  std::erase_if(directions, [&](const auto& d) { return d.size() != length; });
  CommonDirection result;
  if (directions.size() < 2) return result;
  const auto n = static_cast<Eigen::Index>(directions.size());
  Eigen::MatrixXd gram(n, n);
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index j = 0; j <= i; ++j) {
      double product = 0;
      const auto& a = directions[static_cast<size_t>(i)];
      const auto& b = directions[static_cast<size_t>(j)];
      for (size_t k = 0; k < length; ++k) {
        product += static_cast<double>(a[k]) * static_cast<double>(b[k]);
      }
      gram(i, j) = gram(j, i) = product;
    }
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(
      gram, Eigen::EigenvaluesOnly);
  const double count = static_cast<double>(n);
  result.share = solver.eigenvalues()[n - 1] / count;
  result.chance = std::min(
      1.0,
      std::pow(1 + std::sqrt(count / static_cast<double>(length)), 2) / count);
  return result;
}

}  // namespace ram
