#include "ram/xray/compare_alignment.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <utility>

#include "ram/xray/compare_chunks.h"

namespace ram {
namespace {

Eigen::Index Signed(uint64_t n) { return static_cast<Eigen::Index>(n); }

// The matrix times v.
Eigen::VectorXf TimesRight(const RowReader& read, uint64_t rows, uint64_t cols,
                           const std::vector<float>& v, int threads) {
  const Eigen::Map<const Eigen::VectorXf> x(v.data(), Signed(cols));
  Eigen::VectorXf product(Signed(rows));
  ForChunks(read, rows, cols, threads,
            [&](Eigen::Index, Eigen::Index row, const RowMajorChunk& chunk) {
              product.segment(row, chunk.rows()).noalias() = chunk * x;
            });
  return product;
}

// Its transpose times u.
Eigen::VectorXf TimesLeft(const RowReader& read, uint64_t rows, uint64_t cols,
                          const std::vector<float>& u, int threads) {
  const Eigen::Map<const Eigen::VectorXf> x(u.data(), Signed(rows));
  Eigen::MatrixXf parts =
      Eigen::MatrixXf::Zero(Signed(cols), Signed(kChunkParts));
  ForChunks(
      read, rows, cols, threads,
      [&](Eigen::Index part, Eigen::Index row, const RowMajorChunk& chunk) {
        parts.col(part).noalias() +=
            chunk.transpose() * x.segment(row, chunk.rows());
      });
  Eigen::VectorXf product = parts.col(0);
  for (Eigen::Index part = 1; part < parts.cols(); ++part) {
    product += parts.col(part);
  }
  return product;
}

double Norm(const Eigen::VectorXf& x) { return x.cast<double>().norm(); }

}  // namespace

AlignmentKind KindOfAlignment(const ChangeAlignment& alignment) {
  constexpr double kAligned = 0.5;
  constexpr double kUnrelated = 0.2;
  if (alignment.chance > kAligned / 5) return AlignmentKind::kUndecided;
  if (alignment.agreement >= kAligned) return AlignmentKind::kAmplifies;
  if (alignment.agreement <= -kAligned) return AlignmentKind::kTakesBack;
  const bool own =
      alignment.strength >= 1 && std::fabs(alignment.agreement) <= kUnrelated;
  return own ? AlignmentKind::kOfItsOwn : AlignmentKind::kUndecided;
}

LeadingVectors CompleteLeading(const RowReader& change, uint64_t rows,
                               uint64_t cols, std::vector<float> known,
                               int threads) {
  const bool tall = cols <= rows;
  Eigen::VectorXf other = tall ? TimesRight(change, rows, cols, known, threads)
                               : TimesLeft(change, rows, cols, known, threads);
  LeadingVectors leading;
  leading.value = Norm(other);
  if (leading.value > 0) other /= static_cast<float>(leading.value);
  leading.u.assign(other.data(), other.data() + other.size());
  leading.v = std::move(known);
  if (!tall) std::swap(leading.u, leading.v);
  return leading;
}

ChangeAlignment MeasureAlignment(const RowReader& base, uint64_t rows,
                                 uint64_t cols, double base_squares,
                                 const LeadingVectors& leading, int threads) {
  const Eigen::VectorXf image =
      TimesRight(base, rows, cols, leading.v, threads);
  const double input = Norm(image);
  const double output = Norm(TimesLeft(base, rows, cols, leading.u, threads));
  const Eigen::Map<const Eigen::VectorXf> u(leading.u.data(), Signed(rows));
  const double along = image.cast<double>().dot(u.cast<double>());
  const double norm = std::sqrt(base_squares);
  const double m = static_cast<double>(rows);
  const double n = static_cast<double>(cols);
  const double both = std::sqrt(input * output);
  ChangeAlignment alignment;
  alignment.input_gain = input * std::sqrt(n) / norm;
  alignment.output_gain = output * std::sqrt(m) / norm;
  alignment.agreement = both > 0 ? std::clamp(along / both, -1.0, 1.0) : 0;
  alignment.strength = both > 0 ? leading.value / both : INFINITY;
  alignment.chance = std::pow(m * n, -0.25);
  return alignment;
}

}  // namespace ram
