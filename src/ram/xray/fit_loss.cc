#include "ram/xray/fit_loss.h"

namespace ram {
namespace {

// Divergence over predicted loss of 29 plans (docs/fit.md, "What a predicted
// loss means"), and the losses between which they lie.
constexpr int kSamples = 29;
constexpr double kLowRatio = 0.600;
constexpr double kMedianRatio = 0.857;
constexpr double kHighRatio = 1.203;
constexpr double kSmallestLoss = 0.0007;
constexpr double kLargestLoss = 0.27;

}  // namespace

std::optional<ExpectedDivergence> ExpectDivergence(double predicted_loss) {
  if (!(predicted_loss >= kSmallestLoss && predicted_loss <= kLargestLoss)) {
    return std::nullopt;
  }
  return ExpectedDivergence{predicted_loss * kMedianRatio,
                            predicted_loss * kLowRatio,
                            predicted_loss * kHighRatio, kSamples};
}

}  // namespace ram
