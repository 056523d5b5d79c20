#include "ram/xray/compare_rank.h"

#include <Eigen/Dense>
#include <algorithm>
#include <bit>
#include <cmath>
#include <span>

#include "ram/analysis/spectrum_krylov.h"
#include "ram/base/checked.h"
#include "ram/base/random.h"
#include "ram/xray/compare_chunks.h"

namespace ram {
namespace {

using RowMajorBlock = Eigen::Matrix<float, Eigen::Dynamic,
                                    static_cast<int>(kTile), Eigen::RowMajor>;
using Columns = Eigen::MatrixXf;

Columns Orthonormal(const Columns& block) {
  const Eigen::HouseholderQR<Columns> qr(block);
  return qr.householderQ() * Columns::Identity(block.rows(), block.cols());
}

// A times the columns of x, [size, at most kTile].
Columns Apply(const BlockOperator& apply, const Columns& x) {
  const auto padded = static_cast<Eigen::Index>(
      RoundUp(static_cast<uint64_t>(x.rows()), kTile));
  // The kernels want 64-byte alignment.
  AlignedArray<float> in =
      ZeroArray<float>(static_cast<size_t>(padded) * kTile);
  AlignedArray<float> out =
      ZeroArray<float>(static_cast<size_t>(padded) * kTile);
  Eigen::Map<RowMajorBlock> in_block(in.get(), padded, kTile);
  in_block.topLeftCorner(x.rows(), x.cols()) = x;
  apply(in.get(), out.get());
  const Eigen::Map<const RowMajorBlock> out_block(out.get(), padded, kTile);
  return out_block.topLeftCorner(x.rows(), x.cols());
}

}  // namespace

LeadingValues MeasureLeading(const RowReader& read, uint64_t rows,
                             uint64_t cols, float largest, int blocks,
                             uint64_t seed, std::string_view name,
                             int threads) {
  LeadingValues result;
  if (!(largest > 0)) return result;
  int exponent = 0;
  std::frexp(largest, &exponent);
  const double scale = std::ldexp(1.0, std::clamp(-exponent, -126, 126));
  const BlockOperator apply =
      WeightsOperator(read, rows, cols, static_cast<float>(scale), threads);

  const auto size = static_cast<Eigen::Index>(std::min(rows, cols));
  const CounterRandom random(seed, name);
  uint64_t used = 0;
  Columns basis(size, 0), images(size, 0);
  Columns next = Columns::NullaryExpr(
      size, std::min<Eigen::Index>(size, kTile),
      [&] { return static_cast<float>(random.Uniform(used++) - 0.5); });
  for (int block = 0; block < blocks && basis.cols() < size; ++block) {
    next = next.leftCols(std::min(next.cols(), size - basis.cols())).eval();
    // Once is not enough where little is left; twice is (Kahan and Parlett).
    for (int pass = 0; pass < 2; ++pass) {
      if (basis.cols() > 0) next -= basis * (basis.transpose() * next).eval();
      next = Orthonormal(next);
    }
    const Columns image = Apply(apply, next);
    basis.conservativeResize(Eigen::NoChange, basis.cols() + next.cols());
    basis.rightCols(next.cols()) = next;
    images.conservativeResize(Eigen::NoChange, images.cols() + next.cols());
    images.rightCols(next.cols()) = image;
    next = image;
  }
  const Eigen::MatrixXd projected =
      basis.cast<double>().transpose() * images.cast<double>();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(
      (projected + projected.transpose()) / 2);
  const auto& values = solver.eigenvalues();  // ascending
  for (Eigen::Index i = values.size() - 1; i >= 0; --i) {
    result.squares.push_back(std::max(0.0, values[i]) / (scale * scale));
  }
  const Eigen::VectorXd first =
      basis.cast<double>() * solver.eigenvectors().col(values.size() - 1);
  result.direction.resize(static_cast<size_t>(size));
  for (Eigen::Index i = 0; i < size; ++i) {
    result.direction[static_cast<size_t>(i)] = static_cast<float>(first[i]);
  }
  return result;
}

double RoundingEdge(const RowReader& tuned, uint64_t rows, uint64_t cols,
                    int mantissa_bits, int threads) {
  constexpr uint32_t kExponent = 0x7f800000u;
  const auto parts = static_cast<Eigen::Index>(kChunkParts);
  Eigen::VectorXf largest_row = Eigen::VectorXf::Zero(parts);
  Eigen::MatrixXf by_column =
      Eigen::MatrixXf::Zero(static_cast<Eigen::Index>(cols), parts);
  ForChunks(
      tuned, rows, cols, threads,
      [&](Eigen::Index part, Eigen::Index, RowMajorChunk& chunk) {
        for (float& w :
             std::span(chunk.data(), static_cast<size_t>(chunk.size()))) {
          const float step =
              std::bit_cast<float>(std::bit_cast<uint32_t>(w) & kExponent);
          w = step * step;
        }
        // Column by column would leap from row to row.
        for (Eigen::Index row = 0; row < chunk.rows(); ++row) {
          by_column.col(part) += chunk.row(row).transpose();
          largest_row[part] = std::max(largest_row[part], chunk.row(row).sum());
        }
      });
  const double variance = std::ldexp(1.0, -2 * mantissa_bits) / 12;
  const double row = static_cast<double>(largest_row.maxCoeff());
  const double column =
      static_cast<double>(by_column.rowwise().sum().maxCoeff());
  return variance * std::pow(std::sqrt(row) + std::sqrt(column), 2);
}

size_t ValuesAboveNoise(const std::vector<double>& squares, double edge) {
  if (squares.empty()) return 0;
  // Below a 300th of the largest, float32 products show nothing for sure.
  const double least =
      std::max(edge * 1.25 * 1.25, squares.front() / 300 / 300);
  const auto end = std::find_if(squares.begin(), squares.end(),
                                [&](double square) { return square <= least; });
  return static_cast<size_t>(end - squares.begin());
}

}  // namespace ram
