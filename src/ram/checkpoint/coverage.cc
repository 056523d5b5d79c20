#include "ram/checkpoint/coverage.h"

#include <algorithm>

#include "ram/base/error.h"
#include "ram/checkpoint/cut_matrices.h"

namespace ram {

Coverage::Coverage(const std::vector<TensorPattern>& patterns,
                   const ModelConfig& config)
    : patterns_(patterns), config_(config) {
  for (const TensorPattern& pattern : patterns) {
    Slots slots;
    const bool numbered = pattern.path.find('*') != pattern.path.npos;
    if (pattern.role.empty()) {
      slots.ids.push_back(Intern(std::string(pattern.path)));
    } else {
      for (std::string_view role : RolesOf(pattern)) {
        const bool expert = numbered || pattern.stacked;
        slots.ids.push_back(
            Intern(fmt::format("{}{}", role, expert ? "*" : "")));
      }
    }
    if (numbered || pattern.stacked) slots.needed = config.experts();
    if (pattern.stacked) slots.count = config.experts();
    slots_.push_back(std::move(slots));
  }
}

uint32_t Coverage::Intern(std::string key) {
  return ids_.try_emplace(std::move(key), static_cast<uint32_t>(ids_.size()))
      .first->second;
}

void Coverage::Saw(const TensorPattern& pattern, uint64_t layer) {
  if (layer >= counts_.size()) counts_.resize(layer + 1);
  std::vector<uint64_t>& counts = counts_[layer];
  if (counts.empty()) counts.resize(ids_.size());
  Slots& slots = slots_[static_cast<size_t>(&pattern - patterns_.data())];
  slots.seen = true;
  for (uint32_t id : slots.ids) counts[id] += slots.count;
}

void Coverage::Check(uint64_t layer, std::string_view prefix,
                     const TensorTable& table, std::string_view source) const {
  static const std::vector<uint64_t> kNone;
  const auto& counts = layer < counts_.size() ? counts_[layer] : kNone;
  const uint32_t traits = config_.Traits(layer);
  for (size_t i = 0; i < patterns_.size(); ++i) {
    if ((traits & patterns_[i].when) != patterns_[i].when) continue;
    for (uint32_t id : slots_[i].ids) {
      if (!counts.empty() && counts[id] >= slots_[i].needed) continue;
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found nothing, expected this tensor ({} calls for it)",
           source, MissingName(i, id, prefix, table), config_.file());
    }
  }
}

std::string Coverage::MissingName(size_t pattern, uint32_t id,
                                  std::string_view prefix,
                                  const TensorTable& table) const {
  // Where the rest of the checkpoint uses another form, name that one.
  const TensorPattern* form = &patterns_[pattern];
  if (!slots_[pattern].seen) {
    for (size_t i = 0; i < patterns_.size(); ++i) {
      const auto& ids = slots_[i].ids;
      if (slots_[i].seen &&
          std::find(ids.begin(), ids.end(), id) != ids.end()) {
        form = &patterns_[i];
      }
    }
  }
  std::string name;
  for (uint64_t expert = 0; expert < slots_[pattern].needed; ++expert) {
    name = FillIn(prefix, form->path, static_cast<int>(expert), {});
    if (!table.contains(name)) break;
  }
  return name;
}

}  // namespace ram
