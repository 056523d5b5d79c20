// Activations of unfinished models on disk, so that an interrupted evaluation
// goes on at a layer of the model that was at work.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "ram/base/json.h"
#include "ram/base/stopwatch.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/evaluation/row_store.h"
#include "ram/evaluation/score.h"

namespace ram {

// How far a model is.
struct LayerState {
  uint64_t layers = 0;  // that all rows have passed; 0: not even embedded
  double seconds = 0;   // of work until here
};

// A folder with one state for each (model, segments, numbers): a line of JSON
// that says of what, LayerState, the shape, then all rows, little-endian.
// A state replaces the one before it in one step.
class KeptLayers {
 public:
  // Nothing is created before the first Offer that is taken. A state is taken
  // when `seconds` of work went by since the last one, and twenty times what
  // that took to write. `resume`: states of an earlier run are used.
  KeptLayers(std::filesystem::path folder, std::span<const Segment> segments,
             ComputeType compute, double seconds, bool resume);

  // Fills `rows` with what was kept of this model of `layers` layers and starts
  // to count its work. layers is 0 where nothing fits, and `rows` may then
  // hold anything. Throws kIo.
  LayerState Begin(const Checkpoint& model, uint64_t layers, RowStore& rows);
  // After a layer. Throws kIo (what was kept before stays), kInterrupted.
  void Offer(const Checkpoint& model, uint64_t layers, const LayerState& state,
             const RowStore& rows);
  // Deletes the model's state, and the folder if it is empty then.
  void Discard(const Checkpoint& model);

  // The last state that lies on disk.
  struct Last {
    std::string model;
    uint64_t layers = 0;
    uint64_t of = 0;
  };
  const std::optional<Last>& last() const { return last_; }

 private:
  // A line of JSON, and the file that begins with it.
  std::string KeyOf(const Checkpoint& model) const;
  std::filesystem::path FileOf(const std::string& key) const;
  LayerState Read(const Checkpoint& model, uint64_t layers,
                  RowStore& rows) const;
  void Write(const Checkpoint& model, const LayerState& state,
             const RowStore& rows) const;

  std::filesystem::path folder_;
  double least_seconds_;
  bool resume_;
  OrderedJson common_;  // part of every key
  Stopwatch worked_;    // since the start or the last writing
  double last_write_seconds_ = 0;
  std::optional<Last> last_;
};

}  // namespace ram
