#include "measure.h"

#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <span>

#include "ram/base/digest.h"
#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/output.h"
#include "ram/base/parallel.h"
#include "ram/evaluation/dense_linear.h"

extern char** environ;

namespace ram {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kBlock = uint64_t{4} << 20;

double Now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double MaxResidentBytes(const rusage& usage) {
#ifdef __APPLE__
  return static_cast<double>(usage.ru_maxrss);
#else
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
#endif
}

}  // namespace

Finished RunProgram(const std::vector<std::string>& command) {
  int ends[2];
  if (pipe(ends) != 0) Fail(ErrorKind::kIo, "pipe: no pipe to be had");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  std::vector<char*> arguments;
  for (const std::string& word : command) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  const double start = Now();
  pid_t child = 0;
  const int error = posix_spawn(&child, arguments[0], &actions, nullptr,
                                arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    Fail(ErrorKind::kIo, "{}: cannot start (./dev build)", command[0]);
  }
  Finished finished;
  std::array<char, 65536> buffer;
  ssize_t n = 0;
  while ((n = read(ends[0], buffer.data(), buffer.size())) > 0) {
    finished.out.append(buffer.data(), static_cast<size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  rusage usage = {};
  wait4(child, &status, 0, &usage);
  finished.seconds = Now() - start;
  finished.peak_bytes = MaxResidentBytes(usage);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    Fail(ErrorKind::kIo, "{}: ended with status {}", fmt::join(command, " "),
         WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
  }
  return finished;
}

std::vector<fs::path> WeightFiles(const fs::path& model) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(model)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry);
  }
  std::sort(files.begin(), files.end());
  return files;
}

uint64_t TotalBytes(const std::vector<fs::path>& files) {
  uint64_t bytes = 0;
  for (const fs::path& file : files) bytes += fs::file_size(file);
  return bytes;
}

double ReadSeconds(const std::vector<fs::path>& files) {
  const int threads = ResolveThreads(0);
  std::vector<std::vector<std::byte>> buffers(static_cast<size_t>(threads));
  const double start = Now();
  for (const fs::path& path : files) {
    const File file = File::Open(path);
    ParallelFor((file.size_bytes() + kBlock - 1) / kBlock, threads,
                [&](uint64_t item, int worker) {
                  auto& buffer = buffers[static_cast<size_t>(worker)];
                  buffer.resize(kBlock);
                  const uint64_t at = item * kBlock;
                  file.ReadAt(at, std::span(buffer).first(std::min(
                                      kBlock, file.size_bytes() - at)));
                });
  }
  return Now() - start;
}

double HashSeconds(const std::vector<fs::path>& files) {
  const double start = Now();
  for (const fs::path& path : files) Sha256OfFile(path);
  return Now() - start;
}

double WriteSeconds(const fs::path& folder, uint64_t bytes) {
  OutputDirectory out(folder / "plain-write");
  const int threads = ResolveThreads(0);
  const std::vector<std::byte> block(kBlock, std::byte{0x5a});
  const double start = Now();
  OutputFile& file = out.Create("data", bytes);
  ParallelFor((bytes + kBlock - 1) / kBlock, threads, [&](uint64_t item, int) {
    const uint64_t at = item * kBlock;
    file.WriteAt(at, std::span(block).first(std::min(kBlock, bytes - at)));
  });
  return Now() - start;
}

double MemoryReadRate() {
  // Far more than any cache holds.
  constexpr uint64_t kWords = uint64_t{1} << 28, kItem = uint64_t{1} << 17;
  const std::vector<uint64_t> words(kWords, 1);
  double best = 0;
  for (int i = 0; i < 4; ++i) {
    std::atomic<uint64_t> sum{0};
    const double start = Now();
    ParallelFor(kWords / kItem, ResolveThreads(0), [&](uint64_t item, int) {
      const uint64_t* from = words.data() + item * kItem;
      uint64_t sums[8] = {};
      for (uint64_t at = 0; at < kItem; at += 8) {
        for (uint64_t j = 0; j < 8; ++j) sums[j] += from[at + j];
      }
      for (const uint64_t s : sums) sum += s;
    });
    const double seconds = Now() - start;
    if (sum != kWords) Fail(ErrorKind::kIo, "memory: read something else");
    best = std::max(best, 8.0 * kWords / seconds);
  }
  return best;
}

double ProductRate() {
  constexpr uint64_t kRows = 512, kIn = 2048, kOut = 2048, kTimes = 16;
  const int threads = ResolveThreads(0);
  const auto linear = PackLinear(
      kIn, kOut,
      [](uint64_t row, std::span<float> out) {
        for (uint64_t i = 0; i < out.size(); ++i) {
          out[i] = static_cast<float>((row * 7 + i * 13) % 31) / 31.0f - 0.5f;
        }
      },
      HasFastBF16() ? ComputeType::kBF16 : ComputeType::kF32, threads);
  const auto count = static_cast<uint64_t>(threads);
  std::vector<float> x(kRows * kIn, 0.25f), y(count * kRows * kOut);
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    const double start = Now();
    ParallelFor(count, threads, [&](uint64_t item, int) {
      for (uint64_t k = 0; k < kTimes; ++k) {
        linear->Apply(x.data(), kRows, y.data() + item * kRows * kOut);
      }
    });
    const double done = 2.0 * kRows * kIn * kOut * kTimes * threads;
    best = std::max(best, done / (Now() - start));
  }
  return best;
}

}  // namespace ram
