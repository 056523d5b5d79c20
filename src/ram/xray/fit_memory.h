// What a runtime needs beside the weights, item by item. Every item says
// whether it is exact and where its formula comes from; docs/fit.md shows how
// they compare with what the runtimes print.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ram/xray/fit_shape.h"

namespace ram {

enum class FitRuntime : uint8_t {
  kMlx,       // mlx-lm
  kLlamaCpp,  // llama.cpp
  kVllm,      // vLLM, one GPU
  kRam,       // `ram generate`
};
std::string_view FitRuntimeName(FitRuntime runtime);
// That of a target's outputs: mlx, gguf, vllm or native. Throws kUsage for
// others.
FitRuntime RuntimeOfTarget(std::string_view target);

enum class CacheType : uint8_t { kF32, kF16, kQ8, kF8 };
std::string_view CacheTypeName(CacheType type);
// "f32", "f16" (also "bf16"), "q8_0", "fp8". Throws kUsage.
CacheType ParseCacheType(std::string_view name);
// What the runtime takes when nobody says: f32 for ram, else f16.
CacheType DefaultCacheType(FitRuntime runtime);

struct FitUse {
  FitRuntime runtime = FitRuntime::kMlx;
  uint64_t context = 0;  // tokens of each text, prompt and answer together
  uint64_t batch = 1;    // texts at once
  CacheType cache = CacheType::kF16;
};

struct MemoryItem {
  std::string name;
  uint64_t bytes = 0;
  bool exact = false;  // else an estimate
  std::string source;  // in words
};

// The cache and everything else but the weights. Throws kUnsupported for a
// cache type that the runtime cannot use with this model, kUsage for a context
// or batch of 0 or so large that bytes overflow.
std::vector<MemoryItem> RuntimeMemory(const FitShape& shape, const FitUse& use);
uint64_t TotalBytes(const std::vector<MemoryItem>& items);

}  // namespace ram
