// What a person reads of an evaluation.
#pragma once

#include <string>

#include "ram/evaluation/report.h"

namespace ram {

// Tables, outlier windows with the beginning of their text, what the measures
// agree on, warnings.
std::string ReportForPeople(const PerplexityReport& report);
std::string ReportForPeople(const ChoiceReport& report);

}  // namespace ram
