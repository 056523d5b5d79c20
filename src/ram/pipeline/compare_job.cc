#include "ram/pipeline/compare_job.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string>

#include "ram/base/error.h"
#include "ram/tokenizer/tokenizer.h"

namespace ram {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostTokens = 1000;

void Flatten(const Json& value, const std::string& prefix,
             std::map<std::string, std::string>& entries) {
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, inner] : value.items()) {
      Flatten(inner, prefix.empty() ? key : fmt::format("{}.{}", prefix, key),
              entries);
    }
    return;
  }
  entries[prefix] = value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<ConfigChange> CompareConfigs(const Json& base, const Json& tuned) {
  std::map<std::string, std::string> from, to;
  if (base.is_object()) Flatten(base, "", from);
  if (tuned.is_object()) Flatten(tuned, "", to);
  std::vector<ConfigChange> changes;
  for (const auto& [key, value] : from) {
    const auto other = to.find(key);
    if (other == to.end()) {
      changes.push_back({key, value, ""});
    } else if (other->second != value) {
      changes.push_back({key, value, other->second});
    }
  }
  for (const auto& [key, value] : to) {
    if (!from.contains(key)) changes.push_back({key, "", value});
  }
  std::sort(changes.begin(), changes.end(),
            [](const ConfigChange& a, const ConfigChange& b) {
              return a.key < b.key;
            });
  return changes;
}

// Null where there is none, or none that can be read.
std::unique_ptr<Tokenizer> TokenizerOf(const fs::path& path) {
  try {
    return Tokenizer::Open(path);
  } catch (const Error&) {
    return nullptr;
  }
}

std::vector<std::string> NewTokens(const fs::path& base,
                                   const fs::path& tuned) {
  const auto from = TokenizerOf(base);
  const auto to = TokenizerOf(tuned);
  std::vector<std::string> tokens;
  if (!from || !to) return tokens;
  const uint64_t end =
      std::min(to->vocabulary_size(), from->vocabulary_size() + kMostTokens);
  for (uint64_t id = from->vocabulary_size(); id < end; ++id) {
    const std::array<TokenId, 1> one = {static_cast<TokenId>(id)};
    // A token may end within a character.
    tokens.push_back(
        Json::parse(Json(to->Decode(one, false))
                        .dump(-1, ' ', false, Json::error_handler_t::replace))
            .get<std::string>());
  }
  return tokens;
}

}  // namespace

Comparison RunCompare(const fs::path& base, const fs::path& tuned,
                      const CompareOptions& options, Progress& progress) {
  const Checkpoint from = Checkpoint::Open(base);
  const Checkpoint to = Checkpoint::Open(tuned);
  Comparison comparison = Compare(from, to, options, progress);
  comparison.config = CompareConfigs(from.model().config, to.model().config);
  comparison.new_tokens = NewTokens(base, tuned);
  return comparison;
}

}  // namespace ram
