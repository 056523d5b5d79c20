#include "ram/analysis/spectrum_tridiagonal.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "ram/base/checked.h"

namespace ram {
namespace {

// Columns reduced before the rest of the matrix is updated.
constexpr size_t kPanel = 16;

// Rows i and below of the matrix are a - sum_k (v_k w_k' + w_k v_k') over the
// columns k of the panel that are done.
template <typename T>
class Reducer {
 public:
  explicit Reducer(Gram<T>& gram)
      : a_(gram.values.get()),
        stride_(gram.stride),
        size_(gram.size),
        n_(RoundUp(gram.size, kSumLanes)),
        v_(ZeroArray<T>(kPanel * stride_)),
        w_(ZeroArray<T>(kPanel * stride_)),
        left_(2 * kPanel, stride_),
        right_(2 * kPanel, stride_) {}

  Tridiagonal Run() {
    Tridiagonal out;
    out.diagonal.resize(size_);
    out.squares.resize(size_);
    for (size_t begin = 0; begin < size_; begin += kPanel) {
      const size_t end = std::min(size_, begin + kPanel);
      std::memset(v_.get(), 0, kPanel * stride_ * sizeof(T));
      std::memset(w_.get(), 0, kPanel * stride_ * sizeof(T));
      for (size_t i = begin; i < end; ++i) {
        const double norm = ReduceColumn(i, i - begin, &out.diagonal[i]);
        if (i + 1 < size_) out.squares[i + 1] = norm;
      }
      if (end < size_) UpdateRest(end);
    }
    return out;
  }

 private:
  static constexpr double kNegligible =
      static_cast<double>(std::numeric_limits<T>::epsilon()) * 0x1p-30;

  T* V(size_t k) { return v_.get() + k * stride_; }
  T* W(size_t k) { return w_.get() + k * stride_; }

  // Returns the square of the element right of the diagonal.
  double ReduceColumn(size_t i, size_t done, double* diagonal) {
    const size_t begin = i / kSumLanes * kSumLanes;
    const size_t n = n_ - begin;
    T* v = V(done);
    T* w = W(done);
    std::memcpy(v + begin, a_ + i * stride_ + begin, n * sizeof(T));
    for (size_t k = 0; k < done; ++k) {
      AddScaled(-V(k)[i], W(k) + begin, v + begin, n);
      AddScaled(-W(k)[i], V(k) + begin, v + begin, n);
    }
    *diagonal = static_cast<double>(v[i]);
    std::fill(v + begin, v + i + 1, T{0});
    const double norm2 = static_cast<double>(Dot(v + begin, v + begin, n));
    // Nothing to reflect: zero, or too small to change any eigenvalue. (A
    // reflection by a vector whose norm has underflowed would not be one.)
    if (i + 1 >= size_ || !(norm2 > kNegligible * kNegligible)) {
      std::fill(v + begin, v + n_, T{0});
      return 0;
    }
    // I - v v' maps the column to a multiple of the first unit vector.
    const double first = static_cast<double>(v[i + 1]);
    const double norm = std::sqrt(norm2);
    v[i + 1] = static_cast<T>(first + std::copysign(norm, first));
    const double factor = 1 / std::sqrt(norm2 + std::abs(first) * norm);
    for (size_t j = i + 1; j < n_; ++j) v[j] *= static_cast<T>(factor);

    Multiply(begin, i, done, v, w);
    const T half = static_cast<T>(-0.5) * Dot(v + begin, w + begin, n);
    AddScaled(half, v + begin, w + begin, n);
    return norm2;
  }

  // w = (a - sum_k (v_k w_k' + w_k v_k')) v, for the elements past i.
  void Multiply(size_t begin, size_t i, size_t done, const T* v, T* w) {
    for (size_t row = begin; row < n_; row += kSumLanes) {
      SymmetricRows(a_, stride_, row, n_, v, w);
    }
    const size_t n = n_ - begin;
    for (size_t k = 0; k < done; ++k) {
      const T along_w = Dot(W(k) + begin, v + begin, n);
      const T along_v = Dot(V(k) + begin, v + begin, n);
      AddScaled(-along_w, V(k) + begin, w + begin, n);
      AddScaled(-along_v, W(k) + begin, w + begin, n);
    }
    std::fill(w + begin, w + i + 1, T{0});
  }

  // a -= sum_k (v_k w_k' + w_k v_k') for the rows and columns from `begin` on
  // (and some before, which nobody reads again).
  void UpdateRest(size_t begin) {
    const size_t blocks = left_.blocks();
    const size_t first = begin / kTile;
    for (size_t block = first; block < blocks; ++block) {
      T* left = left_.Block(block);
      T* right = right_.Block(block);
      for (size_t k = 0; k < kPanel; ++k) {
        const T* v = V(k) + block * kTile;
        const T* w = W(k) + block * kTile;
        for (size_t c = 0; c < kTile; ++c) {
          left[k * kTile + c] = -v[c];
          left[(kPanel + k) * kTile + c] = -w[c];
          right[k * kTile + c] = w[c];
          right[(kPanel + k) * kTile + c] = v[c];
        }
      }
    }
    for (size_t i = first; i < blocks; ++i) {
      for (size_t j = i; j < blocks; ++j) {
        MultiplyTile(left_.Block(i), right_.Block(j), 2 * kPanel,
                     a_ + i * kTile * stride_ + j * kTile, stride_);
      }
    }
  }

  T* a_;
  size_t stride_;
  size_t size_;
  size_t n_;  // size, in whole groups of kSumLanes
  AlignedArray<T> v_;
  AlignedArray<T> w_;
  ColumnBlocks<T> left_;
  ColumnBlocks<T> right_;
};

}  // namespace

template <typename T>
Tridiagonal Tridiagonalize(Gram<T>& gram) {
  return Reducer<T>(gram).Run();
}
template Tridiagonal Tridiagonalize(Gram<float>&);
template Tridiagonal Tridiagonalize(Gram<double>&);

std::vector<double> LargestEigenvalues(const Tridiagonal& matrix, size_t count,
                                       int bits) {
  const size_t n = matrix.diagonal.size();
  count = std::min(count, n);
  std::vector<double> found(count, 0.0);
  // Gershgorin's bound.
  double bound = 0;
  for (size_t i = 0; i < n; ++i) {
    const double right = i + 1 < n ? std::sqrt(matrix.squares[i + 1]) : 0.0;
    bound = std::max(bound,
                     matrix.diagonal[i] + std::sqrt(matrix.squares[i]) + right);
  }
  if (!(bound > 0)) return found;
  const double tiny = bound * 0x1p-200;
  for (size_t begin = 0; begin < count; begin += kSumLanes) {
    double low[kSumLanes], high[kSumLanes], shift[kSumLanes], below[kSumLanes];
    std::fill(low, low + kSumLanes, 0.0);
    std::fill(high, high + kSumLanes, bound * (1 + 0x1p-40));
    for (int step = 0; step < bits; ++step) {
      for (size_t j = 0; j < kSumLanes; ++j) shift[j] = (low[j] + high[j]) / 2;
      CountBelow(matrix.diagonal.data(), matrix.squares.data(), n, tiny, shift,
                 below);
      for (size_t j = 0; j < kSumLanes; ++j) {
        // Eigenvalue `rank` from the top is at or above the shift exactly
        // when more than `rank` are.
        const double rank = static_cast<double>(begin + j);
        const bool above = static_cast<double>(n) - below[j] > rank;
        (above ? low : high)[j] = shift[j];
      }
    }
    for (size_t j = 0; j < kSumLanes && begin + j < count; ++j) {
      found[begin + j] = low[j];
    }
  }
  return found;
}

}  // namespace ram
