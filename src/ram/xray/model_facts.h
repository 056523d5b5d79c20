// What the X-ray keeps of a profile: a few numbers per matrix instead of its
// vectors, so that a model of 20,000 matrices stays small.
#pragma once

#include <cstdint>
#include <vector>

#include "ram/analysis/analyze.h"

namespace ram {

// Channels whose ratios (see MatrixFacts) lie in one octave.
struct RatioBin {
  double channels = 0;
  double sum = 0;  // of the ratios
};

struct MatrixFacts {
  uint64_t hash = 0;
  uint64_t at_absmax = 0;  // weights of the largest magnitude
  double distinct = 1;     // see MatrixProfile
  // Rows and columns of zeros, by number; empty for a matrix of zeros.
  std::vector<uint32_t> zero_rows;
  std::vector<uint32_t> zero_cols;
  // Rows whose norm is under a tenth of the median, zeros included.
  uint64_t faint_rows = 0;
  // The largest norm over the median one, and where; 0 where the median is 0.
  double row_peak = 0;
  uint64_t row_peak_at = 0;
  double col_peak = 0;
  uint64_t col_peak_at = 0;
  // Standard deviation of the logarithm of the columns' norms, zeros apart.
  double col_spread = 0;
  // Ratios of the mean square of a group of 64 input channels to that of one of
  // its channels, zeros apart, by octave; empty octaves left out.
  std::vector<RatioBin> channel_ratios;
  // Standard deviation of the rows' norms over their mean.
  double row_variation = 0;
  std::vector<float> sketch;  // of experts
};

struct RouterLoad {
  uint32_t router = 0;      // index into Model::matrices
  std::vector<float> load;  // [experts] share of tokens; empty: unknown
};

struct ModelFacts {
  std::vector<MatrixFacts> matrices;  // parallel to Model::matrices
  std::vector<RouterLoad> routers;
};

// Takes the profiles from Analyze or ReadProfile. The model must outlive it.
class FactCollector : public ProfileSink {
 public:
  explicit FactCollector(const Model& model) : model_(model) {}
  void Add(const Matrix& matrix, MatrixProfile profile) override;
  void AddRouterLoad(const Matrix& router, std::vector<float> load) override;
  ModelFacts Take() { return std::move(facts_); }

 private:
  const Model& model_;
  ModelFacts facts_;
};

}  // namespace ram
