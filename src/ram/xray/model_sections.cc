#include "ram/xray/model_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "ram/base/byte_size.h"
#include "ram/xray/charts.h"
#include "ram/xray/fragility.h"
#include "ram/xray/tables.h"

namespace ram {
namespace {

constexpr size_t kListedHits = 50;
constexpr size_t kRolesPlotted = 8;  // as there are colours

std::string Lead(const std::string& text) {
  return "<p class=\"lead\">" + EscapeHtml(text) + "</p>\n";
}

class Sections {
 public:
  Sections(const Subject& subject, const Examination& examination,
           std::string prefix, std::string of,
           const std::vector<Finding>& evaluation, Page& page)
      : subject_(subject),
        examination_(examination),
        evaluation_(evaluation),
        prefix_(std::move(prefix)),
        of_(std::move(of)),
        page_(page) {}

  void AddAll() {
    Words();
    Anomalies();
    Sensitivity();
    Errors();
    Spectra();
    Experts();
    Plan();
    Curve();
    Bytes();
    Fragility();
    Limits();
    Matrices();
  }

 private:
  void Add(const char* id, const char* title, std::string html) {
    PageSection section = {prefix_ + id, title, std::move(html)};
    if (!of_.empty()) {
      section.title += ": " + of_;
      section.link = first_ ? of_ : "";  // one a model is enough
    }
    first_ = false;
    page_.sections.push_back(std::move(section));
  }
  std::string Chart(const char* id, const std::string& caption,
                    OrderedJson chart) {
    if (IsEmptyChart(chart)) return "";
    page_.data["charts"][prefix_ + id] = std::move(chart);
    return ChartHtml(prefix_ + id, caption);
  }
  std::string Table(const char* id, const std::string& caption,
                    OrderedJson table) {
    page_.data["tables"][prefix_ + id] = std::move(table);
    return TableHtml(prefix_ + id, caption);
  }
  std::string Findings(const char* here,
                       const std::vector<Finding>& findings) const {
    return FindingsHtml(findings, &subject_, prefix_, here);
  }

  void Words();
  void Anomalies();
  void Sensitivity();
  void Errors();
  void Spectra();
  void Experts();
  void Plan();
  void Curve();
  void Bytes();
  void Fragility();
  void Limits();
  void Matrices();

  const Subject& subject_;
  const Examination& examination_;
  const std::vector<Finding>& evaluation_;
  std::string prefix_, of_;
  bool first_ = true;  // no section was added
  Page& page_;
};

void Sections::Words() {
  std::vector<Finding> all = examination_.description;
  if (!examination_.anomalies.empty()) {
    Finding summary;
    summary.kind = "anomalies";
    summary.severity = Severity::kWarning;
    size_t places = 0;
    for (const Finding& finding : examination_.anomalies) {
      places += finding.hits.size();
    }
    summary.sentence = fmt::format(
        "{} kind{} of anomaly in {} place{}. The first: {}",
        examination_.anomalies.size(),
        examination_.anomalies.size() == 1 ? "" : "s", FormatCount(places),
        places == 1 ? "" : "s", examination_.anomalies[0].sentence);
    summary.section = "anomalies";
    all.insert(all.begin() + 1, std::move(summary));
  } else {
    Finding none;
    none.kind = "anomalies";
    none.sentence = subject_.facts
                        ? "No anomalies were found."
                        : "No anomalies were found in the manifest; without "
                          "a profile, rows, columns, copies and experts were "
                          "not looked at.";
    none.section = "anomalies";
    all.insert(all.begin() + 1, std::move(none));
  }
  all.insert(all.end(), examination_.fragility.begin(),
             examination_.fragility.end());
  Add("words", "In words",
      Findings("words", all) + FindingsHtml(evaluation_, nullptr, "", "words"));
}

void Sections::Anomalies() {
  std::string html;
  if (examination_.anomalies.empty()) {
    html = Lead("None of the kinds that ram looks for (docs/xray.md).");
  } else {
    html = Findings("anomalies", examination_.anomalies);
  }
  Add("anomalies", "Anomalies", html);
}

void Sections::Sensitivity() {
  const auto metrics =
      Known(subject_, ShapeMetrics(subject_, examination_.verdict));
  std::string html = Lead(
      "Where in the model weights are hard to store in few bits. Columns are "
      "what a matrix does, rows its layer; experts of a layer are averaged.");
  html += Chart("depth", "Depth and role", DepthRoleChart(subject_, metrics));
  for (const ChartMetric& metric : metrics) {
    if (metric.name != "excess kurtosis") continue;
    OrderedJson chart = RoleQuantileChart(subject_, metric);
    OrderedJson& series = chart["series"];
    while (series.size() > kRolesPlotted) series.erase(series.size() - 1);
    if (series.empty()) continue;
    html += Chart("kurtosis", "How kurtosis is distributed within the roles",
                  std::move(chart));
  }
  Add("sensitivity", "Sensitivity", html);
}

void Sections::Errors() {
  const auto metrics = Known(subject_, ErrorMetrics(subject_));
  if (metrics.empty()) {
    Add("errors", "Rounding errors", Lead("No errors were measured."));
    return;
  }
  std::string html = Lead(
      "Signal to quantisation noise of plain rounding in groups of 64. Under "
      "9 dB a matrix is not usable; 6 dB are one bit.");
  html += Chart("errors-depth", "Depth and role",
                DepthRoleChart(subject_, metrics));
  html += Chart("errors-spread", "Over all matrices, sorted",
                QuantileChart(subject_, metrics, "dB", false));
  Add("errors", "Rounding errors", html);
}

void Sections::Spectra() {
  const auto metrics = Known(subject_, SpectrumMetrics(subject_));
  if (metrics.empty()) return;
  std::string html = Lead(
      "How many directions a matrix uses (stable rank), and how heavy the "
      "tail of its eigenvalues is (alpha; 2 to 6 is usual for trained "
      "matrices, only with --spectra full).");
  html += Chart("spectra-depth", "Depth and role",
                DepthRoleChart(subject_, metrics));
  html += Chart(
      "spectra-spread", "Stable rank over all matrices, sorted",
      QuantileChart(subject_, {metrics[0]}, metrics[0].name, metrics[0].log));
  Add("spectra", "Spectra", html);
}

void Sections::Experts() {
  if (examination_.experts.empty()) return;
  std::string html = Lead(
      "Importance is the squared error that 3 bits leave in the weights of an "
      "expert. Loads are simulated: tokens drawn from the embedding's "
      "statistics and the norm before the router. In the one mixture that was "
      "compared, real text chose other experts (docs/xray.md).");
  html += Chart("experts-map", "Layer and expert",
                ExpertChart(examination_.experts));
  html += Table("experts-list", "The experts, the most critical first",
                ExpertTable(examination_.experts));
  Add("experts", "Experts", html);
}

void Sections::Plan() {
  if (!subject_.plan) return;
  const ram::Plan& plan = *subject_.plan;
  std::string html =
      Lead(fmt::format("{} on {}: {} bytes in all weight files.", plan.policy,
                       plan.target, FormatCount(plan.totals.file_bytes)));
  html += Chart("plan-depth", "Bits by depth and role", PlanChart(subject_));
  std::vector<Bar> bars;
  for (const auto& [bits, weights] : plan.totals.weights_per_bits) {
    const double share =
        static_cast<double>(weights) / static_cast<double>(plan.totals.weights);
    bars.push_back(
        {fmt::format("{} bits", bits), PercentText(100 * share), share});
  }
  html += BarsHtml("Weights at each width", bars);
  html += Table("plan-units", "Every unit, with the reason of its precision",
                PlanTable(plan));
  if (!plan.dropped.empty()) {
    html += "<details><summary>" +
            fmt::format("{} dropped tensors", plan.dropped.size()) +
            "</summary><ul>";
    for (const DroppedTensor& dropped : plan.dropped) {
      html += fmt::format("<li>{}: {}</li>\n", EscapeHtml(dropped.tensor),
                          EscapeHtml(dropped.why));
    }
    html += "</ul></details>\n";
  }
  for (const std::string& note : plan.notes) html += Lead(note);
  Add("plan", "Plan", html);
}

void Sections::Curve() {
  if (subject_.curve.empty()) return;
  std::string html = Lead(fmt::format(
      "What the allocator (optimal, {} target) predicts to lose at every "
      "size. The prediction orders plans of one model; it is not a "
      "perplexity.",
      subject_.curve_target));
  html +=
      Chart("curve-plot", "Size against predicted loss", CurveChart(subject_));
  Add("curve", "Size and quality", html);
}

void Sections::Bytes() {
  struct Role {
    uint64_t weights = 0, stored = 0, planned = 0;
  };
  std::map<std::string, Role> roles;
  std::map<std::string, std::string> role_of;
  for (const Matrix& matrix : subject_.model().matrices) {
    const TensorInfo& tensor = subject_.model().tensors[matrix.tensor];
    Role& role = roles[matrix.role];
    role.weights += matrix.weights();
    role.stored += static_cast<uint64_t>(
        static_cast<double>(tensor.bytes()) *
        static_cast<double>(matrix.weights()) /
        static_cast<double>(std::max<uint64_t>(1, tensor.elements())));
    role_of[matrix.name] = matrix.role;
  }
  if (subject_.plan) {
    for (const PlannedUnit& unit : subject_.plan->units) {
      const auto found =
          unit.tensors.empty() ? role_of.end() : role_of.find(unit.tensors[0]);
      if (found != role_of.end()) roles[found->second].planned += unit.bytes;
    }
  }
  std::vector<Bar> bars;
  for (const auto& [name, role] : roles) {
    std::string text = FormatByteSize(role.stored);
    if (subject_.plan) text += ", planned " + FormatByteSize(role.planned);
    bars.push_back({name, text, static_cast<double>(role.stored)});
  }
  std::stable_sort(bars.begin(), bars.end(), [](const Bar& a, const Bar& b) {
    return a.value > b.value;
  });
  Add("bytes", "Bytes",
      BarsHtml("Bytes of each role as they are stored now", bars));
}

void Sections::Fragility() {
  std::string html = Lead(
      "Indicators that foretold collapse in a study of models damaged on "
      "purpose (docs/xray.md). They are hints from small models, not "
      "certainties: measure before trusting either answer.");
  html += Findings("fragility", examination_.fragility);
  html +=
      "<div class=\"wide\"><table class=\"facts\"><caption>Indicators and "
      "their record</caption>\n<thead><tr><th scope=\"col\">indicator</th>"
      "<th scope=\"col\" class=\"n\">here</th><th scope=\"col\" "
      "class=\"n\">limit</th><th scope=\"col\" class=\"n\">over it, and "
      "collapsed</th><th scope=\"col\" class=\"n\">under it, and "
      "collapsed</th></tr></thead>\n<tbody>\n";
  const auto values = MeasureFragility(subject_);
  for (size_t k = 0; k < values.size(); ++k) {
    const FragilityIndicator& indicator = FragilityIndicators()[k];
    const HitRate& rate = indicator.rate;
    html += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td "
        "class=\"n\">{:g}</td><td class=\"n\">{} of {}</td><td "
        "class=\"n\">{} of {}</td></tr>\n",
        EscapeHtml(indicator.name),
        values[k] ? fmt::format("{:.2f}", values[k]->value) : std::string("–"),
        indicator.limit, rate.hits, rate.hits + rate.false_alarms, rate.misses,
        rate.misses + rate.sound);
  }
  Add("fragility", "Fragility", html + "</tbody></table></div>\n");
}

void Sections::Limits() {
  Add("limits", "Limits",
      Lead("What of the method's known limits applies to this model.") +
          Findings("limits", examination_.limits));
}

void Sections::Matrices() {
  auto metrics = ShapeMetrics(subject_, examination_.verdict);
  for (auto& more : {ErrorMetrics(subject_), SpectrumMetrics(subject_)}) {
    metrics.insert(metrics.end(), more.begin(), more.end());
  }
  Add("matrices", "All matrices",
      Table("matrices-list", "Click a heading to sort",
            MatrixTable(subject_, Known(subject_, std::move(metrics)))));
}

std::string HitsHtml(const Finding& finding, const Subject& subject) {
  std::string html = fmt::format("<details><summary>{} places</summary><ul>",
                                 FormatCount(finding.hits.size()));
  for (size_t i = 0; i < std::min(kListedHits, finding.hits.size()); ++i) {
    const Hit& hit = finding.hits[i];
    html += fmt::format(
        "<li>{}: {}</li>\n",
        EscapeHtml(subject.matrix(static_cast<size_t>(hit.matrix)).name),
        EscapeHtml(hit.detail));
  }
  if (finding.hits.size() > kListedHits) {
    html += fmt::format("<li>and {} more (ram xray --json lists all)</li>\n",
                        FormatCount(finding.hits.size() - kListedHits));
  }
  return html + "</ul></details>";
}

}  // namespace

std::string FindingsHtml(const std::vector<Finding>& findings,
                         const Subject* subject, const std::string& prefix,
                         std::string_view here) {
  if (findings.empty()) return "";
  std::string html = "<ul class=\"findings\">\n";
  for (const Finding& finding : findings) {
    const std::string severity(SeverityName(finding.severity));
    html += fmt::format("<li class=\"{}\">", severity);
    if (finding.severity != Severity::kFact) {
      html += fmt::format("<span class=\"label\">{}</span>", severity);
    }
    html += EscapeHtml(finding.sentence);
    if (finding.section != here) {
      html += fmt::format(
          " <a class=\"evidence\" href=\"#{}{}\" aria-label=\"Evidence: "
          "{}\">evidence</a>",
          EscapeHtml(prefix), EscapeHtml(finding.section),
          EscapeHtml(finding.section));
    }
    if (!finding.meaning.empty()) {
      html +=
          "<span class=\"meaning\">" + EscapeHtml(finding.meaning) + "</span>";
    }
    if (finding.hits.size() > 1) html += HitsHtml(finding, *subject);
    html += "</li>\n";
  }
  return html + "</ul>\n";
}

void AddModelSections(const Subject& subject, const Examination& examination,
                      const std::string& prefix, const std::string& of,
                      const std::vector<Finding>& evaluation, Page& page) {
  Sections(subject, examination, prefix, of, evaluation, page).AddAll();
}

}  // namespace ram
