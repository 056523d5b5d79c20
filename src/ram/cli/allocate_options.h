// The arguments that say how bits are given out, shared by `allocate` and
// `compress`.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ram/allocation/allocate.h"

namespace ram {

struct AllocateArguments {
  std::string target = "mlx";
  bool allow_unportable = false;
  std::string policy = "optimal";
  std::optional<int> bits;
  std::optional<int> group_size;
  std::string type;
  std::string like;
  std::string size;
  std::optional<double> bits_per_weight;
  bool min_safe = false;
  std::string encoder;
  std::vector<std::string> overrides;

  void AddTo(CLI::App& command);
  // Of FindTarget. Throws kUsage on --allow-unportable for other targets.
  std::string TargetName() const;
  // Throws kUsage on contradictions.
  AllocateOptions Options() const;
};

}  // namespace ram
