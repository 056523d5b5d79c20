// Plans as people read them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ram/allocation/allocate.h"
#include "ram/allocation/plan.h"

namespace ram {

// "4 bits 71.9 %, 8 bits 6.3 %, ...": shares of the weights.
std::string WidthShares(const PlanTotals& totals);
// Roles against schemes: how many units of each role got what.
std::string UnitTable(const Plan& plan);
std::string CurveTable(const std::vector<CurvePoint>& curve);
OrderedJson CurveToJson(const std::vector<CurvePoint>& curve);
OrderedJson TotalsToJson(const PlanTotals& totals);

}  // namespace ram
