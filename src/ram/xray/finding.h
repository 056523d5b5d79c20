// What the X-ray found, in words with the numbers behind them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ram {

enum class Severity : uint8_t {
  kFact,     // how the model is
  kNotice,   // worth knowing before compressing it
  kWarning,  // an anomaly: a sound model does not have it
};
std::string_view SeverityName(Severity severity);  // "fact", "notice", ...

// One place where something was found.
struct Hit {
  int64_t matrix = -1;  // index into Model::matrices; -1: the whole model
  double value = 0;     // what was measured, in the unit of the detail
  std::string detail;   // "rows 3, 7 are zero"
};

struct Finding {
  std::string kind;  // "dead-rows": stable, for programs
  Severity severity = Severity::kFact;
  std::string sentence;   // one or two, complete in themselves
  std::string meaning;    // what follows from it; may be empty
  std::string section;    // of the page, where the evidence is: "anomalies"
  std::vector<Hit> hits;  // the strongest first
};

}  // namespace ram
