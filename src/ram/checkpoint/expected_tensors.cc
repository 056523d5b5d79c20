#include "ram/checkpoint/expected_tensors.h"

#include <string>
#include <string_view>

#include "ram/base/error.h"
#include "ram/checkpoint/architecture.h"
#include "ram/checkpoint/model_config.h"

namespace ram {
namespace {

constexpr std::string_view kSource = "model";

std::string ConfigText(const Json& config, const char* key) {
  const Json* value = FindConfig(config, key);
  return value && value->is_string() ? value->get<std::string>() : "";
}

DType StoredType(const Json& config) {
  std::string name = ConfigText(config, "torch_dtype");
  if (name.empty()) name = ConfigText(config, "dtype");
  if (name.empty() || name == "bfloat16") return DType::kBF16;
  if (name == "float16") return DType::kF16;
  if (name == "float32") return DType::kF32;
  Fail(ErrorKind::kUnsupported,
       "{}/config.json: torch_dtype: found {}, expected bfloat16, float16 or "
       "float32",
       kSource, name);
}

class Lister {
 public:
  Lister(const ModelConfig& config, DType dtype)
      : config_(config), dtype_(dtype) {}

  void Add(const std::string& prefix, const std::vector<TensorPattern>& list,
           uint32_t traits) {
    for (const TensorPattern& pattern : list) AddOne(prefix, pattern, traits);
  }

  std::vector<TensorInfo> Take() { return std::move(tensors_); }

 private:
  void AddOne(const std::string& prefix, const TensorPattern& pattern,
              uint32_t traits) {
    // kOptional is no layer's trait, so alternatives are left out.
    if ((traits & pattern.when) != pattern.when) return;
    TensorInfo tensor;
    tensor.dtype = dtype_;
    tensor.shape = config_.Shape(pattern);
    const size_t star = pattern.path.find('*');
    if (star == pattern.path.npos) {
      tensor.name = prefix + std::string(pattern.path);
      tensors_.push_back(tensor);
      return;
    }
    for (uint64_t expert = 0; expert < config_.experts(); ++expert) {
      tensor.name =
          fmt::format("{}{}{}{}", prefix, pattern.path.substr(0, star), expert,
                      pattern.path.substr(star + 1));
      tensors_.push_back(tensor);
    }
  }

  const ModelConfig& config_;
  DType dtype_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace

std::vector<TensorInfo> ExpectedTensors(const Json& config) {
  const std::string type = ConfigText(config, "model_type");
  const Architecture* architecture = FindArchitecture(type, "");
  if (!architecture) {
    Fail(ErrorKind::kUnsupported,
         "{}/config.json: model_type: found '{}', expected a known "
         "architecture",
         kSource, type);
  }
  const ModelConfig read(config, *architecture, kSource);
  const std::string prefix(architecture->prefix);
  Lister lister(read, StoredType(config));
  lister.Add(prefix, architecture->model_patterns, kAnyLayer);
  for (uint64_t layer = 0; layer < read.layers(); ++layer) {
    lister.Add(fmt::format("{}{}.{}.", prefix, architecture->layers, layer),
               architecture->layer_patterns, read.Traits(layer));
  }
  if (!read.Flag("tie_word_embeddings") && !architecture->always_tied) {
    lister.Add(std::string(architecture->head_prefix),
               architecture->head_patterns, kAnyLayer);
  }
  const bool apart = !architecture->mtp_patterns.empty();
  for (uint64_t i = 0; i < read.mtp_layers(); ++i) {
    const uint64_t layer = read.layers() + i;
    lister.Add(
        apart ? fmt::format("mtp.layers.{}.", i)
              : fmt::format("{}{}.{}.", prefix, architecture->layers, layer),
        architecture->layer_patterns, read.Traits(layer));
  }
  if (read.mtp_layers() > 0) {
    lister.Add("mtp.", architecture->mtp_patterns, kAnyLayer);
  }
  return lister.Take();
}

}  // namespace ram
