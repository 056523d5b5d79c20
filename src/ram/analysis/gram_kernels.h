// The inner loops of gram.h and spectrum_tridiagonal.h: the same bits on every
// SIMD target. Every result element is a fixed chain of one product and one
// sum per step; nothing is fused, and lanes never meet except where a sum is
// defined over kSumLanes partial sums.
#pragma once

#include <cstddef>

namespace ram {

// Columns of a packed block, and of a tile of the result.
inline constexpr size_t kTile = 48;
// A dot product is kSumLanes interleaved partial sums, then their sum in
// order. kTile is a multiple of it.
inline constexpr size_t kSumLanes = 16;

// c[kTile, kTile] += a' b, for a and b [depth, kTile]. Rows of c are `stride`
// apart. Each element sums its `depth` products first to last, from zero, and
// adds the sum to c. a, b and c are aligned to 64 bytes.
void MultiplyTile(const float* a, const float* b, size_t depth, float* c,
                  size_t stride);
void MultiplyTile(const double* a, const double* b, size_t depth, double* c,
                  size_t stride);

// out[kTile, kTile] = in', both contiguous and aligned to 16 bytes.
void TransposeTile(const float* in, float* out);

// One pass over rows [row, row + kSumLanes) of a symmetric matrix held as its
// upper triangle of kSumLanes x kSumLanes blocks (diagonal blocks whole):
// out += a v for these rows and, by symmetry, for the columns right of the
// diagonal block. row and n are multiples of kSumLanes; a is the whole matrix.
void SymmetricRows(const float* a, size_t stride, size_t row, size_t n,
                   const float* v, float* out);
void SymmetricRows(const double* a, size_t stride, size_t row, size_t n,
                   const double* v, double* out);

// sum of x y over [0, n); n a multiple of kSumLanes.
float Dot(const float* x, const float* y, size_t n);
double Dot(const double* x, const double* y, size_t n);

// y += factor x over [0, n); n a multiple of kSumLanes.
void AddScaled(float factor, const float* x, float* y, size_t n);
void AddScaled(double factor, const double* x, double* y, size_t n);

// How many eigenvalues of the symmetric tridiagonal matrix lie below each of
// shifts[kSumLanes]. diagonal[n]; squares[n]: squares[i] is the square of
// the element between i - 1 and i, squares[0] = 0. tiny > 0 stands in for
// pivots smaller than it (Barth, Martin, Wilkinson 1967).
void CountBelow(const double* diagonal, const double* squares, size_t n,
                double tiny, const double* shifts, double* counts);

}  // namespace ram
