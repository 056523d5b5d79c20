// What `numbers` measures with: running a program, and floors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "ram/base/json.h"

namespace ram {

struct Finished {
  double seconds = 0;     // from start to end
  double peak_bytes = 0;  // resident at once, mapped pages included
  std::string out;        // what it printed
  Json json() const { return ParseJson(out, "output of a program"); }
};

// Runs command[0] with the rest as arguments. Throws kIo when it cannot be
// started or ends with anything but 0.
Finished RunProgram(const std::vector<std::string>& command);

// The .safetensors files of a model directory, by name.
std::vector<std::filesystem::path> WeightFiles(
    const std::filesystem::path& model);
uint64_t TotalBytes(const std::vector<std::filesystem::path>& files);

// Every byte of `files` through reused buffers, on all processors.
double ReadSeconds(const std::vector<std::filesystem::path>& files);
// SHA-256 of each file, one after the other.
double HashSeconds(const std::vector<std::filesystem::path>& files);
// Writes `bytes` bytes to a new file in `folder`, on all processors. Not made
// durable: the time of the final sync is stated apart.
double WriteSeconds(const std::filesystem::path& folder, uint64_t bytes);

// Bytes a second that all processors together read from memory.
double MemoryReadRate();
// Operations a second of oneDNN's product of bf16 matrices (or f32 ones, where
// the processor has no bf16), on all processors.
double ProductRate();

}  // namespace ram
