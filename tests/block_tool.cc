// block_tool: weights in ggml's blocks for the tests of tests/peers.
//   block_tool TYPE fast|best COLS THREADS [COLUMN_WEIGHTS] < FLOATS > BLOCKS
// Reads float32 rows of COLS weights from standard input and writes their
// blocks; COLUMN_WEIGHTS is a file of COLS float32. Says on standard error
// how many seconds the encoding took.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/parallel.h"
#include "ram/quantization/gguf_encode.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

std::vector<float> ReadFloats(std::istream& in) {
  const std::vector<char> bytes(std::istreambuf_iterator<char>(in), {});
  std::vector<float> out(bytes.size() / sizeof(float));
  ToFloat(DType::kF32, reinterpret_cast<const std::byte*>(bytes.data()), out);
  return out;
}

int Run(const std::vector<std::string>& arguments) {
  const auto type = ParseGgmlType(arguments.at(0));
  const BlockEffort effort =
      arguments.at(1) == "best" ? BlockEffort::kBest : BlockEffort::kFast;
  const uint64_t cols = std::stoull(arguments.at(2));
  const int threads = std::stoi(arguments.at(3));
  std::vector<float> columns;
  if (arguments.size() > 4) {
    std::ifstream file(arguments[4], std::ios::binary);
    columns = ReadFloats(file);
  }
  const std::vector<float> weights = ReadFloats(std::cin);
  if (!type || !CanEncodeBlocks(*type) || cols == 0 ||
      cols % FactsOf(*type).block_weights != 0 || weights.size() % cols != 0 ||
      (!columns.empty() && columns.size() != cols)) {
    fmt::print(stderr, "block_tool: these weights cannot be {}\n",
               arguments[0]);
    return 2;
  }
  const GgmlTypeFacts& facts = FactsOf(*type);
  const uint64_t row_bytes = cols / facts.block_weights * facts.block_bytes;
  const uint64_t rows = weights.size() / cols;
  std::vector<std::byte> out(rows * row_bytes);
  const auto begin = std::chrono::steady_clock::now();
  constexpr uint64_t kSlice = 16;
  ParallelFor((rows + kSlice - 1) / kSlice, threads, [&](uint64_t slice, int) {
    const uint64_t first = slice * kSlice;
    const uint64_t count = std::min(kSlice, rows - first);
    EncodeBlocks(*type, effort, {&weights[first * cols], count * cols}, cols,
                 columns, &out[first * row_bytes]);
  });
  const std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - begin;
  fmt::print(stderr, "{}\n", seconds.count());
  std::cout.write(reinterpret_cast<const char*>(out.data()),
                  static_cast<std::streamsize>(out.size()));
  return std::cout.flush() ? 0 : 5;
}

}  // namespace
}  // namespace ram

int main(int argc, char** argv) {
  try {
    return ram::Run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "block_tool: {}\n", error.what());
    return 2;
  }
}
