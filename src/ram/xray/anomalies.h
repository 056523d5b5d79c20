// What a sound model does not have: broken, dead, copied, clipped, collapsed or
// reset matrices, and experts that are never or always chosen. Each kind has a
// threshold in one place (docs/xray.md lists them), chosen so that models in
// use raise none.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ram/xray/finding.h"
#include "ram/xray/subject.h"

namespace ram {

struct AnomalyKind {
  std::string_view kind;
  std::string_view one;   // "MATRIX holds NaN or infinite weights"
  std::string_view many;  // "3 matrices hold NaN or infinite weights"
  std::string_view meaning;
  std::string_view section;
};

// In the order of the report.
std::span<const AnomalyKind> AnomalyKinds();

// One finding per kind that occurs, in that order. Kinds that need a profile,
// spectra or measured schemes are looked for where there are any.
std::vector<Finding> FindAnomalies(const Subject& subject);

}  // namespace ram
