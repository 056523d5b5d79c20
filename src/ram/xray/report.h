// The X-ray of one or several models: findings, and what they rest on.
#pragma once

#include <string>
#include <vector>

#include "ram/base/json.h"
#include "ram/xray/evaluation_record.h"
#include "ram/xray/experts.h"
#include "ram/xray/finding.h"
#include "ram/xray/subject.h"
#include "ram/xray/verdict.h"

namespace ram {

inline constexpr int kXrayVersion = 1;

// What was found out about one model.
struct Examination {
  Verdict verdict;
  std::vector<Finding> description;  // how it is, in words
  std::vector<Finding> anomalies;
  std::vector<Finding> fragility;
  std::vector<Finding> limits;
  std::vector<ExpertSummary> experts;
};
Examination Examine(const Subject& subject);

struct XrayReport {
  std::vector<Subject> subjects;
  std::vector<Examination> examinations;  // parallel to subjects
  std::vector<EvaluationRecord> evaluations;
  std::vector<Finding> evaluation;  // in words
};
XrayReport MakeReport(std::vector<Subject> subjects,
                      std::vector<EvaluationRecord> evaluations);

// docs/xray.schema.json.
OrderedJson XrayToJson(const XrayReport& report);

}  // namespace ram
