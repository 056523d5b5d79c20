// One model as the X-ray sees it: everything that is known about it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ram/allocation/allocate.h"
#include "ram/allocation/ram_score.h"
#include "ram/analysis/manifest.h"
#include "ram/xray/model_facts.h"

namespace ram {

struct Subject {
  std::string name;  // as it was given, for people
  Manifest manifest;
  std::optional<ModelFacts> facts;  // without a profile: none
  std::optional<Plan> plan;
  std::vector<CurvePoint> curve;  // of `optimal`; empty: not measured
  std::string curve_target;       // "mlx"

  const Model& model() const { return manifest.model; }
  const Matrix& matrix(size_t index) const {
    return manifest.model.matrices[index];
  }
  const MatrixRecord& record(size_t index) const {
    return manifest.matrices[index];
  }
  size_t size() const { return manifest.matrices.size(); }
};

// Decibels of signal to quantisation noise of plain (min-max) rounding at these
// bits in groups of 64, or the nearest size that was measured; nullopt where
// none was. Exact codes count as 150 dB.
std::optional<double> SnrAt(const Subject& subject, size_t matrix, int bits);

// Root mean square of the weights of a matrix.
double RmsOf(const Subject& subject, size_t matrix);

}  // namespace ram
