// Matrices with known or interesting spectra, for tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ram/analysis/spectrum.h"
#include "ram/base/random.h"

namespace ram {

// Row-major [rows, cols].
struct TestMatrix {
  uint64_t rows = 0;
  uint64_t cols = 0;
  std::vector<float> values;

  TestMatrix(uint64_t r, uint64_t c) : rows(r), cols(c), values(r * c) {}
  float& at(uint64_t r, uint64_t c) { return values[r * cols + c]; }
  RowReader Reader() const {
    return [this](uint64_t row, std::span<float> out) {
      std::copy_n(values.begin() + static_cast<ptrdiff_t>(row * cols),
                  out.size(), out.begin());
    };
  }
};

inline TestMatrix GaussianMatrix(uint64_t rows, uint64_t cols,
                                 std::string_view name) {
  TestMatrix matrix(rows, cols);
  const CounterRandom random(7, name);
  for (uint64_t i = 0; i < rows * cols; ++i) {
    matrix.values[i] = static_cast<float>(0.02 * random.Normal(i));
  }
  return matrix;
}

// Student's t with `degrees` degrees of freedom.
inline TestMatrix StudentMatrix(uint64_t rows, uint64_t cols, int degrees,
                                std::string_view name) {
  TestMatrix matrix(rows, cols);
  const CounterRandom random(8, name);
  uint64_t next = 0;
  for (float& value : matrix.values) {
    double chi2 = 0;
    const double normal = random.Normal(next++);
    for (int d = 0; d < degrees; ++d) {
      const double x = random.Normal(next++);
      chi2 += x * x;
    }
    value = static_cast<float>(0.02 * normal / std::sqrt(chi2 / degrees));
  }
  return matrix;
}

// [size, cols], cols >= size, with these singular values (size of them): a
// diagonal matrix between two random reflections.
inline TestMatrix MatrixWithSingularValues(std::span<const double> values,
                                           uint64_t cols) {
  const uint64_t rows = values.size();
  const auto reflection = [](uint64_t n, std::string_view name) {
    const CounterRandom random(9, name);
    std::vector<double> v(n);
    double norm2 = 0;
    for (uint64_t i = 0; i < n; ++i) {
      v[i] = random.Normal(i);
      norm2 += v[i] * v[i];
    }
    for (double& x : v) x *= std::sqrt(2 / norm2);
    return v;  // I - v v'
  };
  const std::vector<double> u = reflection(rows, "left");
  const std::vector<double> v = reflection(cols, "right");
  double product = 0;  // u' D v
  for (uint64_t i = 0; i < rows; ++i) product += u[i] * values[i] * v[i];
  TestMatrix matrix(rows, cols);
  for (uint64_t i = 0; i < rows; ++i) {
    for (uint64_t j = 0; j < cols; ++j) {
      double x = i == j ? values[i] : 0.0;
      if (j < rows) x -= u[i] * u[j] * values[j];
      x -= values[i] * v[i] * v[j];
      x += u[i] * product * v[j];
      matrix.at(i, j) = static_cast<float>(x);
    }
  }
  return matrix;
}

inline TestMatrix Transposed(const TestMatrix& matrix) {
  TestMatrix out(matrix.cols, matrix.rows);
  for (uint64_t i = 0; i < matrix.rows; ++i) {
    for (uint64_t j = 0; j < matrix.cols; ++j) {
      out.at(j, i) = matrix.values[i * matrix.cols + j];
    }
  }
  return out;
}

// Squared singular values of a large square random matrix, descending: the
// quantiles of the quarter-circle law (Marchenko and Pastur 1967). The flattest
// spectrum that real weights have.
inline std::vector<double> QuarterCircleEnergies(size_t size) {
  std::vector<double> energies(size);
  for (size_t i = 0; i < size; ++i) {
    const double above =
        (static_cast<double>(i) + 0.5) / static_cast<double>(size);
    // The share of singular values above x in [0, 2] is
    // 1 - (x sqrt(4 - x^2) / 2 + 2 asin(x / 2)) / pi.
    double low = 0, high = 2;
    for (int step = 0; step < 60; ++step) {
      const double x = (low + high) / 2;
      const double share =
          1 - (x * std::sqrt(4 - x * x) / 2 + 2 * std::asin(x / 2)) /
                  3.14159265358979323846;
      (share > above ? low : high) = x;
    }
    energies[i] = low * low;
  }
  return energies;
}

}  // namespace ram
