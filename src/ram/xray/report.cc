#include "ram/xray/report.h"

#include <utility>

#include "ram/base/version.h"
#include "ram/xray/anomalies.h"
#include "ram/xray/fragility.h"

namespace ram {
namespace {

OrderedJson ToJson(const std::optional<double>& value) {
  return value ? OrderedJson(*value) : OrderedJson(nullptr);
}

OrderedJson ToJson(const Subject* subject,
                   const std::vector<Finding>& findings) {
  OrderedJson array = OrderedJson::array();
  for (const Finding& finding : findings) {
    OrderedJson hits = OrderedJson::array();
    for (const Hit& hit : finding.hits) {
      const Matrix& matrix = subject->matrix(static_cast<size_t>(hit.matrix));
      hits.push_back({{"tensor", matrix.name},
                      {"value", hit.value},
                      {"detail", hit.detail}});
    }
    array.push_back({{"kind", finding.kind},
                     {"severity", SeverityName(finding.severity)},
                     {"sentence", finding.sentence},
                     {"meaning", finding.meaning},
                     {"hits", std::move(hits)}});
  }
  return array;
}

OrderedJson ModelToJson(const Subject& subject,
                        const Examination& examination) {
  const Verdict& verdict = examination.verdict;
  return {{"name", subject.name},
          {"architecture", subject.model().architecture},
          {"weights", subject.model().weights()},
          {"matrices", subject.size()},
          {"verdict",
           {{"mixture", verdict.mixture},
            {"homogeneous", verdict.span ? OrderedJson(verdict.homogeneous)
                                         : OrderedJson(nullptr)},
            {"sensitivity_span", ToJson(verdict.span)},
            {"adaptive_span", ToJson(verdict.adaptive_span)},
            {"max_2bit", ToJson(verdict.max_2bit)},
            {"max_16bit", ToJson(verdict.max_16bit)},
            {"predicted_gain", ToJson(verdict.gain)}}},
          {"description", ToJson(&subject, examination.description)},
          {"anomalies", ToJson(&subject, examination.anomalies)},
          {"fragility", ToJson(&subject, examination.fragility)},
          {"limits", ToJson(&subject, examination.limits)}};
}

}  // namespace

Examination Examine(const Subject& subject) {
  Examination examination;
  examination.verdict = Judge(subject);
  examination.description = DescribeModelInWords(subject, examination.verdict);
  examination.anomalies = FindAnomalies(subject);
  examination.fragility = FindFragility(subject);
  examination.limits = Limits(subject, examination.verdict);
  examination.experts = SummarizeExperts(subject);
  return examination;
}

XrayReport MakeReport(std::vector<Subject> subjects,
                      std::vector<EvaluationRecord> evaluations) {
  XrayReport report;
  report.subjects = std::move(subjects);
  report.evaluations = std::move(evaluations);
  for (const Subject& subject : report.subjects) {
    report.examinations.push_back(Examine(subject));
  }
  for (const EvaluationRecord& record : report.evaluations) {
    for (Finding& finding : DescribeEvaluation(record)) {
      report.evaluation.push_back(std::move(finding));
    }
  }
  return report;
}

OrderedJson XrayToJson(const XrayReport& report) {
  OrderedJson models = OrderedJson::array();
  for (size_t i = 0; i < report.subjects.size(); ++i) {
    models.push_back(ModelToJson(report.subjects[i], report.examinations[i]));
  }
  return {{"version", kXrayVersion},
          {"tool", kToolVersion},
          {"models", std::move(models)},
          {"evaluation", ToJson(nullptr, report.evaluation)}};
}

}  // namespace ram
