// Why a tensor of an output got its bits.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "ram/allocation/plan.h"
#include "ram/base/json.h"

namespace ram {

struct Explanation {
  std::string asked;
  std::string why_dropped;           // not empty: the tensor was left out
  std::optional<std::string> plain;  // set: it was not up for a decision
  PlannedUnit unit;
  std::optional<double> stored_nmse;  // measured while writing
};

// `out` is an output directory or a plan.json, `tensor` a unit, a tensor of the
// source, or a stored tensor (".weight", ".scales", ".biases" may be left off).
// Throws kUsage when there is none, naming the closest.
Explanation Explain(const std::filesystem::path& out, std::string_view tensor);
OrderedJson ExplanationToJson(const Explanation& explanation);

}  // namespace ram
