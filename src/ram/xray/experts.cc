#include "ram/xray/experts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <tuple>
#include <utility>

namespace ram {
namespace {

using Span = std::span<ExpertSummary>;

double Dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  return sum;
}

double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  const double norms = Dot(a, a) * Dot(b, b);
  return norms > 0 ? Dot(a, b) / std::sqrt(norms) : 0.0;
}

// The experts of one layer with each other.
void CompareSketches(const ModelFacts& facts, Span layer) {
  for (size_t a = 0; a < layer.size(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      const auto& left = layer[a].matrices;
      const auto& right = layer[b].matrices;
      if (left.size() != right.size() || left.empty()) continue;
      double lowest = 1;
      for (size_t k = 0; k < left.size(); ++k) {
        lowest = std::min(lowest, Cosine(facts.matrices[left[k]].sketch,
                                         facts.matrices[right[k]].sketch));
      }
      const auto take = [&](ExpertSummary& to, const ExpertSummary& from) {
        if (to.similarity && *to.similarity >= lowest) return;
        to.similarity = lowest;
        to.most_similar = from.expert;
      };
      take(layer[a], layer[b]);
      take(layer[b], layer[a]);
    }
  }
}

void Measure(const Subject& subject, ExpertSummary& expert) {
  double squares = 0, noise = 0, weights = 0, kurtosis = 0;
  bool measured = true, shaped = true;
  for (const uint32_t i : expert.matrices) {
    const MatrixRecord& record = subject.record(i);
    const double n = static_cast<double>(subject.matrix(i).weights());
    const auto snr = SnrAt(subject, i, 3);
    measured = measured && snr && record.squared_norm > 0;
    shaped = shaped && record.metrics.excess_kurtosis;
    if (snr) noise += record.squared_norm * std::pow(10.0, -*snr / 10);
    squares += record.squared_norm;
    weights += n;
    kurtosis += n * record.metrics.excess_kurtosis.value_or(0);
  }
  if (measured && noise > 0) {
    expert.snr3 = 10 * std::log10(squares / noise);
    expert.importance = noise;  // until Weigh
  }
  if (shaped) expert.kurtosis = kurtosis / weights;
}

void AddLoads(const Subject& subject, std::vector<ExpertSummary>& experts) {
  std::map<int, const std::vector<float>*> loads;
  for (const RouterLoad& router : subject.facts->routers) {
    if (subject.matrix(router.router).section != Section::kText) continue;
    loads[subject.matrix(router.router).layer] = &router.load;
  }
  for (ExpertSummary& expert : experts) {
    const auto found = loads.find(expert.layer);
    const auto number = static_cast<size_t>(expert.expert);
    if (found == loads.end() || number >= found->second->size()) continue;
    expert.load = static_cast<double>((*found->second)[number]);
  }
}

// From sums to multiples of the mean.
void Weigh(std::vector<ExpertSummary>& experts) {
  double sum = 0, count = 0;
  for (const ExpertSummary& expert : experts) {
    if (!expert.importance) continue;
    sum += *expert.importance;
    count += 1;
  }
  for (ExpertSummary& expert : experts) {
    if (expert.importance) *expert.importance *= count / sum;
  }
}

}  // namespace

std::vector<ExpertSummary> SummarizeExperts(const Subject& subject) {
  std::map<std::pair<int, int>, ExpertSummary> found;
  for (size_t i = 0; i < subject.size(); ++i) {
    const Matrix& matrix = subject.matrix(i);
    if (matrix.expert < 0 || matrix.section != Section::kText) continue;
    ExpertSummary& expert = found[{matrix.layer, matrix.expert}];
    expert.layer = matrix.layer;
    expert.expert = matrix.expert;
    expert.matrices.push_back(static_cast<uint32_t>(i));
  }
  std::vector<ExpertSummary> experts;
  for (auto& [key, expert] : found) {
    // Roles in one order, so that those of two experts match.
    std::sort(expert.matrices.begin(), expert.matrices.end(),
              [&](uint32_t a, uint32_t b) {
                return std::tie(subject.matrix(a).role, a) <
                       std::tie(subject.matrix(b).role, b);
              });
    Measure(subject, expert);
    experts.push_back(std::move(expert));
  }
  Weigh(experts);
  if (!subject.facts) return experts;
  for (size_t begin = 0; begin < experts.size();) {
    size_t end = begin;
    while (end < experts.size() && experts[end].layer == experts[begin].layer) {
      ++end;
    }
    CompareSketches(*subject.facts, Span(experts).subspan(begin, end - begin));
    begin = end;
  }
  AddLoads(subject, experts);
  return experts;
}

}  // namespace ram
