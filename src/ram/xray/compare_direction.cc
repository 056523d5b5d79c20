#include "ram/xray/compare_direction.h"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>

namespace ram {
namespace {

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

}  // namespace

std::vector<float> ResidualDirection(const MatrixChange& change,
                                     LeadingVectors leading) {
  if (change.expert >= 0) return {};
  if (Writes(change.role)) return std::move(leading.u);
  if (Reads(change.role)) return std::move(leading.v);
  return {};
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
