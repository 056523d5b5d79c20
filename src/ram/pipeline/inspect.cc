#include "ram/pipeline/inspect.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "ram/base/error.h"

namespace ram {
namespace {

std::string Dimensions(std::span<const uint64_t> shape) {
  return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, " x "));
}

// Keeps `held` if it equals `now`, else says that there are several.
void Merge(std::string& held, const std::string& now, const char* several) {
  if (held.empty()) held = now;
  if (held != now) held = several;
}

bool IsNumber(std::string_view part) {
  return !part.empty() && part.size() < 10 &&
         std::all_of(part.begin(), part.end(),
                     [](unsigned char c) { return std::isdigit(c) != 0; });
}

// A name with its numbers taken out: "a.#.b" and the numbers.
struct NameParts {
  std::string key;
  std::vector<uint64_t> numbers;
};

NameParts SplitNumbers(std::string_view name) {
  NameParts parts;
  while (true) {
    const size_t dot = name.find('.');
    const std::string_view part = name.substr(0, dot);
    if (IsNumber(part)) {
      parts.key += '#';
      parts.numbers.push_back(std::stoull(std::string(part)));
    } else {
      parts.key += part;
    }
    if (dot == name.npos) return parts;
    parts.key += '.';
    name.remove_prefix(dot + 1);
  }
}

using Range = std::pair<uint64_t, uint64_t>;

// "a.#.b" with each # replaced by its range.
std::string FillRanges(std::string_view key, std::span<const Range> ranges) {
  std::string text;
  size_t next = 0;
  for (const char c : key) {
    if (c != '#') {
      text += c;
      continue;
    }
    const auto& [low, high] = ranges[next++];
    text += low == high ? fmt::format("{}", low)
                        : fmt::format("{{{}-{}}}", low, high);
  }
  return text;
}

std::string_view UseName(TensorUse use) {
  switch (use) {
    case TensorUse::kMatrices:
      return "matrices";
    case TensorUse::kPlain:
      return "plain";
    case TensorUse::kScale:
      return "scale";
    case TensorUse::kIgnored:
      break;
  }
  return "ignored";
}

std::vector<NamePattern> FindPatterns(const Model& model) {
  std::vector<NamePattern> patterns;
  std::vector<std::string> keys;
  std::vector<std::vector<Range>> ranges;
  std::unordered_map<std::string, size_t> index;
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    const TensorInfo& tensor = model.tensors[i];
    NameParts parts = SplitNumbers(tensor.name);
    const auto [found, fresh] = index.try_emplace(parts.key, patterns.size());
    if (fresh) {
      patterns.emplace_back();
      keys.push_back(parts.key);
      ranges.emplace_back(parts.numbers.size(), Range{~uint64_t{0}, 0});
    }
    const size_t at = found->second;
    NamePattern& pattern = patterns[at];
    for (size_t n = 0; n < parts.numbers.size(); ++n) {
      auto& [low, high] = ranges[at][n];
      low = std::min(low, parts.numbers[n]);
      high = std::max(high, parts.numbers[n]);
    }
    Merge(pattern.dtype, StorageLabel(tensor), "mixed");
    Merge(pattern.shape, Dimensions(tensor.shape), "various");
    Merge(pattern.use, std::string(UseName(model.uses[i])), "various");
    ++pattern.tensors;
    pattern.weights += tensor.elements();
    pattern.bytes += tensor.bytes();
  }
  for (size_t i = 0; i < patterns.size(); ++i) {
    patterns[i].pattern = FillRanges(keys[i], ranges[i]);
  }
  return patterns;
}

struct RoleTally {
  RoleSummary summary;
  std::map<int, uint64_t> experts_per_layer;
};

std::vector<RoleSummary> SummarizeRoles(const Model& model) {
  std::map<std::pair<Section, std::string>, RoleTally> tallies;
  for (const Matrix& matrix : model.matrices) {
    RoleTally& tally = tallies[{matrix.section, matrix.role}];
    RoleSummary& summary = tally.summary;
    summary.section = SectionName(matrix.section);
    summary.role = matrix.role;
    ++summary.matrices;
    summary.weights += matrix.weights();
    Merge(summary.shape, fmt::format("{} x {}", matrix.rows, matrix.cols),
          "various");
    summary.weights_per_storage[StorageLabel(model.tensors[matrix.tensor])] +=
        matrix.weights();
    if (matrix.layer >= 0) {
      tally.experts_per_layer[matrix.layer] += matrix.expert >= 0 ? 1u : 0u;
    }
  }
  std::vector<RoleSummary> roles;
  for (auto& [key, tally] : tallies) {
    tally.summary.layers = tally.experts_per_layer.size();
    for (const auto& [layer, experts] : tally.experts_per_layer) {
      tally.summary.experts = std::max(tally.summary.experts, experts);
    }
    roles.push_back(std::move(tally.summary));
  }
  std::stable_sort(roles.begin(), roles.end(),
                   [](const RoleSummary& a, const RoleSummary& b) {
                     return a.weights > b.weights;
                   });
  return roles;
}

}  // namespace

Inspection Inspect(const Checkpoint& checkpoint) {
  const Model& model = checkpoint.model();
  Inspection result;
  result.path = checkpoint.path().string();
  result.architecture = model.architecture;
  result.model_type = model.model_type;
  result.known = model.known;
  result.bare_file = checkpoint.bare_file();
  result.tied_head = model.tied_head;
  result.files = checkpoint.weight_files().size();
  for (const std::string& name : checkpoint.weight_files()) {
    result.file_bytes += checkpoint.file(name).size_bytes();
  }
  result.tensors = model.tensors.size();
  result.weights = model.weights();
  result.quantized_weights = model.quantized_weights();
  result.matrices = model.matrices.size();
  std::set<int> layers;
  for (const Matrix& matrix : model.matrices) {
    if (matrix.layer >= 0 && matrix.section == Section::kText) {
      layers.insert(matrix.layer);
    }
  }
  result.layers = layers.size();
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    if (model.uses[i] == TensorUse::kScale) continue;
    const TensorInfo& tensor = model.tensors[i];
    result.weights_per_dtype[StorageLabel(tensor)] += tensor.elements();
  }
  result.roles = SummarizeRoles(model);
  result.patterns = FindPatterns(model);
  return result;
}

OrderedJson InspectionToJson(const Inspection& inspection) {
  OrderedJson json;
  json["path"] = inspection.path;
  json["architecture"] = inspection.architecture;
  json["model_type"] = inspection.model_type;
  json["known_architecture"] = inspection.known;
  json["tied_head"] = inspection.tied_head;
  json["files"] = inspection.files;
  json["file_bytes"] = inspection.file_bytes;
  json["tensors"] = inspection.tensors;
  json["weights"] = inspection.weights;
  json["quantized_weights"] = inspection.quantized_weights;
  json["matrices"] = inspection.matrices;
  json["layers"] = inspection.layers;
  json["weights_per_dtype"] = inspection.weights_per_dtype;
  for (const RoleSummary& role : inspection.roles) {
    json["roles"].push_back({{"section", role.section},
                             {"role", role.role},
                             {"matrices", role.matrices},
                             {"weights", role.weights},
                             {"shape", role.shape},
                             {"stored", role.weights_per_storage},
                             {"layers", role.layers},
                             {"experts", role.experts}});
  }
  for (const NamePattern& pattern : inspection.patterns) {
    json["patterns"].push_back({{"pattern", pattern.pattern},
                                {"dtype", pattern.dtype},
                                {"shape", pattern.shape},
                                {"use", pattern.use},
                                {"tensors", pattern.tensors},
                                {"weights", pattern.weights},
                                {"bytes", pattern.bytes}});
  }
  return json;
}

}  // namespace ram
