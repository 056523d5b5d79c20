// What the original does along the first direction of a change: more of the
// same, less of it, or something else. With D = tuned - base, u and v its first
// singular vectors and s their value, W the base [rows, cols]:
//
//   input gain   |W v| over that of a random v, |W|_F / sqrt(cols)
//   output gain  |W'u| over that of a random u, |W|_F / sqrt(rows)
//   agreement    u'W v / sqrt(|W v| |W'u|), in [-1, 1]
//   strength     s / sqrt(|W v| |W'u|)
//
// u'W v is the numerator of the amplification factor of Hu et al. 2021 (LoRA),
// section 7.3. A change that is stronger than the base and does not agree with
// it gives the tuned matrix a singular vector that the base has not: an
// "intruder dimension" (Shuttleworth et al. 2024, arXiv:2410.21228); in random
// matrices from strength 1 on (Benaych-Georges and Nadakuditi 2012).
#pragma once

#include <cstdint>
#include <vector>

#include "ram/analysis/spectrum.h"

namespace ram {

struct ChangeAlignment {
  double input_gain = 0;
  double output_gain = 0;
  double agreement = 0;
  double strength = 0;  // infinite where the base gives nothing there
  // Size of the agreement of random directions: (rows x cols)^(-1/4).
  double chance = 0;
};

enum class AlignmentKind : uint8_t {
  kUndecided,  // weak, in between, or too few weights to tell from chance
  kAmplifies,  // agreement of 0.5 or more
  kTakesBack,  // -0.5 or less
  kOfItsOwn,   // strength 1 or more, agreement within 0.2
};
AlignmentKind KindOfAlignment(const ChangeAlignment& alignment);

// Unit vectors with D v = s u.
struct LeadingVectors {
  std::vector<float> u;  // [rows]
  std::vector<float> v;  // [cols]
  double value = 0;
};

// The other side of a leading vector of `change`: `known` is v where cols <=
// rows, else u. Reads the change once.
LeadingVectors CompleteLeading(const RowReader& change, uint64_t rows,
                               uint64_t cols, std::vector<float> known,
                               int threads);

// Reads the base twice. `base_squares`, the sum of its squares, is not 0.
ChangeAlignment MeasureAlignment(const RowReader& base, uint64_t rows,
                                 uint64_t cols, double base_squares,
                                 const LeadingVectors& leading, int threads);

}  // namespace ram
