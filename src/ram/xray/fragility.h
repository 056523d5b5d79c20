// What foretells that a model collapses under few bits, chosen by evidence: a
// study of 48 models, all but two damaged on purpose (docs/xray.md, Fragility;
// tests/peers/fragility_study.py). Each indicator is shown with how often it
// was right there. It is never a certainty.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ram/xray/finding.h"
#include "ram/xray/subject.h"

namespace ram {

// Counts over the models of the study; collapsed: 3-bit g64 by plain rounding
// costs 0.3 nats or more per token.
struct HitRate {
  int hits = 0;          // over the limit, and collapsed
  int misses = 0;        // under it, and collapsed
  int false_alarms = 0;  // over it, and did not collapse
  int sound = 0;         // under it, and did not
};

struct FragilityIndicator {
  std::string_view kind;
  std::string_view name;     // "spread of the input channels"
  std::string_view meaning;  // why it matters
  double limit = 0;
  HitRate rate;
};
std::span<const FragilityIndicator> FragilityIndicators();

struct FragilityValue {
  double value = 0;
  int64_t matrix = -1;  // the one with the largest value
};
// The largest value over the matrices of the layers, routers apart; parallel to
// FragilityIndicators(); nullopt where not measured.
std::vector<std::optional<FragilityValue>> MeasureFragility(
    const Subject& subject);

// A kNotice for every indicator over its limit.
std::vector<Finding> FindFragility(const Subject& subject);

}  // namespace ram
