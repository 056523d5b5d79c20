#include "ram/pipeline/explain.h"

#include <algorithm>
#include <array>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/export/record.h"

namespace ram {
namespace {

namespace fs = std::filesystem;

std::string_view WithoutSuffix(std::string_view name) {
  for (const std::string_view suffix : {".weight", ".scales", ".biases"}) {
    if (name.ends_with(suffix)) {
      return name.substr(0, name.size() - suffix.size());
    }
  }
  return name;
}

bool Names(const PlannedUnit& unit, std::string_view module) {
  return unit.unit == module ||
         std::any_of(unit.tensors.begin(), unit.tensors.end(),
                     [module](const std::string& tensor) {
                       return WithoutSuffix(tensor) == module;
                     });
}

// Length of the longest common subsequence: enough to find what was meant.
size_t Likeness(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1, 0);
  for (const char c : a) {
    size_t diagonal = 0;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t above = row[j + 1];
      row[j + 1] = c == b[j] ? diagonal + 1 : std::max(row[j + 1], row[j]);
      diagonal = above;
    }
  }
  return row.back();
}

std::string Closest(const Plan& plan, std::string_view module) {
  std::string closest;
  double best = -1;
  for (const PlannedUnit& unit : plan.units) {
    const double likeness =
        2.0 * static_cast<double>(Likeness(module, unit.unit)) /
        static_cast<double>(module.size() + unit.unit.size());
    if (likeness > best) {
      best = likeness;
      closest = unit.unit;
    }
  }
  return closest;
}

std::optional<Record> RecordOf(const fs::path& out) {
  if (!fs::is_directory(out)) return std::nullopt;
  const fs::path path = out / "ram.json";
  return RecordFromJson(ReadTextFile(path), path.string());
}

}  // namespace

Explanation Explain(const fs::path& out, std::string_view tensor) {
  const std::optional<Record> record = RecordOf(out);
  const Plan plan = ReadPlan(record ? out / "plan.json" : out);
  const std::string_view module = WithoutSuffix(tensor);
  Explanation explanation;
  explanation.asked = tensor;
  for (const DroppedTensor& dropped : plan.dropped) {
    if (WithoutSuffix(dropped.tensor) == module) {
      explanation.why_dropped = dropped.why;
      return explanation;
    }
  }
  for (const PlannedUnit& unit : plan.units) {
    if (!Names(unit, module)) continue;
    explanation.unit = unit;
    if (!record) return explanation;
    for (const Record::UnitError& error : record->units) {
      if (error.unit == unit.unit) explanation.stored_nmse = error.nmse;
    }
    return explanation;
  }
  if (record) {
    for (const Record::PlainRecord& plain : record->plain) {
      if (plain.name != tensor && WithoutSuffix(plain.name) != module) continue;
      explanation.plain = fmt::format(
          "copied as {}: not a weight matrix, so it was not up for a decision",
          DTypeName(plain.dtype));
      return explanation;
    }
  }
  Fail(ErrorKind::kUsage,
       "{}: {}: found no such tensor, expected a name in the model (closest: "
       "{})",
       out.string(), tensor, Closest(plan, module));
}

OrderedJson ExplanationToJson(const Explanation& explanation) {
  OrderedJson json = {{"tensor", explanation.asked}};
  if (!explanation.why_dropped.empty()) {
    json["dropped"] = explanation.why_dropped;
    return json;
  }
  if (explanation.plain) {
    json["plain"] = *explanation.plain;
    return json;
  }
  const PlannedUnit& unit = explanation.unit;
  json["unit"] = unit.unit;
  json["tensors"] = unit.tensors;
  json["precision"] = SchemeLabel(unit.scheme);
  json["bits"] = unit.scheme.bits;
  json["group_size"] = unit.scheme.group_size;
  json["bytes"] = unit.bytes;
  json["reason"] = unit.reason;
  if (unit.nmse) json["predicted_nmse"] = *unit.nmse;
  if (explanation.stored_nmse) json["stored_nmse"] = *explanation.stored_nmse;
  for (const Candidate& candidate : unit.candidates) {
    json["candidates"].push_back({{"precision", SchemeLabel(candidate.scheme)},
                                  {"bytes", candidate.bytes},
                                  {"nmse", candidate.nmse},
                                  {"loss", candidate.loss}});
  }
  return json;
}

}  // namespace ram
