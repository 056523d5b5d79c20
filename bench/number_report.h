// The lines that `numbers` prints: what was found, what is wanted, the floor.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>

namespace ram {

class Report {
 public:
  // At least (or, with at_most, at most) `wanted`.
  void Number(const std::string& what, double value, double wanted,
              bool at_most, const std::string& unit, const std::string& floor) {
    const bool reached = at_most ? value <= wanted : value >= wanted;
    Line(what, fmt::format("{:.3f} {}", value, unit),
         fmt::format("{} {:.3g}", at_most ? "<=" : ">=", wanted), floor,
         reached);
  }
  void Fact(const std::string& what, const std::string& found,
            const std::string& wanted) {
    Line(what, found, wanted, "", found == wanted);
  }
  // Something to know, where nothing is promised.
  void Note(const std::string& what, const std::string& found) {
    fmt::print("  {:<44} {:>16}\n", what, found);
    std::fflush(stdout);
  }
  void Heading(const std::string& text) {
    fmt::print("\n{}\n", text);
    std::fflush(stdout);
  }
  int Finish() const {
    fmt::print("\n{} of {} numbers reached\n", reached_, lines_);
    return reached_ == lines_ ? 0 : 1;
  }

 private:
  void Line(const std::string& what, const std::string& value,
            const std::string& wanted, const std::string& floor, bool reached) {
    fmt::print("  {:<44} {:>16}  wanted {:<15} {:<6} {}\n", what, value, wanted,
               reached ? "ok" : "MISSED",
               floor.empty() ? "" : "floor: " + floor);
    std::fflush(stdout);
    ++lines_;
    reached_ += reached ? 1 : 0;
  }
  int lines_ = 0;
  int reached_ = 0;
};

inline std::string FloorText(const char* what, double bytes,
                             double floor_seconds, double seconds) {
  return fmt::format("{} {:.2f} GB/s (x{:.2f} of its time)", what,
                     bytes * 1e-9 / floor_seconds, seconds / floor_seconds);
}

}  // namespace ram
