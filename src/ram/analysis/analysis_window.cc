#include "ram/analysis/analysis_window.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace ram {

std::vector<uint32_t> SearchGroups(const Model& model) {
  using Key = std::tuple<Section, int, std::string, std::string, bool, uint64_t,
                         uint64_t>;
  std::map<Key, uint32_t> numbers;
  std::vector<uint32_t> groups;
  for (const Matrix& matrix : model.matrices) {
    const Key key = {matrix.section,     matrix.layer, matrix.role, matrix.part,
                     matrix.expert >= 0, matrix.rows,  matrix.cols};
    const auto next = static_cast<uint32_t>(numbers.size());
    groups.push_back(numbers.emplace(key, next).first->second);
  }
  return groups;
}

std::vector<AnalysisWindow> AnalysisWindows(const Model& model,
                                            const std::vector<uint32_t>& groups,
                                            uint64_t window_bytes) {
  std::map<uint32_t, uint32_t> last_member;
  for (uint32_t i = 0; i < groups.size(); ++i) last_member[groups[i]] = i;
  std::vector<AnalysisWindow> windows;
  const auto count = static_cast<uint32_t>(model.matrices.size());
  uint32_t begin = 0;
  uint32_t open_until = 0;  // the last member of any group met so far
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const Matrix& matrix = model.matrices[i];
    bytes += matrix.weights() * DTypeBytes(model.tensors[matrix.tensor].dtype);
    if (!groups.empty()) {
      open_until = std::max(open_until, last_member[groups[i]]);
    }
    const bool closed = open_until <= i;
    if ((bytes >= window_bytes && closed) || i + 1 == count) {
      windows.push_back({begin, i + 1});
      begin = i + 1;
      bytes = 0;
    }
  }
  return windows;
}

}  // namespace ram
