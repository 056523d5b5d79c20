// Where a layer puts the keys and values of tokens, and finds those of the
// tokens before: a segment's for scoring, a cache for generation.
#pragma once

#include <cstdint>
#include <span>

namespace ram {

// Floats per token. With latent attention the values are the first numbers of
// the keys, and value_width is 0.
struct KeyValueShape {
  uint64_t key_width = 0;
  uint64_t value_width = 0;
};

// Of consecutive tokens: keys [rows, key_width], values [rows, value_width].
struct KeyValueRows {
  float* keys = nullptr;
  float* values = nullptr;
  uint64_t rows = 0;
};

// The tokens of one text up to now, in one layer.
class KeyValues {
 public:
  virtual ~KeyValues() = default;
  // Room for the keys and values of `rows` tokens after all there are.
  virtual KeyValueRows Append(uint64_t rows) = 0;
  // Those of all tokens from position 0 on, oldest first, the appended ones
  // included; in one or more pieces. Valid until the next Append.
  virtual std::span<const KeyValueRows> All() const = 0;
};

// Consecutive rows of a batch that belong to one text.
struct TextRows {
  uint64_t row = 0;       // the first, in the batch
  uint64_t rows = 0;      // one or more
  uint64_t position = 0;  // of the first, in its text
  KeyValues* past = nullptr;
};

}  // namespace ram
