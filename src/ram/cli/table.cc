#include "ram/cli/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ram {

Table::Table(std::vector<std::string> headings, std::vector<Align> alignment)
    : alignment_(std::move(alignment)) {
  rows_.push_back(std::move(headings));
}

void Table::Add(std::vector<std::string> cells) {
  rows_.push_back(std::move(cells));
}

std::string Table::Text() const {
  std::vector<size_t> widths(alignment_.size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += alignment_[i] == Align::kLeft
                  ? fmt::format("{:<{}}  ", row[i], widths[i])
                  : fmt::format("{:>{}}  ", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string FactLines(
    const std::vector<std::pair<std::string, std::string>>& facts) {
  size_t width = 0;
  for (const auto& [name, value] : facts) width = std::max(width, name.size());
  std::string text;
  for (const auto& [name, value] : facts) {
    text += fmt::format("{:<{}}  {}\n", name, width, value);
  }
  return text;
}

}  // namespace ram
