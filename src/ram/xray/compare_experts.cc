#include "ram/xray/compare_experts.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "ram/analysis/matrix_slices.h"
#include "ram/base/parallel.h"

namespace ram {
namespace {

constexpr double kSameExpert = 0.8;

// (layer, expert) -> role -> matrix.
using ExpertMap =
    std::map<std::pair<int, int>, std::map<std::string, uint32_t>>;

ExpertMap ExpertsOf(const Model& model, const std::set<int>& layers) {
  ExpertMap experts;
  for (uint32_t i = 0; i < model.matrices.size(); ++i) {
    const Matrix& matrix = model.matrices[i];
    if (matrix.expert < 0 || matrix.section != Section::kText) continue;
    if (!layers.contains(matrix.layer)) continue;
    experts[{matrix.layer, matrix.expert}][matrix.role] = i;
  }
  return experts;
}

std::map<uint32_t, PairSketch> SketchAll(const Checkpoint& checkpoint,
                                         const std::vector<uint32_t>& matrices,
                                         int threads) {
  std::vector<PairSketch> sketches(matrices.size());
  std::vector<MatrixSliceReader> readers(static_cast<size_t>(threads));
  ParallelFor(matrices.size(), threads, [&](uint64_t item, int worker) {
    const Matrix& matrix = checkpoint.model().matrices[matrices[item]];
    const uint64_t step = RowsPerSlice(matrix);
    for (uint64_t row = 0; row < matrix.rows; row += step) {
      const uint64_t rows = std::min(step, matrix.rows - row);
      AddToSketch(readers[static_cast<size_t>(worker)].ReadFloats(
                      checkpoint, matrix, row, rows),
                  matrix.cols, row, sketches[item]);
    }
  });
  std::map<uint32_t, PairSketch> result;
  for (size_t i = 0; i < matrices.size(); ++i) {
    result.emplace(matrices[i], sketches[i]);
  }
  return result;
}

std::map<uint32_t, PairSketch> SketchExperts(const Checkpoint& checkpoint,
                                             const ExpertMap& experts,
                                             int threads) {
  std::vector<uint32_t> matrices;
  for (const auto& [key, roles] : experts) {
    for (const auto& [role, matrix] : roles) matrices.push_back(matrix);
  }
  return SketchAll(checkpoint, matrices, threads);
}

// The mean over the roles that both have; less than any where there are none.
double Likeness(const std::map<std::string, uint32_t>& a,
                const std::map<uint32_t, PairSketch>& a_sketches,
                const std::map<std::string, uint32_t>& b,
                const std::map<uint32_t, PairSketch>& b_sketches) {
  double sum = 0;
  int roles = 0;
  for (const auto& [role, matrix] : a) {
    const auto other = b.find(role);
    if (other == b.end()) continue;
    sum += SketchCosine(a_sketches.at(matrix), b_sketches.at(other->second));
    ++roles;
  }
  return roles > 0 ? sum / roles : -2;
}

}  // namespace

ExpertMatches MatchExperts(const Checkpoint& base, const Checkpoint& tuned,
                           std::span<const MatrixPair> strangers, int threads) {
  std::set<int> layers;
  std::set<std::pair<int, int>> wanted;
  for (const MatrixPair& pair : strangers) {
    const Matrix& matrix = tuned.model().matrices[pair.tuned];
    layers.insert(matrix.layer);
    wanted.insert({matrix.layer, matrix.expert});
  }
  const ExpertMap from = ExpertsOf(base.model(), layers);
  ExpertMap to = ExpertsOf(tuned.model(), layers);
  std::erase_if(to, [&](const auto& e) { return !wanted.contains(e.first); });
  const auto from_sketches = SketchExperts(base, from, threads);
  const auto to_sketches = SketchExperts(tuned, to, threads);

  // The best pairs first, each expert once.
  std::vector<std::tuple<double, int, int, int>> likely;
  for (const auto& [key, roles] : to) {
    for (auto at = from.lower_bound({key.first, 0});
         at != from.end() && at->first.first == key.first; ++at) {
      const double cosine =
          Likeness(roles, to_sketches, at->second, from_sketches);
      if (cosine < kSameExpert) continue;
      likely.emplace_back(-cosine, key.first, key.second, at->first.second);
    }
  }
  std::sort(likely.begin(), likely.end());
  std::map<std::pair<int, int>, MovedExpert> match;
  std::set<std::pair<int, int>> taken;
  for (const auto& [negative, layer, expert, origin] : likely) {
    if (match.contains({layer, expert}) || taken.contains({layer, origin})) {
      continue;
    }
    taken.insert({layer, origin});
    match[{layer, expert}] = {layer, origin, expert, -negative};
  }
  ExpertMatches result;
  for (const auto& [key, moved] : match) {
    if (moved.from != moved.to) result.moved.push_back(moved);
  }
  for (const MatrixPair& pair : strangers) {
    const Matrix& matrix = tuned.model().matrices[pair.tuned];
    MatrixPair found = pair;
    const auto moved = match.find({matrix.layer, matrix.expert});
    if (moved != match.end()) {
      const auto& roles = from.at({matrix.layer, moved->second.from});
      const auto role = roles.find(matrix.role);
      if (role != roles.end()) found.base = role->second;
    }
    result.pairs.push_back(found);
  }
  return result;
}

}  // namespace ram
