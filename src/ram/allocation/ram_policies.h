// What ram-v1, ram-v2 and ram-v3 share: units with their scores, and the rule
// that turns a score into bits.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ram/allocation/decision.h"
#include "ram/allocation/ram_score.h"

namespace ram {

struct Thresholds {
  double above_16 = 0;
  double above_8 = 0;
  double below_2 = 0;
};

struct RamUnit {
  double score = 0;  // weight-averaged over the members
  // Why it stays at 16 bits: protected, too small, settled, not quantisable.
  std::optional<std::string> kept;
};

// Throws kUsage when a unit that needs a score lacks a metric.
std::vector<RamUnit> RamUnits(const Problem& problem, const RamScores& scores);

int BitsFor(double score, const Thresholds& thresholds);
int GroupFor(int bits, const RamRule& rule);
// What the unit gets where the rule says so many bits.
Scheme SchemeFor(const Problem& problem, const Unit& unit, int bits);
std::string BitsReason(int bits, double score, const Thresholds& thresholds);

// The ram-v3 decision (ram_v3.cc).
std::vector<Choice> DecideRamV3(Problem& problem, const RamScores& scores,
                                std::vector<RamUnit> units);

// "4-bit g64" as decided, with a reason where the rule's group is illegal.
Choice RamChoice(const Problem& problem, const Unit& unit,
                 const RamUnit& ram_unit, int bits,
                 const Thresholds& thresholds);

// Adds what every ram plan tells: members that disagree with their unit,
// illegal groups, span and the largest shares.
void NoteRam(Problem& problem, const RamScores& scores,
             const std::vector<RamUnit>& units,
             const std::vector<Choice>& choices, const Thresholds& thresholds);

}  // namespace ram
