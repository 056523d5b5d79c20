// Scores of finished models on disk, so that an interrupted evaluation goes on
// where it stopped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "ram/base/json.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/evaluation/score.h"

namespace ram {

// A folder of scores, one file for each (model, baseline, segments, numbers):
// a line of JSON that says what they are of, then little-endian arrays.
class KeptScores {
 public:
  // Nothing is created before the first Keep. `baseline` may be null.
  KeptScores(std::filesystem::path folder, std::span<const Segment> segments,
             ComputeType compute, const Checkpoint* baseline);

  // What was kept of this model, if it is the same model (name, size and time
  // of every weight file, config.json), the same baseline, segments and type
  // of numbers; nullopt otherwise, damaged files included.
  std::optional<ModelScores> Find(const Checkpoint& model) const;
  // Throws kIo.
  void Keep(const Checkpoint& model, const ModelScores& scores) const;
  // Deletes what Keep wrote for these, and the folder if it is empty then.
  void Discard(std::span<const Checkpoint* const> models) const;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::string KeyOf(const Checkpoint& model) const;
  std::filesystem::path FileOf(const std::string& key) const;

  std::filesystem::path folder_;
  uint64_t scored_tokens_ = 0;
  OrderedJson common_;  // part of every key
};

}  // namespace ram
