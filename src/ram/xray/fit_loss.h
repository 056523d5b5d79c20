// What a predicted loss has meant where it was measured: the KL divergence
// that plans of two small models turned out to have (docs/fit.md says which,
// and with what commands). The factor was never measured on larger models.
#pragma once

#include <optional>

namespace ram {

struct ExpectedDivergence {
  double kl = 0;   // nats per token, from the median ratio
  double low = 0;  // from the smallest and the largest ratio seen
  double high = 0;
  int samples = 0;  // plans measured with predicted losses of this size
};

// nullopt outside the losses that were measured.
std::optional<ExpectedDivergence> ExpectDivergence(double predicted_loss);

}  // namespace ram
