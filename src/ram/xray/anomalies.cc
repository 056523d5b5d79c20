#include "ram/xray/anomalies.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ram/base/byte_size.h"
#include "ram/xray/anomaly_list.h"

namespace ram {
namespace {

constexpr std::string_view kAll = "anomalies";
constexpr std::string_view kExperts = "experts";

constexpr std::array<AnomalyKind, 25> kKinds = {{
    {"nonfinite", "holds NaN or infinite weights",
     "matrices hold NaN or infinite weights",
     "The model cannot compute with them; they are kept at 16 bits.", kAll},
    {"zero-matrix", "is all zeros", "matrices are all zeros",
     "Nothing passes through; the checkpoint may be incomplete.", kAll},
    {"constant-matrix", "holds one value only", "matrices hold one value only",
     "All outputs are equal; the matrix was filled, not trained.", kAll},
    {"dead-rows", "has outputs that are always zero",
     "matrices have outputs that are always zero",
     "They cost bytes and compute nothing.", kAll},
    {"dead-inputs", "ignores some of its inputs",
     "matrices ignore some of their inputs",
     "What earlier layers write there is lost.", kAll},
    {"dead-neurons", "belongs to a feed-forward block with dead neurons",
     "matrices belong to feed-forward blocks with dead neurons",
     "A neuron with zero weights in or out does nothing: the block was pruned "
     "or has collapsed.",
     kAll},
    {"unused-tokens", "has rows that are near zero",
     "vocabulary matrices have rows that are near zero",
     "Tokens that were never trained, or padding of the vocabulary.", kAll},
    {"pruned", "holds many zeros", "matrices hold many zeros",
     "They were pruned; a dense format stores the zeros at full price.", kAll},
    {"identical-matrices", "is a copy of another matrix",
     "matrices are copies of another",
     "Layers were duplicated (depth up-scaling, a merge), or written twice.",
     kAll},
    {"norm-large", "is far larger than its peers",
     "matrices are far larger than their peers",
     "It dominates the residual stream; errors in it weigh more.", kAll},
    {"norm-small", "is far smaller than its peers",
     "matrices are far smaller than their peers",
     "It hardly contributes: collapsed, over-regularised, or scaled wrongly.",
     kAll},
    {"row-outlier", "has an output row far larger than the others",
     "matrices have an output row far larger than the others",
     "One output overwhelms the rest; groups along other rows are unharmed.",
     kAll},
    {"channel-outlier", "has an input channel far larger than the others",
     "matrices have an input channel far larger than the others",
     "It widens one group in every row: small groups, more bits, or a rescaled "
     "norm help.",
     kAll},
    {"super-weight", "holds a single weight far beyond the rest",
     "matrices hold a single weight far beyond the rest",
     "Such weights can carry a model (arXiv:2411.07191): keep their group "
     "exact.",
     kAll},
    {"heavy-tails", "has far heavier tails than its peers",
     "matrices have far heavier tails than their peers",
     "Few large weights carry much of it: it loses most at low widths.", kAll},
    {"saturated", "has many weights at its largest magnitude",
     "matrices have many weights at their largest magnitude",
     "The weights were clipped, or come from a narrower type.", kAll},
    {"quantized-grid", "lies on a coarse grid", "matrices lie on a coarse grid",
     "They were quantised before: further quantisation to the same grid is "
     "free, to another one costs twice.",
     kAll},
    {"shifted-mean", "has a mean far from zero",
     "matrices have a mean far from zero",
     "Symmetric formats waste half of their range on it.", kAll},
    {"as-initialised", "looks freshly initialised",
     "matrices look freshly initialised",
     "They have the statistics of random numbers while their peers do not: "
     "reset, or never trained.",
     kAll},
    {"low-rank", "has collapsed to very few directions",
     "matrices have collapsed to very few directions",
     "Nearly everything it computes is one number per token.", kAll},
    {"rank-deficient", "uses few of its directions",
     "matrices use few of their directions",
     "Their rank was cut (SVD compression, a merged adapter without its base): "
     "two thin factors would store them in less.",
     kAll},
    {"duplicate-experts", "is an exact copy of another expert",
     "expert matrices are exact copies of another expert",
     "The experts were copied (upcycling) and not trained apart.", kExperts},
    {"similar-experts", "is nearly the same as another expert",
     "expert matrices are nearly the same as another expert",
     "Experts that hardly differ can be merged or shared.", kExperts},
    {"unreachable-expert", "has experts that it hardly ever chooses",
     "routers have experts that they hardly ever choose",
     "Simulated, without text: such experts may be dead weight.", kExperts},
    {"hot-expert", "has an expert that it nearly always chooses",
     "routers have an expert that they nearly always choose",
     "Simulated, without text: its errors reach more tokens than others'.",
     kExperts},
}};

std::string SentenceOf(const Subject& subject, const AnomalyKind& kind,
                       const std::vector<Hit>& hits) {
  const std::string& name =
      subject.matrix(static_cast<size_t>(hits[0].matrix)).name;
  if (hits.size() == 1) {
    return fmt::format("{} {}: {}.", name, kind.one, hits[0].detail);
  }
  return fmt::format("{} {}, first of all {}: {}.", FormatCount(hits.size()),
                     kind.many, name, hits[0].detail);
}

}  // namespace

std::span<const AnomalyKind> AnomalyKinds() { return kKinds; }

std::vector<Finding> FindAnomalies(const Subject& subject) {
  const Peers peers(subject);
  AnomalyList list(subject, peers);
  FindValueAnomalies(list);
  if (subject.facts) {
    FindStructureAnomalies(list);
    FindExpertAnomalies(list);
  }
  std::vector<Finding> findings;
  for (const AnomalyKind& kind : kKinds) {
    const auto found = list.hits().find(std::string(kind.kind));
    if (found == list.hits().end()) continue;
    std::vector<Hit> hits = found->second;
    std::stable_sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) {
      return a.value > b.value;
    });
    findings.push_back({std::string(kind.kind), Severity::kWarning,
                        SentenceOf(subject, kind, hits),
                        std::string(kind.meaning), std::string(kind.section),
                        std::move(hits)});
  }
  return findings;
}

}  // namespace ram
