// The frame of every page that ram writes: one HTML file with its style, its
// script and its data inside, which asks nothing of any network. Sections are
// HTML; charts and long tables are drawn by the script from `data`.
//
// data["charts"][ID], placed with ChartHtml, is one of
//   {"kind": "heatmap", "rows": [label..], "cols": [label..],
//    "row": "layer", "col": "role",           what the labels are
//    "metrics": [{"name", "unit", "digits", "log": bool,
//                 "values": [row-major, null: none]}..]}
//   {"kind": "plot", "x": label, "y": label, "logx": bool, "logy": bool,
//    "digits": 3, "series": [{"name", "x": [ascending..], "y": [..],
//                             "points": bool}..]}
// data["tables"][ID], placed with TableHtml, is
//   {"columns": [{"name", "values": [number, text or null..],
//                 "digits": 2}..],
//    "sort": index of the column it begins sorted by, "down": bool,
//    "names": {"patterns": [text with {l} and {e}..], "pattern": [index..],
//              "layer": [..], "expert": [..]}}
// where a column {"name", "names": true} shows `names`, which stay short so.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/json.h"

namespace ram {

struct PageSection {
  std::string id;     // of the anchor
  std::string title;  // plain text
  std::string html;   // what came from a file went through EscapeHtml
  // In the list of sections at the top, plain text; else the title, "": none.
  std::optional<std::string> link = std::nullopt;
};

struct Page {
  std::string title;     // plain text, as the next
  std::string subtitle;  // one line
  std::vector<PageSection> sections;
  OrderedJson data = OrderedJson::object();  // "charts" and "tables"
};

// Safe in text and in quoted attributes; control characters and what is not
// UTF-8 become U+FFFD.
std::string EscapeHtml(std::string_view text);

// A place for data["charts"][id] with its caption (plain text).
std::string ChartHtml(std::string_view id, std::string_view caption);
// A place for data["tables"][id].
std::string TableHtml(std::string_view id, std::string_view caption);
// Horizontal bars as a table: label, bar, what it says. Shares of the largest.
struct Bar {
  std::string label, text;
  double value = 0;
};
std::string BarsHtml(std::string_view caption, const std::vector<Bar>& bars);

std::string RenderPage(const Page& page);

}  // namespace ram
