// The speed of running a model: generating text and reading it.
#pragma once

#include <filesystem>

#include "number_report.h"

namespace ram {

struct ModelPaths {
  std::filesystem::path programs;   // the build folder
  std::filesystem::path work;       // for what is made
  std::filesystem::path tokenizer;  // a model directory that has one
};

// Decodes with `model` (a BF16 checkpoint of at least a billion weights) and
// its uniform 4-bit version, beside the memory's rate; evaluates the latter
// beside the rate of the matrix product alone. Adds tokenizer files to `model`.
void MeasureModel(const ModelPaths& paths, const std::filesystem::path& model,
                  Report& report);

}  // namespace ram
