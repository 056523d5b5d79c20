// Rotary position embedding (arXiv:2104.09864) and the ways in which models
// stretch it to longer texts, as config.json describes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ram/base/json.h"

namespace ram {

struct Rotary {
  // One per pair of dimensions that is turned; the others of a head are left.
  std::vector<float> inverse_frequencies;
  bool interleaved = false;  // pairs (0, 1), (2, 3)...; else (0, n/2), (1, ...
  float magnitude = 1;       // of cosine and sine (yarn)

  uint64_t dims() const { return 2 * inverse_frequencies.size(); }
};

// What of config.json the rotation follows from. `parameters` is the object
// "rope_scaling" or "rope_parameters"; null: none.
struct RotarySource {
  const Json* parameters = nullptr;
  double theta = 10000;
  uint64_t dims = 0;  // that are turned, of a head
  bool interleaved = false;
  double max_positions = 0;  // max_position_embeddings; 0: not given
  std::string file;          // for messages
};

// Types "default", "linear", "llama3" and "yarn" (arXiv:2309.00071). Throws
// kUnsupported for others, kCorrupt where a parameter is missing.
Rotary MakeRotary(const RotarySource& source);

// What yarn asks the scale of attention to be multiplied with, where the
// family does so (DeepSeek's mscale_all_dim); 1 otherwise.
float YarnAttentionFactor(const Json* parameters);

// Cosines and sines of positions [0, positions).
class RotaryTable {
 public:
  RotaryTable(const Rotary& rotary, uint64_t positions);

  // Turns the first dims() numbers of one head.
  void Apply(uint64_t position, float* head) const;

 private:
  uint64_t pairs_;
  bool interleaved_;
  std::vector<float> cosines_;  // [positions, pairs]
  std::vector<float> sines_;
};

}  // namespace ram
