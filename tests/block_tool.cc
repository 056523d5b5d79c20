// block_tool: weights in ggml's blocks for the tests of tests/peers.
//   block_tool TYPE fast|best COLS THREADS IN OUT [COLUMN_WEIGHTS]
// IN is rows of COLS weights in BF16, OUT their blocks, COLUMN_WEIGHTS is COLS
// float32. Prints the seconds from opening IN to closing OUT, and of those the
// ones before OUT was written.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/parallel.h"
#include "ram/quantization/gguf_encode.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

constexpr uint64_t kSliceWeights = 1 << 18;

std::vector<float> ReadFloats(const std::string& path) {
  const File file = File::Open(path);
  std::vector<float> out(file.size_bytes() / sizeof(float));
  file.ReadAt(0, std::as_writable_bytes(std::span(out)));
  return out;
}

double SecondsSince(std::chrono::steady_clock::time_point begin) {
  const auto now = std::chrono::steady_clock::now();
  return std::chrono::duration<double>(now - begin).count();
}

void Run(const std::vector<std::string>& arguments) {
  const auto type = ParseGgmlType(arguments.at(0));
  const BlockEffort effort =
      arguments.at(1) == "best" ? BlockEffort::kBest : BlockEffort::kFast;
  const uint64_t cols = std::stoull(arguments.at(2));
  const int threads = std::stoi(arguments.at(3));
  std::vector<float> columns;
  if (arguments.size() > 6) columns = ReadFloats(arguments[6]);
  const auto begin = std::chrono::steady_clock::now();
  const File in = File::Open(arguments.at(4));
  const uint64_t weights = in.size_bytes() / 2;
  if (!type || !CanEncodeBlocks(*type) || cols == 0 ||
      cols % FactsOf(*type).block_weights != 0 || weights % cols != 0 ||
      (!columns.empty() && columns.size() != cols)) {
    Fail(ErrorKind::kUsage, "{}: weights: {} in rows of {} cannot be {}",
         arguments[4], weights, cols, arguments[0]);
  }
  const GgmlTypeFacts& facts = FactsOf(*type);
  const uint64_t row_bytes = cols / facts.block_weights * facts.block_bytes;
  const uint64_t rows = weights / cols;
  const uint64_t slice_rows = std::max<uint64_t>(kSliceWeights / cols, 1);
  struct Buffers {
    std::vector<std::byte> bytes;
    std::vector<float> floats;
  };
  std::vector<Buffers> buffers(static_cast<size_t>(ResolveThreads(threads)));
  std::vector<std::byte> out(rows * row_bytes);
  ParallelFor((rows + slice_rows - 1) / slice_rows, threads,
              [&](uint64_t slice, int worker) {
                auto& [bytes, floats] = buffers[static_cast<size_t>(worker)];
                const uint64_t first = slice * slice_rows;
                const uint64_t count =
                    std::min(slice_rows, rows - first) * cols;
                bytes.resize(count * 2);
                floats.resize(count);
                in.ReadAt(first * cols * 2, bytes);
                ToFloat(DType::kBF16, bytes.data(), floats);
                EncodeBlocks(*type, effort, floats, cols, columns,
                             &out[first * row_bytes]);
              });
  const double encoded = SecondsSince(begin);
  std::ofstream file(arguments.at(5), std::ios::binary);
  file.write(reinterpret_cast<const char*>(out.data()),
             static_cast<std::streamsize>(out.size()));
  file.close();
  if (!file) Fail(ErrorKind::kIo, "{}: cannot be written", arguments[5]);
  fmt::print("{} {}\n", SecondsSince(begin), encoded);
}

}  // namespace
}  // namespace ram

int main(int argc, char** argv) {
  try {
    ram::Run({argv + 1, argv + argc});
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "block_tool: {}\n", error.what());
    return 2;
  }
}
