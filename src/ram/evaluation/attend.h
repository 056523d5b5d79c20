// Softmax attention in blocks of queries x keys: the scores of a block are a
// matrix product, the softmax is kept up to date while blocks pass
// (arXiv:2112.05682, arXiv:2205.14135).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ram/evaluation/key_values.h"
#include "ram/evaluation/score.h"

namespace ram {

struct AttentionShape {
  uint64_t heads = 0;
  uint64_t kv_heads = 0;  // divides heads
  uint64_t key_dim = 0;   // of a head
  uint64_t value_dim = 0;
  uint64_t key_stride = 0;  // floats between the keys of two tokens
  uint64_t value_stride = 0;
  float scale = 1;
  ComputeType compute = ComputeType::kF32;
  uint64_t window = 0;  // keys a query sees, itself included; 0: all
};

// Buffers that are reused from call to call.
struct AttendScratch {
  std::vector<float> queries;
  std::vector<float> scores;
  std::vector<float> sums;     // of values, weighted
  std::vector<float> maximum;  // of the scores of a query so far
  std::vector<float> total;    // of exp(score - maximum)
};

// queries [rows, heads * key_dim], the first at `position`; `past` holds the
// tokens of positions [0, position + rows), values being those of `keys` where
// it has none. out [rows, heads * value_dim].
void Attend(const AttentionShape& shape, const float* queries, uint64_t rows,
            uint64_t position, std::span<const KeyValueRows> past, float* out,
            AttendScratch& scratch);

}  // namespace ram
