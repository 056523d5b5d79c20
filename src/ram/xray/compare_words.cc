#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ram/base/byte_size.h"
#include "ram/xray/compare.h"
#include "ram/xray/compare_alignment.h"

namespace ram {
namespace {

// Changes of one kind that are told together.
struct Group {
  ChangeKind kind = ChangeKind::kSame;
  std::string detail;  // what all have in common
  std::vector<const MatrixChange*> members;
  uint64_t weights = 0;
};

std::string Plural(uint64_t n, const char* one, const char* many) {
  return fmt::format("{} {}", FormatCount(n), n == 1 ? one : many);
}

// The part of the detail by which matrices are told apart.
std::string GroupDetail(const MatrixChange& change) {
  switch (change.kind) {
    case ChangeKind::kPruned:
      return change.detail.substr(0, change.detail.find(','));
    case ChangeKind::kFullRank:
      return "";
    default:
      return change.detail;
  }
}

std::vector<Group> GroupsOf(const Comparison& comparison) {
  std::map<std::pair<ChangeKind, std::string>, Group> groups;
  for (const MatrixChange& change : comparison.matrices) {
    if (change.kind == ChangeKind::kSame) continue;
    std::string detail = GroupDetail(change);
    Group& group = groups[{change.kind, detail}];
    group.kind = change.kind;
    group.detail = std::move(detail);
    group.members.push_back(&change);
    group.weights += change.sums.weights;
  }
  std::vector<Group> list;
  for (auto& [key, group] : groups) list.push_back(std::move(group));
  std::stable_sort(
      list.begin(), list.end(),
      [](const Group& a, const Group& b) { return a.weights > b.weights; });
  return list;
}

// "q_proj and v_proj", at most six.
std::string RolesOf(const Group& group) {
  std::set<std::string> roles;
  for (const MatrixChange* change : group.members) roles.insert(change->role);
  constexpr size_t kShown = 6;
  std::vector<std::string> shown(
      roles.begin(), std::next(roles.begin(), static_cast<ptrdiff_t>(std::min(
                                                  kShown, roles.size()))));
  if (roles.size() > kShown) {
    return fmt::format("{} and {} more roles", fmt::join(shown, ", "),
                       roles.size() - kShown);
  }
  if (shown.size() == 1) return shown[0];
  const std::string last = shown.back();
  shown.pop_back();
  return fmt::format("{} and {}", fmt::join(shown, ", "), last);
}

// "in layer 3", "in layers 0 to 5"; empty outside the layers.
std::string LayersOf(const Group& group) {
  std::set<int> layers;
  for (const MatrixChange* change : group.members) {
    if (change->layer >= 0) layers.insert(change->layer);
  }
  if (layers.empty()) return "";
  if (layers.size() == 1) return fmt::format(" in layer {}", *layers.begin());
  const int first = *layers.begin(), last = *layers.rbegin();
  const bool run = static_cast<size_t>(last - first) + 1 == layers.size();
  return run ? fmt::format(" in layers {} to {}", first, last)
             : fmt::format(" in {} layers from {} to {}", layers.size(), first,
                           last);
}

std::string WhatHappened(const Group& group) {
  switch (group.kind) {
    case ChangeKind::kRounding:
      return fmt::format("differ by no more than rounding {}", group.detail);
    case ChangeKind::kScaled:
      return fmt::format("are the old ones {}", group.detail);
    case ChangeKind::kPruned:
      return fmt::format("were pruned ({})", group.detail);
    case ChangeKind::kQuantized:
      return fmt::format("were quantised ({})", group.detail);
    case ChangeKind::kLowRank:
      return fmt::format("got a low-rank update ({}), as LoRA makes",
                         group.detail);
    default:
      return "changed in full rank, as fine-tuning or merging does";
  }
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle =
      values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::string GroupSentence(const Group& group) {
  std::vector<double> relative;
  for (const MatrixChange* change : group.members) {
    relative.push_back(change->relative_change());
  }
  return fmt::format("{} ({}{}) {}; typical change {:.3g} % of their norm.",
                     Plural(group.members.size(), "matrix", "matrices"),
                     RolesOf(group), LayersOf(group), WhatHappened(group),
                     100 * Median(std::move(relative)));
}

double MedianOf(const Group& group, double ChangeAlignment::*field) {
  std::vector<double> values;
  for (const MatrixChange* change : group.members) {
    values.push_back(*change->alignment.*field);
  }
  return Median(std::move(values));
}

std::string AlignmentSentence(AlignmentKind kind, const Group& group) {
  const std::string who = fmt::format(
      "{} ({}{})", Plural(group.members.size(), "matrix", "matrices"),
      RolesOf(group), LayersOf(group));
  const double agreement = MedianOf(group, &ChangeAlignment::agreement);
  const double chance = MedianOf(group, &ChangeAlignment::chance);
  switch (kind) {
    case AlignmentKind::kAmplifies:
      return fmt::format(
          "In {} the change amplifies what the original does already "
          "(agreement {:.2f}; chance {:.2f}).",
          who, agreement, chance);
    case AlignmentKind::kTakesBack:
      return fmt::format(
          "In {} the change takes back what the original does (agreement "
          "{:.2f}; chance {:.2f}).",
          who, agreement, chance);
    default:
      break;
  }
  return fmt::format(
      "In {} the change adds a direction of its own, an intruder dimension: "
      "{:.3g} times as strong as the original is there, which does something "
      "else (agreement {:.2f}; chance {:.2f}).",
      who, MedianOf(group, &ChangeAlignment::strength), agreement, chance);
}

// What holds for a tenth of the matrices whose direction was measured.
void AddAlignment(const Comparison& c, std::vector<std::string>& words) {
  std::map<AlignmentKind, Group> groups;
  size_t measured = 0;
  for (const MatrixChange& change : c.matrices) {
    if (!change.alignment) continue;
    ++measured;
    groups[KindOfAlignment(*change.alignment)].members.push_back(&change);
  }
  for (const auto& [kind, group] : groups) {
    if (kind == AlignmentKind::kUndecided) continue;
    if (group.members.size() * 10 < measured) continue;
    words.push_back(AlignmentSentence(kind, group));
  }
}

std::string Names(const std::vector<std::string>& names) {
  constexpr size_t kShown = 4;
  std::vector<std::string> shown(
      names.begin(), std::next(names.begin(), static_cast<ptrdiff_t>(std::min(
                                                  kShown, names.size()))));
  return fmt::format("{}{}", fmt::join(shown, ", "),
                     names.size() > kShown ? ", ..." : "");
}

void AddTables(const Comparison& c, std::vector<std::string>& words) {
  for (const VocabularyChange& table : c.vocabulary) {
    const bool more = table.tuned_rows > table.base_rows;
    const uint64_t n = more ? table.tuned_rows - table.base_rows
                            : table.base_rows - table.tuned_rows;
    words.push_back(fmt::format(
        "{} has {} {} than in the base ({} of {}).", table.name,
        Plural(n, "row", "rows"), more ? "more" : "fewer",
        FormatCount(table.tuned_rows), FormatCount(table.base_rows)));
  }
  if (!c.new_tokens.empty()) {
    words.push_back(fmt::format(
        "New tokens: {}.", Names({c.new_tokens.begin(), c.new_tokens.end()})));
  }
}

void AddExperts(const Comparison& c, std::vector<std::string>& words) {
  std::map<int, std::vector<std::string>> by_layer;
  for (const MovedExpert& moved : c.moved) {
    by_layer[moved.layer].push_back(
        fmt::format("{} now {}", moved.from, moved.to));
  }
  constexpr size_t kLayers = 4;
  size_t shown = 0;
  for (const auto& [layer, moves] : by_layer) {
    if (++shown > kLayers) {
      words.push_back(fmt::format("Experts changed places in {} more layers.",
                                  by_layer.size() - kLayers));
      break;
    }
    words.push_back(fmt::format("Layer {}: {} changed places: {}.", layer,
                                Plural(moves.size(), "expert", "experts"),
                                Names(moves)));
  }
}

void AddRest(const Comparison& c, std::vector<std::string>& words) {
  if (!c.plain.empty()) {
    std::vector<double> relative;
    for (const PlainChange& change : c.plain) {
      relative.push_back(change.relative_change);
    }
    words.push_back(fmt::format(
        "{} of {} norms, biases and other tensors changed, typically by {:.3g} "
        "%.",
        FormatCount(c.plain.size()), FormatCount(c.plain_compared),
        100 * Median(std::move(relative))));
  }
  if (!c.added.empty()) {
    words.push_back(
        fmt::format("{} in the base: {}.",
                    Plural(c.added.size(), "tensor is not", "tensors are not"),
                    Names(c.added)));
  }
  if (!c.removed.empty()) {
    words.push_back(fmt::format("{} of the base {} gone: {}.",
                                Plural(c.removed.size(), "tensor", "tensors"),
                                c.removed.size() == 1 ? "is" : "are",
                                Names(c.removed)));
  }
  constexpr double kShared = 0.3;
  if (c.common_direction && *c.common_direction > kShared &&
      *c.common_direction > 3 * c.chance_direction) {
    words.push_back(fmt::format(
        "The changes share a direction of the residual stream: {:.0f} % of {} "
        "first directions (chance: {:.0f} %).",
        100 * *c.common_direction, c.directions, 100 * c.chance_direction));
  }
  if (!c.config.empty()) {
    std::vector<std::string> keys;
    for (const ConfigChange& change : c.config) keys.push_back(change.key);
    words.push_back(fmt::format("config.json differs in {}: {}.",
                                Plural(keys.size(), "entry", "entries"),
                                Names(keys)));
  }
}

}  // namespace

std::vector<std::string> CompareInWords(const Comparison& c) {
  std::vector<std::string> words;
  const std::vector<Group> groups = GroupsOf(c);
  uint64_t changed = 0;
  for (const Group& group : groups) changed += group.members.size();
  const uint64_t same = c.matrices.size() - changed;
  if (changed == 0) {
    words.push_back(fmt::format("All {} are the same, weight for weight.",
                                Plural(same, "matrix", "matrices")));
  } else {
    words.push_back(fmt::format(
        "{} of {} changed{}.", FormatCount(changed),
        Plural(c.matrices.size(), "matrix", "matrices"),
        same > 0 ? "; the others are the same, weight for weight" : ""));
  }
  constexpr size_t kShown = 8;
  for (size_t i = 0; i < std::min(kShown, groups.size()); ++i) {
    words.push_back(GroupSentence(groups[i]));
  }
  if (groups.size() > kShown) {
    words.push_back(
        fmt::format("{} smaller groups of changes are in the table.",
                    groups.size() - kShown));
  }
  AddAlignment(c, words);
  AddTables(c, words);
  AddExperts(c, words);
  AddRest(c, words);
  return words;
}

}  // namespace ram
