#include "ram/export/gguf_metadata.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>

#include "ram/base/error.h"
#include "ram/checkpoint/architecture.h"
#include "ram/checkpoint/model_config.h"
#include "ram/export/gguf_hyperparameters.h"
#include "ram/target/gguf_names.h"
#include "ram/tokenizer/gguf_tokenizer_pairs.h"

namespace ram {
namespace {

// A name for people: where the model was loaded from when its config.json was
// written, else its architecture. Never where it lies now.
std::string NameOf(const Model& model) {
  const Json* const path = FindConfig(model.config, "_name_or_path");
  if (path && path->is_string()) {
    const auto text = path->get<std::string>();
    std::string last = text.substr(text.find_last_of("/\\") + 1);
    if (!last.empty()) return last;
  }
  return model.architecture;
}

// Whether the pair says how the source file was written, not what the model is.
bool IsOfTheFile(std::string_view key) {
  return key.starts_with("split.") || key == "general.alignment" ||
         key == "general.file_type" || key == "general.quantization_version";
}

bool HasPredictionLayers(const Model& model) {
  return std::find(model.sections.begin(), model.sections.end(),
                   Section::kMtp) != model.sections.end();
}

GgufPairs CarryOver(const Checkpoint& checkpoint, const GgufMetadata& metadata,
                    const GgufTargetFamily& family) {
  GgufPairs pairs;
  const std::map<std::string, GgufValue> sorted(metadata.values().begin(),
                                                metadata.values().end());
  const auto key = [&](std::string_view name) {
    return fmt::format("{}.{}", family.architecture, name);
  };
  const std::string latent = key("attention.key_length_mla");
  if (family.architecture == "deepseek2" && !metadata.Has(latent)) {
    Fail(ErrorKind::kUnsupported,
         "{}: {}: found nothing, expected the width of a head (the file is "
         "older than llama.cpp's two halves of kv_b_proj)",
         metadata.source(), latent);
  }
  // Layers for multi-token prediction are dropped.
  const bool fewer = HasPredictionLayers(checkpoint.model());
  for (const auto& [name, value] : sorted) {
    if (IsOfTheFile(name)) continue;
    if (fewer && name == key("nextn_predict_layers")) continue;
    if (fewer && name == key("block_count")) {
      const uint64_t layers = *metadata.Uint(name);
      const uint64_t extra =
          metadata.Uint(key("nextn_predict_layers")).value_or(0);
      pairs.AddU32(name, static_cast<uint32_t>(layers - extra));
      continue;
    }
    pairs.AddValue(name, value);
  }
  return pairs;
}

}  // namespace

GgufPairs MakeGgufMetadata(const Checkpoint& checkpoint) {
  const Model& model = checkpoint.model();
  const GgufTargetFamily& family = FindGgufTargetFamily(model);
  const File& first = checkpoint.file(checkpoint.weight_files().front());
  if (IsGguf(first)) {
    return CarryOver(checkpoint, ReadGgufHeader(first).metadata, family);
  }
  const std::string source = checkpoint.path().string();
  GgufPairs pairs;
  pairs.AddText("general.architecture", family.architecture);
  pairs.AddText("general.type", "model");
  pairs.AddText("general.name", NameOf(model));
  pairs.Append(GgufHyperparameters(model, family, source));
  const ModelConfig config(
      model.config, *FindArchitecture(model.model_type, model.architecture),
      source);
  pairs.Append(GgufTokenizerPairs(checkpoint.path(), config.Get("vocab_size")));
  return pairs;
}

TargetLayout DescribeOutput(const Checkpoint& checkpoint,
                            const Target& target) {
  TargetLayout layout = target.Describe(checkpoint.model());
  if (target.format() == OutputFormat::kGguf) {
    const GgufPairs pairs = MakeGgufMetadata(checkpoint);
    layout.metadata = pairs.bytes();
    layout.metadata_bytes = pairs.bytes().size();
    layout.metadata_pairs = pairs.count();
  }
  return layout;
}

}  // namespace ram
