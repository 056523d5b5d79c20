// Text tables with aligned columns.
#pragma once

#include <string>
#include <vector>

namespace ram {

class Table {
 public:
  enum class Align { kLeft, kRight };

  Table(std::vector<std::string> headings, std::vector<Align> alignment);
  // One cell per heading.
  void Add(std::vector<std::string> cells);
  // Every line ends with '\n'; two spaces between columns.
  std::string Text() const;

 private:
  std::vector<Align> alignment_;
  std::vector<std::vector<std::string>> rows_;  // the first is the headings
};

// Facts, one a line: "name  value".
std::string FactLines(
    const std::vector<std::pair<std::string, std::string>>& facts);

}  // namespace ram
