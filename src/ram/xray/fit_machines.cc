#include "ram/xray/fit_machines.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "ram/base/byte_size.h"
#include "ram/base/error.h"

namespace ram {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

// Metal's recommendedMaxWorkingSetSize, as llama.cpp prints it: 10922.67 MiB of
// 16 GiB, 21845.34 of 32, 49152 of 64. Newer versions of macOS allow more on
// large machines (107.5 of 128 GiB), and iogpu.wired_limit_mb changes it.
constexpr std::string_view kTwoThirds =
    "macOS lets the GPU use 2/3 of the memory up to 36 GB";
constexpr std::string_view kThreeQuarters =
    "macOS lets the GPU use 3/4 of the memory beyond 36 GB";
constexpr std::string_view kMacSmallSource =
    "github.com/ollama/ollama/issues/434, "
    "github.com/abetlen/llama-cpp-python/issues/687";
constexpr std::string_view kMacLargeSource =
    "github.com/ggml-org/llama.cpp/issues/1870, "
    "github.com/antirez/ds4/pull/893";

constexpr uint64_t MacBytes(uint64_t gib) {
  return gib <= 36 ? gib * kGiB * 2 / 3 : gib * kGiB * 3 / 4;
}
constexpr Machine Mac(std::string_view name, uint64_t gib) {
  return {name, MacBytes(gib), gib <= 36 ? kTwoThirds : kThreeQuarters,
          gib <= 36 ? kMacSmallSource : kMacLargeSource, 0};
}

// A card offers what CUDA reports as its total capacity; 1 GiB of it stays
// free, the margin that llama.cpp keeps when it fits a model by itself
// (common.h, fit_params_target): the driver's context, the desktop.
constexpr std::string_view kCardWhy =
    "the card's capacity as CUDA reports it, less 1 GiB for the driver";
constexpr Machine Card(std::string_view name, uint64_t hundredths_of_gib,
                       std::string_view source) {
  const uint64_t bytes = hundredths_of_gib * kGiB / 100;
  return {name, bytes - kGiB, kCardWhy, source, bytes};
}

constexpr std::array kMachines = {
    Mac("macbook-8gb", 8),
    Mac("macbook-16gb", 16),
    Mac("macbook-18gb", 18),
    Mac("macbook-24gb", 24),
    Mac("macbook-32gb", 32),
    Mac("macbook-36gb", 36),
    Mac("macbook-48gb", 48),
    Mac("macbook-64gb", 64),
    Mac("macbook-96gb", 96),
    Mac("macbook-128gb", 128),
    Mac("mac-studio-192gb", 192),
    Mac("mac-studio-256gb", 256),
    Mac("mac-studio-512gb", 512),
    Card("rtx-3070", 778, "github.com/akshitac8/OW-DETR/issues/46"),
    Card("rtx-3080", 978, "github.com/zai-org/CogVideo/issues/34"),
    Card("rtx-4070-ti", 1173, "github.com/OpenLMLab/LOMO/issues/17"),
    Card("tesla-t4", 1456, "github.com/Zheng-Chong/CatVTON/issues/133"),
    Card("rtx-4090", 2364, "github.com/ali-vilab/VGen/issues/104"),
    Card("rtx-5090", 3151, "github.com/siliconflow/onediff/pull/1041"),
    Card("a100-40gb", 3950, "github.com/TianheWu/CoSeR/issues/10"),
    Card("l40s", 4453, "github.com/Wan-Video/Wan2.1/issues/205"),
    Card("a100-80gb", 7925, "github.com/levihsu/OOTDiffusion/issues/235"),
};

}  // namespace

std::span<const Machine> AllMachines() { return kMachines; }

MemoryBudget ParseMemory(std::string_view text) {
  for (const Machine& machine : kMachines) {
    if (machine.name == text) {
      return {machine.usable_bytes, std::string(machine.name), &machine};
    }
  }
  if (text.empty() || text.front() < '0' || text.front() > '9') {
    std::vector<std::string_view> names;
    for (const Machine& machine : kMachines) names.push_back(machine.name);
    Fail(ErrorKind::kUsage,
         "--memory: found '{}', expected a size such as 32GiB, or one of {}",
         text, fmt::join(names, ", "));
  }
  const uint64_t bytes = ParseByteSize(text);
  return {bytes, FormatByteSize(bytes), nullptr};
}

uint64_t VllmBytes(const MemoryBudget& budget) {
  if (budget.machine && budget.machine->cuda_bytes == 0) {
    Fail(ErrorKind::kUsage,
         "--memory: found {}, expected a size or a card for target vllm (vLLM "
         "is counted on CUDA alone)",
         budget.label);
  }
  const uint64_t device =
      budget.machine ? budget.machine->cuda_bytes : budget.bytes;
  // Without the overflow of device * 92.
  return device / 100 * 92 + device % 100 * 92 / 100;
}

}  // namespace ram
