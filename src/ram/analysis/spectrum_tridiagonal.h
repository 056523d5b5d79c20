// Eigenvalues of dense symmetric matrices without vectors: Householder
// reduction to tridiagonal form in panels (Dongarra, Sorensen, Hammarling
// 1989), then bisection by Sturm counts, many eigenvalues at once. The same
// bits on every SIMD target.
#pragma once

#include <cstddef>
#include <vector>

#include "ram/analysis/gram.h"

namespace ram {

struct Tridiagonal {
  std::vector<double> diagonal;
  std::vector<double> squares;  // of the element above, [0] = 0
};

// Destroys gram.values. Elements that are 2^-30 of T's precision or less count
// as zero: the largest should be about 1 or more.
template <typename T>
Tridiagonal Tridiagonalize(Gram<T>& gram);

// The `count` largest eigenvalues of a positive semi-definite matrix,
// descending; negative ones, which rounding makes, become 0. Each is found to
// 2^-bits of the largest.
std::vector<double> LargestEigenvalues(const Tridiagonal& matrix, size_t count,
                                       int bits);

}  // namespace ram
