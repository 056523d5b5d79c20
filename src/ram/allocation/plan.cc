#include "ram/allocation/plan.h"

#include <algorithm>
#include <unordered_map>

#include "ram/base/error.h"
#include "ram/base/file.h"

namespace ram {
namespace {

void CheckMembers(const PlannedUnit& planned, const Model& model,
                  const Unit& unit, std::string_view source) {
  if (planned.tensors.size() != unit.members.size()) {
    Fail(ErrorKind::kCorrupt,
         "{}: units: {}: tensors: found {}, expected {} (was the plan made for "
         "another model?)",
         source, unit.name, planned.tensors.size(), unit.members.size());
  }
  for (size_t i = 0; i < unit.members.size(); ++i) {
    const std::string& name = model.matrices[unit.members[i]].name;
    if (planned.tensors[i] == name) continue;
    Fail(ErrorKind::kCorrupt,
         "{}: units: {}: tensors: found {}, expected {} (was the plan made for "
         "another model?)",
         source, unit.name, planned.tensors[i], name);
  }
}

void CheckUnit(const PlannedUnit& planned, const Model& model, const Unit& unit,
               std::string_view source) {
  CheckMembers(planned, model, unit, source);
  if (std::find(unit.legal.begin(), unit.legal.end(), planned.scheme) ==
      unit.legal.end()) {
    Fail(ErrorKind::kCorrupt,
         "{}: units: {}: found {}, expected one of the {} schemes legal for "
         "rows of {} weights",
         source, unit.name, SchemeLabel(planned.scheme), unit.legal.size(),
         unit.cols);
  }
  if (planned.weights != unit.weights()) {
    Fail(ErrorKind::kCorrupt, "{}: units: {}: weights: found {}, expected {}",
         source, unit.name, planned.weights, unit.weights());
  }
  const uint64_t bytes = unit.bytes(planned.scheme);
  if (planned.bytes != bytes) {
    Fail(ErrorKind::kCorrupt,
         "{}: units: {}: bytes: found {}, expected {} for {}", source,
         unit.name, planned.bytes, bytes, SchemeLabel(planned.scheme));
  }
}

}  // namespace

Plan ReadPlan(const std::filesystem::path& path) {
  return PlanFromJson(ReadTextFile(path), path.string());
}

std::vector<Scheme> MatchPlan(const Plan& plan, const Model& model,
                              const TargetLayout& layout,
                              std::string_view source) {
  std::unordered_map<std::string_view, size_t> places;
  places.reserve(plan.units.size());
  for (size_t i = 0; i < plan.units.size(); ++i) {
    if (!places.try_emplace(plan.units[i].unit, i).second) {
      Fail(ErrorKind::kCorrupt, "{}: units: {}: found twice, expected once",
           source, plan.units[i].unit);
    }
  }
  std::vector<Scheme> schemes;
  schemes.reserve(layout.units.size());
  for (size_t i = 0; i < layout.units.size(); ++i) {
    const Unit& unit = layout.units[i];
    const auto at = places.find(unit.name);
    if (at == places.end()) {
      Fail(ErrorKind::kCorrupt,
           "{}: units: found no entry for {}, expected one for every unit of "
           "the model",
           source, unit.name);
    }
    if (at->second != i) {
      const std::string& other = plan.units[i].unit;
      const bool known =
          std::any_of(layout.units.begin(), layout.units.end(),
                      [&](const Unit& u) { return u.name == other; });
      if (known) {
        Fail(ErrorKind::kCorrupt,
             "{}: units: found {} in the place of {}, expected the units in "
             "the order of the model",
             source, other, unit.name);
      }
      Fail(ErrorKind::kCorrupt,
           "{}: units: {}: found no such unit in the model, expected one of "
           "its {} (was the plan made for another model or target?)",
           source, other, layout.units.size());
    }
    CheckUnit(plan.units[i], model, unit, source);
    schemes.push_back(plan.units[i].scheme);
  }
  if (plan.units.size() > layout.units.size()) {
    Fail(ErrorKind::kCorrupt,
         "{}: units: {}: found no such unit in the model, expected one of its "
         "{} (was the plan made for another model or target?)",
         source, plan.units[layout.units.size()].unit, layout.units.size());
  }
  return schemes;
}

}  // namespace ram
