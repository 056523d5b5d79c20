// The long tables of page.h, column by column.
#pragma once

#include <vector>

#include "ram/allocation/plan.h"
#include "ram/base/json.h"
#include "ram/xray/charts.h"
#include "ram/xray/experts.h"
#include "ram/xray/subject.h"

namespace ram {

// All matrices with their metrics.
OrderedJson MatrixTable(const Subject& subject,
                        const std::vector<ChartMetric>& metrics);
// The units of a plan with their reasons.
OrderedJson PlanTable(const Plan& plan);
OrderedJson ExpertTable(const std::vector<ExpertSummary>& experts);

}  // namespace ram
