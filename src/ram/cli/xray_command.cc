#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "ram/base/byte_size.h"
#include "ram/base/error.h"
#include "ram/base/output.h"
#include "ram/cli/commands.h"
#include "ram/cli/table.h"
#include "ram/cli/terminal.h"
#include "ram/pipeline/xray_job.h"
#include "ram/xray/report_page.h"

namespace ram {
namespace {

// Anomalies of one kind that are listed one by one.
constexpr size_t kListedHits = 5;

struct XrayArguments {
  std::vector<std::string> models;
  std::string plan;
  std::vector<std::string> evaluations;
  std::string target = "mlx";
  std::string out;
  bool text = false;
};

// `indent` in front of every line, words kept whole, 80 columns.
std::string Wrapped(const std::string& text, const std::string& first,
                    const std::string& rest) {
  constexpr size_t kWidth = 80;
  std::string out = first;
  size_t column = first.size();
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const size_t length = end - begin;
    if (column + length > kWidth && column > rest.size()) {
      while (out.back() == ' ') out.pop_back();
      out += '\n' + rest;
      column = rest.size();
    }
    out += text.substr(begin, length) + ' ';
    column += length + 1;
    begin = end + 1;
  }
  while (out.back() == ' ') out.pop_back();
  return out + '\n';
}

// Control characters of a hostile name must not reach the terminal.
std::string Printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

void PrintFindings(const char* title, const Subject* subject,
                   const std::vector<Finding>& findings, bool list) {
  if (findings.empty()) return;
  fmt::print("\n{}\n", title);
  for (const Finding& finding : findings) {
    const char* mark = finding.severity == Severity::kWarning ? "! " : "- ";
    fmt::print("{}", Wrapped(Printable(finding.sentence), mark, "  "));
    if (!finding.meaning.empty()) {
      fmt::print("{}", Wrapped(finding.meaning, "    ", "    "));
    }
    if (!list || finding.hits.size() < 2) continue;
    for (size_t i = 0; i < std::min(kListedHits, finding.hits.size()); ++i) {
      const Hit& hit = finding.hits[i];
      const auto& name = subject->matrix(static_cast<size_t>(hit.matrix)).name;
      fmt::print("{}", Wrapped(Printable(name + ": " + hit.detail), "    . ",
                               "      "));
    }
    if (finding.hits.size() > kListedHits) {
      fmt::print("    . and {} more\n",
                 FormatCount(finding.hits.size() - kListedHits));
    }
  }
}

std::string Number(const std::optional<double>& value, int decimals) {
  return value ? fmt::format("{:.{}f}", *value, decimals) : "-";
}

void PrintVerdicts(const XrayReport& report) {
  using enum Table::Align;
  Table table({"model", "weights", "matrices", "span", "stretched", "max 2-bit",
               "max 16-bit", "4-bit dB (5-95 %)", "gain", "anomalies"},
              {kLeft, kRight, kRight, kRight, kRight, kRight, kRight, kRight,
               kRight, kRight});
  for (size_t i = 0; i < report.subjects.size(); ++i) {
    const Subject& subject = report.subjects[i];
    const Verdict& verdict = report.examinations[i].verdict;
    const auto percent = [](const std::optional<double>& share) {
      return share ? fmt::format("{:.1f} %", 100 * *share) : "-";
    };
    table.Add({Printable(subject.name), FormatCount(subject.model().weights()),
               FormatCount(subject.size()), Number(verdict.span, 3),
               Number(verdict.adaptive_span, 3), percent(verdict.max_2bit),
               percent(verdict.max_16bit),
               fmt::format("{} to {}", Number(verdict.snr4_low, 1),
                           Number(verdict.snr4_high, 1)),
               verdict.gain ? fmt::format("{:.1f}x", *verdict.gain) : "-",
               fmt::format("{}", report.examinations[i].anomalies.size())});
  }
  fmt::print("{}", table.Text());
}

void PrintText(const XrayReport& report) {
  if (report.subjects.size() > 1) PrintVerdicts(report);
  for (size_t i = 0; i < report.subjects.size(); ++i) {
    const Subject& subject = report.subjects[i];
    const Examination& examination = report.examinations[i];
    const std::string name = Printable(subject.name);
    if (report.subjects.size() > 1) fmt::print("\n== {}\n", name);
    PrintFindings("What it is", &subject, examination.description, false);
    if (examination.anomalies.empty()) {
      fmt::print("\nAnomalies: none found\n");
    }
    PrintFindings("Anomalies", &subject, examination.anomalies, true);
    PrintFindings("Fragility", &subject, examination.fragility, false);
    PrintFindings("Limits", &subject, examination.limits, false);
  }
  PrintFindings("Evaluation", nullptr, report.evaluation, false);
}

// Beside a page: one line a model.
void PrintSummary(const XrayReport& report, const std::string& out) {
  for (size_t i = 0; i < report.subjects.size(); ++i) {
    const Examination& examination = report.examinations[i];
    fmt::print("{}",
               Wrapped(Printable(examination.description[0].sentence), "", ""));
    fmt::print("anomalies: {}\n", examination.anomalies.size());
  }
  fmt::print("written: {}\n", out);
}

void Run(const XrayArguments& arguments, const GlobalOptions& global) {
  XrayOptions options;
  if (!arguments.plan.empty()) options.plan = arguments.plan;
  for (const std::string& path : arguments.evaluations) {
    options.evaluations.emplace_back(path);
  }
  options.target = arguments.target;
  options.threads = global.threads;
  options.seed = global.seed;
  options.allow_nonfinite = global.allow_nonfinite;
  const auto progress = MakeProgress(global);
  const XrayReport report = RunXray(arguments.models, options, *progress);
  if (!arguments.out.empty()) {
    WriteNewFile(arguments.out, XrayToHtml(report));
  }
  if (global.json) {
    fmt::print("{}\n", XrayToJson(report).dump(2, ' ', false,
                                               Json::error_handler_t::replace));
  } else if (arguments.text || arguments.out.empty()) {
    PrintText(report);
  } else if (!global.quiet) {
    PrintSummary(report, arguments.out);
  }
}

}  // namespace

void AddXrayCommand(CLI::App& app, const GlobalOptions& global) {
  CLI::App* command = app.add_subcommand(
      "xray", "Say in words how a model was built, and what is wrong with it");
  command->footer(
      "Example: ram xray models/wiki-dense -o out/wiki.html\n"
      "         ram xray models/wiki-dense --text\n"
      "         ram xray out/wiki-analysis --plan out/wiki-4bit");
  auto arguments = std::make_shared<XrayArguments>();
  command
      ->add_option("MODEL", arguments->models,
                   "Models, or what ram analyze wrote of them (manifest.json "
                   "or its directory); several are compared")
      ->required();
  command->add_option("--plan", arguments->plan,
                      "plan.json, or a model that ram compressed");
  command
      ->add_option("--evaluation", arguments->evaluations,
                   "report.json of ram evaluate; may be repeated")
      ->allow_extra_args(false);
  command
      ->add_option("--target", arguments->target,
                   "Whose sizes the curve shows, without a plan")
      ->capture_default_str();
  command->add_option("-o,--output", arguments->out,
                      "HTML file to write: one self-contained page");
  command->add_flag("--text", arguments->text,
                    "Print all findings (done anyway without -o)");
  command->callback([arguments, &global] { Run(*arguments, global); });
}

}  // namespace ram
