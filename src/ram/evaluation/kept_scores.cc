#include "ram/evaluation/kept_scores.h"

#include <bit>
#include <cstring>
#include <fstream>
#include <system_error>

#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/output.h"
#include "ram/evaluation/kept_identity.h"

namespace ram {
namespace {

static_assert(std::endian::native == std::endian::little,
              "scores are kept as they lie in memory");

constexpr uint64_t kMaxBytes = uint64_t{16} << 30;

template <typename T>
void Put(const T& value, std::string& out) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Reads values one after the other; stays at the end once that is reached.
class ScoresReader {
 public:
  explicit ScoresReader(std::string_view bytes) : rest_(bytes) {}
  template <typename T>
  T Next() {
    T value{};
    if (rest_.size() < sizeof(value)) {
      failed_ = true;
      return value;
    }
    std::memcpy(&value, rest_.data(), sizeof(value));
    rest_.remove_prefix(sizeof(value));
    return value;
  }
  bool ended_well() const { return !failed_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

std::string ScoresToBytes(const ModelScores& scores) {
  std::string bytes;
  Put(scores.seconds, bytes);
  Put(static_cast<uint64_t>(scores.tokens.size()), bytes);
  Put(static_cast<uint64_t>(scores.comparisons.size()), bytes);
  for (const TokenScore& token : scores.tokens) {
    Put(token.log_prob, bytes);
    Put(static_cast<uint8_t>(token.top), bytes);
  }
  for (const TokenComparison& comparison : scores.comparisons) {
    Put(comparison.kl, bytes);
    Put(static_cast<uint8_t>(comparison.same_top), bytes);
  }
  return bytes;
}

std::optional<ModelScores> ScoresFromBytes(std::string_view bytes,
                                           uint64_t scored_tokens) {
  ScoresReader reader(bytes);
  ModelScores scores;
  scores.seconds = reader.Next<double>();
  const auto tokens = reader.Next<uint64_t>();
  const auto comparisons = reader.Next<uint64_t>();
  if (tokens != scored_tokens || (comparisons != 0 && comparisons != tokens)) {
    return std::nullopt;
  }
  for (uint64_t i = 0; i < tokens; ++i) {
    const auto log_prob = reader.Next<float>();
    scores.tokens.push_back({log_prob, reader.Next<uint8_t>() != 0});
  }
  for (uint64_t i = 0; i < comparisons; ++i) {
    const auto kl = reader.Next<float>();
    scores.comparisons.push_back({kl, reader.Next<uint8_t>() != 0});
  }
  if (!reader.ended_well()) return std::nullopt;
  return scores;
}

}  // namespace

KeptScores::KeptScores(std::filesystem::path folder,
                       std::span<const Segment> segments, ComputeType compute,
                       const Checkpoint* baseline)
    : folder_(std::move(folder)), scored_tokens_(ScoredTokens(segments)) {
  common_ = {{"version", 1},
             {"segments_sha256", DigestOf(segments)},
             {"numbers", ComputeName(compute)},
             {"baseline", baseline == nullptr ? OrderedJson(nullptr)
                                              : IdentityOf(*baseline)}};
}

std::string KeptScores::KeyOf(const Checkpoint& model) const {
  OrderedJson key = common_;
  key["model"] = IdentityOf(model);
  return KeyText(key);
}

std::filesystem::path KeptScores::FileOf(const std::string& key) const {
  return folder_ / KeptFileName(key, "scores");
}

std::optional<ModelScores> KeptScores::Find(const Checkpoint& model) const {
  const std::string key = KeyOf(model);
  const std::filesystem::path path = FileOf(key);
  if (!std::filesystem::exists(path)) return std::nullopt;
  const std::string bytes = ReadTextFile(path, kMaxBytes);
  const std::string_view view = bytes;
  if (!view.starts_with(key + "\n")) return std::nullopt;
  return ScoresFromBytes(view.substr(key.size() + 1), scored_tokens_);
}

void KeptScores::Keep(const Checkpoint& model,
                      const ModelScores& scores) const {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) {
    Fail(ErrorKind::kIo, "{}: cannot create: {}", folder_.string(),
         error.message());
  }
  const std::string key = KeyOf(model);
  const std::filesystem::path path = FileOf(key);
  std::filesystem::remove(path, error);
  WriteNewFile(path, key + "\n" + ScoresToBytes(scores));
}

void KeptScores::Discard(std::span<const Checkpoint* const> models) const {
  std::error_code ignored;
  for (const Checkpoint* model : models) {
    std::filesystem::remove(FileOf(KeyOf(*model)), ignored);
  }
  std::filesystem::remove(folder_, ignored);  // only if empty
}

}  // namespace ram
