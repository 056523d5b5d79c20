#include "ram/xray/report_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ram/base/byte_size.h"
#include "ram/xray/charts.h"
#include "ram/xray/model_sections.h"
#include "ram/xray/page.h"

namespace ram {
namespace {

std::string Cell(const std::string& text) {
  return "<td class=\"n\">" + EscapeHtml(text) + "</td>";
}
std::string Cell(const std::optional<double>& value, int decimals,
                 double factor = 1, const char* unit = "") {
  return Cell(value ? fmt::format("{:.{}f}{}", factor * *value, decimals, unit)
                    : std::string("–"));
}

std::string Head(const std::vector<std::string>& headings) {
  std::string html = "<thead><tr>";
  for (size_t i = 0; i < headings.size(); ++i) {
    html += fmt::format("<th scope=\"col\"{}>{}</th>",
                        i == 0 ? "" : " class=\"n\"", EscapeHtml(headings[i]));
  }
  return html + "</tr></thead>\n<tbody>\n";
}

std::string FactTable(const std::string& caption, const std::string& rows) {
  return "<div class=\"wide\"><table class=\"facts\"><caption>" +
         EscapeHtml(caption) + "</caption>\n" + rows +
         "</tbody></table></div>\n";
}

// A line per model.
OrderedJson Overlay(const XrayReport& report,
                    OrderedJson (*chart)(const Subject&)) {
  OrderedJson all;
  for (const Subject& subject : report.subjects) {
    OrderedJson one = chart(subject);
    if (one["series"].empty()) continue;
    one["series"][0]["name"] = subject.name;
    if (all.is_null()) {
      all = one;
      all["series"] = OrderedJson::array();
    }
    all["series"].push_back(one["series"][0]);
  }
  return all;
}

OrderedJson FourBits(const Subject& subject) {
  return QuantileChart(subject, {ErrorMetrics(subject)[0]},
                       "signal to noise at 4 bits, dB", false);
}
OrderedJson Kurtosis(const Subject& subject) {
  const Verdict none = {};
  return QuantileChart(subject, {ShapeMetrics(subject, none)[1]},
                       "excess kurtosis", false);
}
OrderedJson SizeCurve(const Subject& subject) {
  OrderedJson chart = CurveChart(subject);
  if (subject.curve.empty()) chart["series"] = OrderedJson::array();
  return chart;
}

void AddComparison(const XrayReport& report, Page& page) {
  std::string rows =
      Head({"model", "weights", "matrices", "S span", "stretched", "max 2-bit",
            "max 16-bit", "kind", "4-bit dB, 5 to 95 %", "predicted gain",
            "anomalies"});
  for (size_t i = 0; i < report.subjects.size(); ++i) {
    const Subject& subject = report.subjects[i];
    const Verdict& verdict = report.examinations[i].verdict;
    rows += "<tr><th scope=\"row\"><a href=\"#" + fmt::format("m{}-words", i) +
            "\">" + EscapeHtml(subject.name) + "</a></th>";
    rows += Cell(FormatCount(subject.model().weights()));
    rows += Cell(FormatCount(subject.size()));
    rows += Cell(verdict.span, 3) + Cell(verdict.adaptive_span, 3);
    rows += Cell(verdict.max_2bit, 1, 100, " %");
    rows += Cell(verdict.max_16bit, 1, 100, " %");
    rows += Cell(!verdict.span         ? "–"
                 : verdict.homogeneous ? "homogeneous"
                                       : "diverse");
    rows += Cell(verdict.snr4_low
                     ? fmt::format("{:.1f} to {:.1f}", *verdict.snr4_low,
                                   *verdict.snr4_high)
                     : std::string("–"));
    rows += Cell(verdict.gain, 1, 1, "×");
    rows += Cell(fmt::format("{}", report.examinations[i].anomalies.size())) +
            "</tr>\n";
  }
  std::string html = FactTable("The verdicts side by side", rows);
  const auto overlay = [&](const char* id, const char* caption,
                           OrderedJson (*chart)(const Subject&)) {
    OrderedJson json = Overlay(report, chart);
    if (json.is_null()) return;
    page.data["charts"][id] = std::move(json);
    html += ChartHtml(id, caption);
  };
  overlay("all-errors", "Rounding errors at 4 bits, matrices sorted", FourBits);
  overlay("all-kurtosis", "Kurtosis, matrices sorted", Kurtosis);
  overlay("all-curves", "Size against predicted loss", SizeCurve);
  page.sections.push_back({"comparison", "Comparison", html});
}

// `<th ...` with the whole path where the pointer rests.
std::string ModelHead(const ReportedModel& model) {
  return fmt::format("<tr><th scope=\"row\" title=\"{}\">{}</th>",
                     EscapeHtml(model.path), EscapeHtml(model.name));
}

std::string WithError(const std::optional<double>& value,
                      const std::optional<double>& error, int decimals,
                      double factor = 1) {
  if (!value) return "–";
  std::string text = fmt::format("{:.{}f}", factor * *value, decimals);
  if (error) text += fmt::format(" ({:.{}f})", factor * *error, decimals);
  return text;
}

std::string PerplexityTable(const EvaluationRecord& record) {
  std::string rows =
      Head({"model", "size", "bpw", "perplexity (s.e.)", "mean", "median",
            "ratio (95 %)", "KL mean", "KL median", "KL 99 %", "same top-1"});
  for (const ReportedModel& model : record.models) {
    rows += ModelHead(model);
    rows += Cell(FormatByteSize(model.bytes)) + Cell(model.bits_per_weight, 2);
    rows += Cell(WithError(model.ppl, model.ppl_stderr, 3));
    rows += Cell(model.mean_ppl, 3) + Cell(model.median_ppl, 3);
    rows += Cell(model.ppl_ratio
                     ? fmt::format("{:.4f} ({:.4f} to {:.4f})",
                                   model.ppl_ratio->value, model.ppl_ratio->low,
                                   model.ppl_ratio->high)
                     : std::string("–"));
    rows += Cell(model.kl_mean, 5) + Cell(model.kl_median, 5);
    rows += Cell(model.kl_p99, 4) + Cell(model.top1_agreement, 2, 100, " %");
    rows += "</tr>\n";
  }
  return FactTable("Perplexity on " + record.data, rows);
}

std::string DifferenceText(const std::optional<ReportedInterval>& difference) {
  if (!difference) return "–";
  return fmt::format("{:+.2f} ({:+.2f} to {:+.2f})", 100 * difference->value,
                     100 * difference->low, 100 * difference->high);
}

std::string ChoiceTable(const EvaluationRecord& record) {
  std::string rows = Head({"model", "size", "bpw", "accuracy, % (s.e.)",
                           "difference, points (95 %)", "normalised",
                           "difference, points (95 %)", "McNemar p"});
  for (const ReportedModel& model : record.models) {
    rows += ModelHead(model);
    rows += Cell(FormatByteSize(model.bytes)) + Cell(model.bits_per_weight, 2);
    rows += Cell(WithError(model.acc, model.acc_stderr, 2, 100));
    rows += Cell(DifferenceText(model.acc_difference));
    rows += Cell(model.acc_norm, 2, 100, " %");
    rows += Cell(DifferenceText(model.acc_norm_difference));
    rows += Cell(model.mcnemar_p, 3) + "</tr>\n";
  }
  return FactTable(record.task + " on " + record.data, rows);
}

OrderedJson WindowChart(const EvaluationRecord& record) {
  OrderedJson series = OrderedJson::array();
  for (const ReportedModel& model : record.models) {
    if (model.window_ppl.empty()) continue;
    OrderedJson y = OrderedJson::array();
    for (const double ppl : model.window_ppl) y.push_back(Rounded(ppl));
    series.push_back(
        {{"name", model.name}, {"x", record.window_numbers}, {"y", y}});
  }
  return {{"kind", "plot"},    {"x", "window of the text"},
          {"y", "perplexity"}, {"logy", true},
          {"digits", 2},       {"series", std::move(series)}};
}

// What each window became worse by; null without two models or windows.
OrderedJson WindowRatioChart(const EvaluationRecord& record) {
  const std::vector<double>& before = record.models[0].window_ppl;
  OrderedJson series = OrderedJson::array();
  for (size_t m = 1; m < record.models.size(); ++m) {
    const ReportedModel& model = record.models[m];
    if (before.size() < 2 || model.window_ppl.size() != before.size()) continue;
    OrderedJson y = OrderedJson::array();
    for (size_t i = 0; i < before.size(); ++i) {
      y.push_back(Rounded(100 * (model.window_ppl[i] / before[i] - 1), 3));
    }
    series.push_back(
        {{"name", model.name}, {"x", record.window_numbers}, {"y", y}});
  }
  if (series.empty()) return nullptr;
  return {{"kind", "plot"},
          {"x", "window of the text"},
          {"y", "perplexity above that of " + record.models[0].name + ", %"},
          {"digits", 2},
          {"series", std::move(series)}};
}

std::string OutliersHtml(const EvaluationRecord& record) {
  std::string html;
  for (const ReportedModel& model : record.models) {
    if (model.outliers.empty()) continue;
    html += fmt::format(
        "<details><summary>Outlier windows of {} ({})</summary><ul>",
        EscapeHtml(model.name), model.outliers.size());
    for (const ReportedWindow& window : model.outliers) {
      html += fmt::format("<li>Window {}, perplexity {:.2f}: {}</li>\n",
                          window.window, window.ppl, EscapeHtml(window.text));
    }
    html += "</ul></details>\n";
  }
  return html;
}

void AddEvaluation(const XrayReport& report, Page& page) {
  if (report.evaluations.empty()) return;
  std::string html = FindingsHtml(report.evaluation, nullptr, "", "evaluation");
  for (size_t i = 0; i < report.evaluations.size(); ++i) {
    const EvaluationRecord& record = report.evaluations[i];
    if (record.task != "perplexity") {
      html += ChoiceTable(record);
      continue;
    }
    html += PerplexityTable(record);
    OrderedJson chart = WindowChart(record);
    const bool plotted =
        !chart["series"].empty() && record.window_numbers.size() > 1;
    if (plotted) {
      const std::string id = fmt::format("windows-{}", i);
      page.data["charts"][id] = std::move(chart);
      html += ChartHtml(id, "Every window");
    }
    if (OrderedJson ratios = WindowRatioChart(record); !ratios.is_null()) {
      const std::string id = fmt::format("window-ratios-{}", i);
      page.data["charts"][id] = std::move(ratios);
      html += ChartHtml(id, "What each window lost");
    }
    html += OutliersHtml(record);
    for (const std::string& line : record.agreement) {
      html += "<p>" + EscapeHtml(line) + "</p>\n";
    }
  }
  page.sections.push_back({"evaluation", "Evaluation", html});
}

// The last section goes before the one with this id.
void MoveBefore(const std::string& id, Page& page) {
  auto& sections = page.sections;
  const auto at =
      std::find_if(sections.begin(), sections.end(),
                   [&](const PageSection& each) { return each.id == id; });
  if (at != sections.end()) std::rotate(at, sections.end() - 1, sections.end());
}

}  // namespace

std::string XrayToHtml(const XrayReport& report) {
  Page page;
  page.data = {{"charts", OrderedJson::object()},
               {"tables", OrderedJson::object()}};
  const bool several = report.subjects.size() > 1;
  if (several) {
    page.title =
        "X-ray of " + std::to_string(report.subjects.size()) + " models";
    for (const Subject& subject : report.subjects) {
      page.subtitle += (page.subtitle.empty() ? "" : ", ") + subject.name;
    }
    AddComparison(report, page);
  } else {
    const Subject& subject = report.subjects.at(0);
    page.title = subject.name;
    page.subtitle =
        fmt::format("X-ray of {}, {} weights", subject.model().architecture,
                    FormatCount(subject.model().weights()));
  }
  for (size_t i = 0; i < report.subjects.size(); ++i) {
    AddModelSections(report.subjects[i], report.examinations[i],
                     several ? fmt::format("m{}-", i) : "",
                     several ? report.subjects[i].name : "",
                     several ? std::vector<Finding>() : report.evaluation,
                     page);
  }
  AddEvaluation(report, page);
  if (!several && !report.evaluations.empty()) MoveBefore("fragility", page);
  return RenderPage(page);
}

}  // namespace ram
