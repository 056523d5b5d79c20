#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "ram/xray/anomaly_list.h"
#include "ram/xray/experts.h"

namespace ram {
namespace {

// Thresholds; docs/xray.md says how they were chosen.
constexpr double kSimilar = 0.95;    // cosine of the sketches
constexpr double kColdShare = 0.05;  // of an even share of the tokens
constexpr double kHotFactor = 3.2;   // even shares
constexpr double kHotShare = 0.3;    // of all tokens

void FindSimilar(AnomalyList& list) {
  const ModelFacts& facts = *list.subject.facts;
  const std::vector<ExpertSummary> experts = SummarizeExperts(list.subject);
  std::map<std::pair<int, int>, uint32_t> first;  // matrix of (layer, expert)
  for (const ExpertSummary& expert : experts) {
    first[{expert.layer, expert.expert}] = expert.matrices[0];
  }
  for (const ExpertSummary& expert : experts) {
    // Of two that are alike, the later one is reported.
    if (!expert.similarity || *expert.similarity < kSimilar ||
        expert.most_similar > expert.expert) {
      continue;
    }
    const uint32_t matrix = expert.matrices[0];
    const uint32_t other = first.at({expert.layer, expert.most_similar});
    // Copies have a kind of their own.
    if (facts.matrices[matrix].hash == facts.matrices[other].hash) continue;
    if (IsDegenerate(list.subject, matrix)) continue;
    list.Add("similar-experts", matrix, *expert.similarity,
             fmt::format("expert {} of layer {} agrees with expert {} to a "
                         "cosine of {:.3f}",
                         expert.expert, expert.layer, expert.most_similar,
                         *expert.similarity));
  }
}

void FindLoads(AnomalyList& list) {
  for (const RouterLoad& router : list.subject.facts->routers) {
    if (router.load.empty()) continue;
    double even = 0;
    for (const float share : router.load) even += static_cast<double>(share);
    even /= static_cast<double>(router.load.size());
    size_t cold = 0, coldest = 0, hottest = 0;
    for (size_t i = 0; i < router.load.size(); ++i) {
      cold += static_cast<double>(router.load[i]) < kColdShare * even;
      if (router.load[i] < router.load[coldest]) coldest = i;
      if (router.load[i] > router.load[hottest]) hottest = i;
    }
    if (cold > 0) {
      list.Add("unreachable-expert", router.router,
               1 - static_cast<double>(router.load[coldest]),
               fmt::format("{} of {} experts get under a twentieth of an even "
                           "share; expert {} gets {:.2f} % of the tokens",
                           cold, router.load.size(), coldest,
                           100 * static_cast<double>(router.load[coldest])));
    }
    const double most = static_cast<double>(router.load[hottest]);
    if (most > kHotShare && most > kHotFactor * even) {
      list.Add("hot-expert", router.router, most,
               fmt::format("expert {} gets {:.0f} % of the tokens, an even "
                           "share is {:.1f} %",
                           hottest, 100 * most, 100 * even));
    }
  }
}

}  // namespace

void FindExpertAnomalies(AnomalyList& list) {
  FindSimilar(list);
  FindLoads(list);
}

}  // namespace ram
