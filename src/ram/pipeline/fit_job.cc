#include "ram/pipeline/fit_job.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/checkpoint/expected_tensors.h"
#include "ram/pipeline/compress_job.h"
#include "ram/xray/fit_machines.h"

namespace ram {
namespace {

namespace fs = std::filesystem;

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// What there is to know of a model, from whatever stands for it.
struct Known {
  Manifest manifest;
  std::optional<StoredSize> stored;
  bool gguf = false;
  std::optional<std::string> note;
};

Known FromCheckpoint(const fs::path& path) {
  const Checkpoint checkpoint = Checkpoint::Open(path);
  Known known;
  known.manifest = ManifestOfShapes(checkpoint);
  StoredSize stored;
  stored.weights = checkpoint.model().weights();
  for (const std::string& name : checkpoint.weight_files()) {
    stored.bytes += checkpoint.file(name).size_bytes();
    known.gguf |= name.ends_with(".gguf");
  }
  known.stored = stored;
  return known;
}

// The bytes that the index of the absent shards says they have.
std::optional<uint64_t> BytesByIndex(const fs::path& directory) {
  const fs::path path = directory / "model.safetensors.index.json";
  if (!Exists(path)) return std::nullopt;
  const Json index = ReadJsonFile(path.string());
  const auto metadata = index.find("metadata");
  if (metadata == index.end() || !metadata->is_object()) return std::nullopt;
  const auto total = metadata->find("total_size");
  return total == metadata->end() ? std::nullopt : AsUint64(*total);
}

Known FromConfig(const fs::path& directory) {
  Known known;
  Json config = ReadJsonFile((directory / "config.json").string());
  std::vector<TensorInfo> tensors = ExpectedTensors(config);
  known.manifest.model =
      DescribeModel(std::move(config), std::move(tensors), directory.string());
  for (const Matrix& matrix : known.manifest.model.matrices) {
    MatrixRecord record;
    record.name = matrix.name;
    known.manifest.matrices.push_back(std::move(record));
  }
  if (const auto bytes = BytesByIndex(directory)) {
    known.stored = StoredSize{*bytes, known.manifest.model.weights()};
  }
  known.note =
      "found config.json and no weights: sizes are those of the tensors that "
      "the architecture has";
  return known;
}

bool HasWeights(const fs::path& directory) {
  constexpr std::array<std::string_view, 6> kEndings = {
      ".safetensors", ".gguf", ".bin", ".pth", ".pt", ".npz"};
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end;
       !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (std::any_of(kEndings.begin(), kEndings.end(),
                    [&](std::string_view e) { return name.ends_with(e); })) {
      return true;
    }
  }
  return false;
}

Known Look(const fs::path& path) {
  std::error_code ignored;
  if (path.extension() == ".json") {
    Known known;
    known.manifest = ReadManifest(path);
    return known;
  }
  if (fs::is_directory(path, ignored)) {
    if (Exists(path / "manifest.json") && !Exists(path / "config.json")) {
      return Look(path / "manifest.json");
    }
    if (Exists(path / "config.json") && !HasWeights(path)) {
      return FromConfig(path);
    }
  }
  return FromCheckpoint(path);
}

}  // namespace

FitReport RunFit(const fs::path& path, const FitJobOptions& options) {
  const MemoryBudget memory = ParseMemory(options.memory);
  const Known known = Look(path);
  const std::string target = !options.target.empty() ? options.target
                             : known.gguf            ? "gguf"
                                                     : "mlx";
  FitUse use;
  use.runtime = RuntimeOfTarget(target);
  use.context = options.context;
  use.batch = options.batch;
  use.cache = options.cache.empty() ? DefaultCacheType(use.runtime)
                                    : ParseCacheType(options.cache);
  const bool vllm = use.runtime == FitRuntime::kVllm;
  // Codes lose by being rounded again, so a quantised file is taken as it is
  // unless another runtime is asked for.
  const bool as_it_is = known.gguf && options.target.empty();
  const FitInput input{.model = path.string(),
                       .manifest = known.manifest,
                       .target = as_it_is ? nullptr : &FindTarget(target),
                       .stored = known.stored,
                       .use = use,
                       .memory_bytes = vllm ? VllmBytes(memory) : memory.bytes};
  FitReport report = Fit(input);
  report.memory_label = memory.label;
  if (memory.machine) report.memory_why = memory.machine->why;
  if (vllm) {
    report.memory_why =
        "92 % of the card, vLLM's gpu_memory_utilization by default";
    report.notes.emplace_back(
        "vLLM was not run: its figures come from its source and from what it "
        "printed elsewhere; serve with --max-model-len set to the context");
  }
  if (known.note) report.notes.push_back(*known.note);
  return report;
}

}  // namespace ram
