#include "ram/xray/fit_memory.h"

#include <algorithm>

#include "ram/base/error.h"

namespace ram {
namespace {

// Room is given out for this many tokens at a time, by vLLM for fewer
// (CacheConfig.block_size).
constexpr uint64_t kCells = 256;
constexpr uint64_t kVllmBlock = 16;
// Tokens of a prompt that are read at once, by default: mlx-lm's
// prefill_step_size, llama.cpp's n_ubatch, kPromptRows of ram's generator.
constexpr uint64_t kMlxChunk = 2048;
constexpr uint64_t kLlamaChunk = 512;
constexpr uint64_t kRamChunk = 256;
// vLLM's max_num_batched_tokens (its server on cards below 70 GiB: 2048) and
// max_num_seqs.
constexpr uint64_t kVllmChunk = 8192;
constexpr uint64_t kVllmTexts = 256;
// Bytes per entry of the vocabulary and text while vLLM samples: ten float32,
// which make 1.22 of the 1.26 GiB that it printed for Llama 3 8B.
constexpr uint64_t kVllmSampling = 40;
// About the most that vLLM was seen to print: 0.73 and 0.39 GiB (docs/fit.md).
constexpr uint64_t kVllmGraphs = uint64_t{768} << 20;
constexpr uint64_t kVllmOutside = uint64_t{400} << 20;

uint64_t RoundUp(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

// `elements` of the cache: q8_0 holds 32 in 34 bytes; MLX's 8 bits in groups of
// 64 with two 16-bit numbers come to the same.
uint64_t CacheBytes(uint64_t elements, CacheType type) {
  switch (type) {
    case CacheType::kF32:
      return elements * 4;
    case CacheType::kF16:
      return elements * 2;
    case CacheType::kF8:
      return elements;
    case CacheType::kQ8:
      break;
  }
  return elements / 32 * 34;
}

class MemoryOf {
 public:
  MemoryOf(const FitShape& shape, const FitUse& use)
      : shape_(shape), use_(use) {}

  std::vector<MemoryItem> Items() {
    CheckSize();
    CheckCache();
    switch (use_.runtime) {
      case FitRuntime::kMlx:
        Mlx();
        break;
      case FitRuntime::kLlamaCpp:
        LlamaCpp();
        break;
      case FitRuntime::kVllm:
        Vllm();
        break;
      case FitRuntime::kRam:
        Ram();
        break;
    }
    return std::move(items_);
  }

 private:
  void Add(std::string name, uint64_t bytes, bool exact, std::string source) {
    if (bytes == 0) return;
    items_.push_back({std::move(name), bytes, exact, std::move(source)});
  }

  bool windows() const {
    return std::any_of(shape_.layers.begin(), shape_.layers.end(),
                       [&](const LayerCache& c) { return Window(c) > 0; });
  }

  // A bound on every sum below, so that none overflows.
  void CheckSize() const {
    double widths = 0;
    for (const LayerCache& layer : shape_.layers) {
      widths += static_cast<double>(layer.keys) +
                static_cast<double>(layer.values) +
                static_cast<double>(layer.convolution) +
                static_cast<double>(layer.state);
    }
    for (const uint64_t width :
         {shape_.vocabulary, shape_.hidden, shape_.query, shape_.feed_forward,
          shape_.nope_dim, shape_.value_dim}) {
      widths += static_cast<double>(width);
    }
    widths += static_cast<double>(shape_.experts_per_token) *
              (static_cast<double>(shape_.expert_feed_forward) +
               static_cast<double>(shape_.hidden));
    widths += static_cast<double>(shape_.heads) *
              (static_cast<double>(kMlxChunk + shape_.nope_dim) +
               static_cast<double>(shape_.value_dim));
    const double tokens = std::max(
        static_cast<double>(kVllmTexts),
        static_cast<double>(use_.context) * static_cast<double>(use_.batch));
    if (tokens * widths < 0x1p58) return;
    Fail(ErrorKind::kUnsupported,
         "--context {} --batch {}: found widths of {:.3g} numbers per token, "
         "expected fewer (their bytes do not fit 64 bits)",
         use_.context, use_.batch, widths);
  }

  // The window that the runtime makes use of; 0 where it keeps every token.
  uint64_t Window(const LayerCache& layer) const {
    if (use_.runtime == FitRuntime::kRam) return 0;
    if (shape_.family == "Gemma-3") return layer.window;
    const bool reads_them =
        use_.runtime != FitRuntime::kLlamaCpp && shape_.config_windows &&
        (shape_.family == "Llama" || shape_.family == "Mistral");
    return reads_them ? layer.window : 0;
  }

  void CheckCache() const {
    const auto refuse = [&](std::string_view why) {
      Fail(ErrorKind::kUnsupported, "--kv {}: found {}, {}",
           CacheTypeName(use_.cache), FitRuntimeName(use_.runtime), why);
    };
    if (use_.runtime == FitRuntime::kRam && use_.cache != CacheType::kF32) {
      refuse("which keeps keys and values in float32 (--kv f32)");
    }
    const bool sixteen = use_.cache == CacheType::kF16;
    if (use_.runtime == FitRuntime::kVllm && !sixteen &&
        use_.cache != CacheType::kF8) {
      refuse("which keeps keys and values in f16 or fp8");
    }
    if (use_.runtime != FitRuntime::kVllm && use_.cache == CacheType::kF8) {
      refuse("expected vLLM, which alone has that (--target vllm)");
    }
    if (use_.cache != CacheType::kQ8) return;
    if (use_.runtime == FitRuntime::kMlx && (shape_.latent || windows())) {
      refuse(
          "which cannot quantise the cache of latent attention or of sliding "
          "windows, expected f16");
    }
    // llama.cpp's blocks lie along a row, MLX's groups along a head.
    for (const LayerCache& layer : shape_.layers) {
      const bool divides = use_.runtime == FitRuntime::kMlx
                               ? shape_.head_dim % 64 == 0
                               : layer.keys % 32 == 0 && layer.values % 32 == 0;
      if (!divides) refuse("and a width that does not divide into its groups");
    }
  }

  // Tokens that one text's cache of a layer holds.
  uint64_t Cells(const LayerCache& layer) const {
    const uint64_t step =
        use_.runtime == FitRuntime::kVllm ? kVllmBlock : kCells;
    const uint64_t all = RoundUp(use_.context, step);
    const uint64_t window = Window(layer);
    if (window == 0) return all;
    if (use_.runtime == FitRuntime::kVllm) {
      // A window may begin within a block.
      const uint64_t seen = std::min(use_.context, window - 1 + kVllmChunk);
      return RoundUp(seen, kVllmBlock) + kVllmBlock;
    }
    if (use_.runtime == FitRuntime::kLlamaCpp) {
      return RoundUp(std::min(all, window + kLlamaChunk), kCells);
    }
    // mlx-lm keeps the window and what is left of a chunk of the prompt.
    const uint64_t chunk = std::min(use_.context, kMlxChunk);
    return std::min(all, window + chunk - 1);
  }

  uint64_t LayerBytes(const LayerCache& layer) const {
    const uint64_t rows = use_.batch * Cells(layer);
    return CacheBytes(rows * layer.keys, use_.cache) +
           CacheBytes(rows * layer.values, use_.cache);
  }

  void Cache(bool exact, std::string source) {
    uint64_t bytes = 0;
    for (const LayerCache& layer : shape_.layers) bytes += LayerBytes(layer);
    std::string name = shape_.latent ? "compressed KV cache" : "KV cache";
    Add(name + ", " + std::string(CacheTypeName(use_.cache)), bytes, exact,
        std::move(source));
  }

  void LinearState(uint64_t convolution_bytes, bool exact, std::string source) {
    uint64_t bytes = 0;
    for (const LayerCache& layer : shape_.layers) {
      bytes += layer.convolution * convolution_bytes + layer.state * 4;
    }
    Add("linear attention's state", use_.batch * bytes, exact,
        std::move(source));
  }

  // Elements that the feed-forward of a token holds at once, and those of the
  // attention.
  uint64_t FeedForward() const {
    return std::max(3 * shape_.feed_forward, ExpertElements());
  }
  uint64_t ExpertElements() const {
    if (shape_.expert_feed_forward == 0) return 0;
    return shape_.experts_per_token *
           (3 * shape_.expert_feed_forward + 2 * shape_.hidden);
  }

  void LlamaCpp() {
    Cache(true,
          "llama.cpp: cells rounded up to 256 (a window: its tokens and one "
          "batch) x key and value widths, per text");
    LinearState(4, true, "llama.cpp: recurrent state, float32");
    const uint64_t rows = std::min(kLlamaChunk, use_.context);
    const uint64_t mask = RoundUp(use_.context, kCells) * rows * 2;
    const uint64_t layers =
        mask + rows * 4 * (4 * shape_.hidden + FeedForward());
    const uint64_t head = rows * 4 * (shape_.vocabulary + 2 * shape_.hidden);
    Add("compute buffer", std::max(layers, head), false,
        "llama.cpp: 512 tokens at once, the larger of logits (vocabulary + 2 "
        "hidden, float32) and of a layer with its mask; flash attention");
    Add("output buffer", use_.batch * shape_.vocabulary * 4, true,
        "llama.cpp: float32 logits, a row per text");
  }

  void Mlx() {
    Cache(!windows(),
          "mlx-lm: room in steps of 256 tokens x key and value widths, 16 bits "
          "(or 8 with scales); a window as long as itself and a chunk");
    LinearState(2, true,
                "mlx-lm: convolution inputs in 16 bits, state in float32");
    uint64_t largest = 0;
    for (const LayerCache& layer : shape_.layers) {
      largest = std::max(largest, LayerBytes(layer));
    }
    Add("growing the cache", largest, false,
        "mlx-lm: a second copy of the largest layer's cache while it grows");
    const uint64_t rows = use_.batch * std::min(kMlxChunk, use_.context);
    Add("prompt activations",
        rows * 2 *
            (2 * shape_.hidden + std::max(2 * shape_.query, FeedForward())),
        false, "mlx-lm: 2048 tokens of the prompt at once, 16 bits");
    Add("attention scores", MlxScores(rows), false,
        shape_.latent
            ? "mlx-lm: latent attention writes out the scores of 2048 tokens "
              "twice, and the keys and values of every head"
            : "mlx-lm: no fused kernel for this width of a head, so the scores "
              "of 2048 tokens are written out");
    Add("logits", use_.batch * shape_.vocabulary * 8, false,
        "mlx-lm: of the last token, 16 bits and float32 for sampling");
  }

  void Vllm() {
    const bool linear =
        std::any_of(shape_.layers.begin(), shape_.layers.end(),
                    [](const LayerCache& c) { return c.convolution > 0; });
    Cache(
        !windows() && !linear,
        "vLLM: blocks of 16 tokens x key and value widths, per text; a window "
        "as long as itself and a chunk of the prompt");
    LinearState(2, false,
                "vLLM: convolution inputs in 16 bits, state in float32");
    const uint64_t rows = std::min(kVllmChunk, use_.batch * use_.context);
    const uint64_t layer =
        rows * 2 *
        (2 * shape_.hidden + std::max(2 * shape_.query, FeedForward()));
    const uint64_t texts = std::max(kVllmTexts, use_.batch);
    Add("activations",
        std::max(layer, texts * shape_.vocabulary * kVllmSampling), false,
        "vLLM: its profiling run, the larger of 8192 tokens in a layer, 16 "
        "bits, and of sampling for 256 texts (10 x vocabulary, float32)");
    Add("CUDA graphs", kVllmGraphs, false,
        "vLLM: printed from 0.13 to 0.73 GiB; none with --enforce-eager");
    Add("outside PyTorch", kVllmOutside, false,
        "vLLM: printed from 0.15 to 0.39 GiB");
  }

  uint64_t MlxScores(uint64_t rows) const {
    const uint64_t scores = rows * shape_.heads * use_.context * 2;
    if (shape_.latent) {
      return 2 * scores + use_.batch * use_.context * shape_.heads * 2 *
                              (shape_.nope_dim + shape_.value_dim);
    }
    const bool fused = shape_.head_dim == 64 || shape_.head_dim == 80 ||
                       shape_.head_dim == 128;
    return fused ? 0 : scores;
  }

  void Ram() {
    Cache(true, "ram generate: blocks of 256 tokens, float32");
    const uint64_t rows = std::min(kRamChunk, use_.context);
    Add("activations",
        rows * 4 *
            (4 * shape_.hidden + std::max(2 * shape_.query, FeedForward())),
        false, "ram generate: 256 tokens of the prompt at once, float32");
    Add("logits", use_.batch * shape_.vocabulary * 4, true,
        "ram generate: float32, a row per text");
  }

  const FitShape& shape_;
  const FitUse& use_;
  std::vector<MemoryItem> items_;
};

}  // namespace

std::string_view FitRuntimeName(FitRuntime runtime) {
  switch (runtime) {
    case FitRuntime::kMlx:
      return "mlx-lm";
    case FitRuntime::kLlamaCpp:
      return "llama.cpp";
    case FitRuntime::kVllm:
      return "vLLM";
    case FitRuntime::kRam:
      break;
  }
  return "ram generate";
}

FitRuntime RuntimeOfTarget(std::string_view target) {
  if (target == "mlx") return FitRuntime::kMlx;
  if (target == "gguf") return FitRuntime::kLlamaCpp;
  if (target == "vllm") return FitRuntime::kVllm;
  if (target == "native") return FitRuntime::kRam;
  Fail(ErrorKind::kUsage,
       "--target: found '{}', expected mlx, gguf, vllm or native (what other "
       "runtimes take is not modelled)",
       target);
}

std::string_view CacheTypeName(CacheType type) {
  switch (type) {
    case CacheType::kF32:
      return "f32";
    case CacheType::kF16:
      return "f16";
    case CacheType::kF8:
      return "fp8";
    case CacheType::kQ8:
      break;
  }
  return "q8_0";
}

CacheType ParseCacheType(std::string_view name) {
  if (name == "f32") return CacheType::kF32;
  if (name == "f16" || name == "bf16") return CacheType::kF16;
  if (name == "q8_0") return CacheType::kQ8;
  if (name == "fp8") return CacheType::kF8;
  Fail(ErrorKind::kUsage, "--kv: found '{}', expected f32, f16, q8_0 or fp8",
       name);
}

CacheType DefaultCacheType(FitRuntime runtime) {
  return runtime == FitRuntime::kRam ? CacheType::kF32 : CacheType::kF16;
}

std::vector<MemoryItem> RuntimeMemory(const FitShape& shape,
                                      const FitUse& use) {
  constexpr uint64_t kMostTokens = uint64_t{1} << 30;
  constexpr uint64_t kMostTexts = uint64_t{1} << 16;
  if (use.context == 0 || use.context > kMostTokens) {
    Fail(ErrorKind::kUsage, "--context: found {}, expected 1 to {} tokens",
         use.context, kMostTokens);
  }
  if (use.batch == 0 || use.batch > kMostTexts) {
    Fail(ErrorKind::kUsage, "--batch: found {}, expected 1 to {} texts",
         use.batch, kMostTexts);
  }
  return MemoryOf(shape, use).Items();
}

uint64_t TotalBytes(const std::vector<MemoryItem>& items) {
  uint64_t bytes = 0;
  for (const MemoryItem& item : items) bytes += item.bytes;
  return bytes;
}

}  // namespace ram
