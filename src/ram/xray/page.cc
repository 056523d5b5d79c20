#include "ram/xray/page.h"

#include <fmt/format.h>

#include <algorithm>

#include "ram/base/version.h"
#include "ram/xray/page_files.h"

namespace ram {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Length of the UTF-8 sequence that begins the text; 0 where it is not one.
size_t SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) {
    return static_cast<unsigned char>(text[i]);
  };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 && first < 0xF5   ? 4
                        : first >= 0xE0 && first < 0xF0 ? 3
                        : first >= 0xC2 && first < 0xE0 ? 2
                                                        : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, beyond U+10FFFF, C1 controls.
  if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) ||
      (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F) ||
      (first == 0xC2 && byte(1) < 0xA0)) {
    return 0;
  }
  return length;
}

// "<" never stands in the script that holds the data.
std::string ScriptSafe(const OrderedJson& data) {
  const std::string text =
      data.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Sections(const Page& page) {
  std::string html;
  for (const PageSection& section : page.sections) {
    const std::string id = EscapeHtml(section.id);
    html += fmt::format(
        "<section id=\"{0}\" aria-labelledby=\"{0}-title\">\n"
        "<h2 id=\"{0}-title\">{1}</h2>\n{2}</section>\n",
        id, EscapeHtml(section.title), section.html);
  }
  return html;
}

std::string Links(const Page& page) {
  std::string html;
  for (const PageSection& section : page.sections) {
    const std::string& text = section.link ? *section.link : section.title;
    if (text.empty()) continue;
    html += fmt::format("<li><a href=\"#{}\">{}</a></li>\n",
                        EscapeHtml(section.id), EscapeHtml(text));
  }
  return html;
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    const auto first = static_cast<unsigned char>(text[0]);
    if (length == 0 || first == 0x7F ||
        (first < 0x20 && first != '\n' && first != '\t')) {
      out += kReplacement;
    } else if (first == '&') {
      out += "&amp;";
    } else if (first == '<') {
      out += "&lt;";
    } else if (first == '>') {
      out += "&gt;";
    } else if (first == '"') {
      out += "&quot;";
    } else if (first == '\'') {
      out += "&#39;";
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(1, length));
  }
  return out;
}

std::string ChartHtml(std::string_view id, std::string_view caption) {
  return fmt::format(
      "<figure class=\"chart\" data-chart=\"{}\"><figcaption>{}</figcaption>"
      "</figure>\n",
      EscapeHtml(id), EscapeHtml(caption));
}

std::string TableHtml(std::string_view id, std::string_view caption) {
  return fmt::format(
      "<figure class=\"long\" data-table=\"{}\"><figcaption>{}</figcaption>"
      "</figure>\n",
      EscapeHtml(id), EscapeHtml(caption));
}

std::string BarsHtml(std::string_view caption, const std::vector<Bar>& bars) {
  double largest = 0;
  for (const Bar& bar : bars) largest = std::max(largest, bar.value);
  std::string html =
      fmt::format("<table class=\"bars\"><caption>{}</caption>\n<tbody>\n",
                  EscapeHtml(caption));
  for (const Bar& bar : bars) {
    const double width = largest > 0 ? 100 * bar.value / largest : 0;
    html += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"bar\"><span "
        "style=\"width:{:.1f}%\"></span></td><td>{}</td></tr>\n",
        EscapeHtml(bar.label), width, EscapeHtml(bar.text));
  }
  return html + "</tbody></table>\n";
}

std::string RenderPage(const Page& page) {
  const std::string title = EscapeHtml(page.title);
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
      "'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src "
      "data:\">\n"
      "<title>{}</title>\n<style>\n{}\n{}</style>\n</head>\n<body>\n"
      "<a class=\"skip\" href=\"#main\">Skip to the findings</a>\n"
      "<header>\n<div class=\"head\"><div><h1>{}</h1>\n<p>{}</p></div>\n"
      "<div class=\"tools\"><button type=\"button\" id=\"theme\">Dark"
      "</button><button type=\"button\" id=\"print\">Print</button></div>"
      "</div>\n"
      "<nav aria-label=\"Sections\"><ul>\n{}</ul></nav>\n</header>\n"
      "<main id=\"main\">\n{}</main>\n"
      "<footer><p>Made by {} from weights alone. Charts: uPlot, MIT licence, "
      "copyright Leon Sorokin.</p></footer>\n"
      "<div id=\"tip\" hidden></div>\n"
      "<div id=\"said\" class=\"unseen\" role=\"status\"></div>\n"
      "<noscript><p class=\"noscript\">Charts and long tables need JavaScript; "
      "all findings are above in words.</p></noscript>\n"
      "<script type=\"application/json\" id=\"data\">{}</script>\n"
      "<script>\n/*\n{}*/\n{}\n</script>\n<script>\n{}</script>\n</body>\n</"
      "html>\n",
      title, page_files::ChartStyle(), page_files::Style(), title,
      EscapeHtml(page.subtitle), Links(page), Sections(page),
      EscapeHtml(kToolVersion), ScriptSafe(page.data),
      page_files::ChartLicence(), page_files::ChartLibrary(),
      page_files::Script());
}

}  // namespace ram
