#include "ram/xray/subject.h"

#include <algorithm>
#include <cmath>

#include "ram/xray/finding.h"

namespace ram {

std::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kFact:
      return "fact";
    case Severity::kNotice:
      return "notice";
    default:
      return "warning";
  }
}

std::optional<double> SnrAt(const Subject& subject, size_t matrix, int bits) {
  const auto& schemes = subject.manifest.schemes;
  const auto& nmse = subject.record(matrix).nmse;
  for (const int group : {64, 32, 128}) {
    const auto found =
        std::find(schemes.begin(), schemes.end(),
                  MeasuredScheme{Affine(bits, group), Encoder::kMinMax});
    const auto at = static_cast<size_t>(found - schemes.begin());
    if (at >= nmse.size() || std::isnan(nmse[at])) continue;
    return nmse[at] > 1e-15 ? -10 * std::log10(nmse[at]) : 150.0;
  }
  return std::nullopt;
}

double RmsOf(const Subject& subject, size_t matrix) {
  const double weights = static_cast<double>(subject.matrix(matrix).weights());
  return std::sqrt(subject.record(matrix).squared_norm / weights);
}

}  // namespace ram
