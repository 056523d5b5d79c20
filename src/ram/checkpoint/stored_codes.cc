#include "ram/checkpoint/stored_codes.h"

#include <algorithm>

#include "ram/base/checked.h"
#include "ram/base/error.h"
#include "ram/checkpoint/model_config.h"
#include "ram/checkpoint/packed_ints.h"
#include "ram/checkpoint/tensor_name.h"
#include "ram/tensor/shape_text.h"

namespace ram {
namespace {

constexpr std::string_view kScales = ".scales";
constexpr std::string_view kBiases = ".biases";

[[noreturn]] void Refuse(std::string_view where, std::string_view found) {
  Fail(ErrorKind::kUnsupported,
       "{}: found {}, expected float weights, FP8 with block scales, or affine "
       "codes that config.json describes (start from the checkpoint this one "
       "was made from)",
       where, found);
}

// By the names of GPTQ, AWQ, compressed-tensors and MLX.
bool IsUnpaired(std::string_view name, const TensorTable& table,
                const std::vector<TensorInfo>& tensors) {
  if (name.ends_with(".qweight") || name.ends_with(".weight_packed")) {
    return true;
  }
  for (std::string_view suffix : {kScales, std::string_view(".weight_scale")}) {
    if (!name.ends_with(suffix)) continue;
    name.remove_suffix(suffix.size());
    const auto weight = table.find(fmt::format("{}{}", name, kWeightSuffix));
    if (weight == table.end()) return false;
    const TensorInfo& tensor = tensors[weight->second];
    return !IsWeightDType(tensor.dtype) || tensor.dtype == DType::kF8E4M3;
  }
  return false;
}

class Pairer {
 public:
  Pairer(const TensorTable& table, std::string_view source, Model& model)
      : table_(table),
        source_(source),
        model_(model),
        config_(FindConfig(model.config, "quantization")) {}

  void Run() {
    for (uint32_t i = 0; i < model_.tensors.size(); ++i) {
      std::string_view name = model_.tensors[i].name;
      if (!name.ends_with(kWeightSuffix)) continue;
      name.remove_suffix(kWeightSuffix.size());
      const Storage::Kind kind = model_.tensors[i].storage.kind;
      if (kind == Storage::Kind::kAffine) {
        if (model_.tensors[i].storage.scheme.kind == SchemeKind::kInt) continue;
        PairAgain(std::string(name), i);
      } else if (kind == Storage::Kind::kDense && config_) {
        Pair(std::string(name), i);
      }
    }
  }

 private:
  int64_t Find(const std::string& module, std::string_view suffix) const {
    const auto found = table_.find(fmt::format("{}{}", module, suffix));
    return found == table_.end() ? -1 : int64_t{found->second};
  }

  // Where config.json speaks of the module.
  std::string Where(const std::string& module) const {
    return fmt::format("{}/config.json: quantization.{}", source_, module);
  }

  Scheme ParseEntry(const Json& entry, const std::string& where) const {
    const auto number = [&](const char* key) {
      const auto found = entry.find(key);
      return found == entry.end() ? uint64_t{0} : AsUint64(*found).value_or(0);
    };
    const uint64_t bits = number("bits");
    const uint64_t group_size = number("group_size");
    if (bits <= 8 && group_size <= 128) {
      const Scheme scheme =
          Affine(static_cast<int>(bits), static_cast<int>(group_size));
      if (AffineSchemeIndex(scheme) >= 0) return scheme;
    }
    Fail(ErrorKind::kUnsupported,
         "{}: found bits {} and group_size {}, expected 2, 3, 4, 5, 6 or 8 "
         "bits in groups of 32, 64 or 128",
         where, bits, group_size);
  }

  // What config.json says of the module; nullopt for not quantized.
  std::optional<Scheme> Configured(const std::string& module,
                                   bool has_scales) const {
    const auto listed = config_->find(module);
    if (listed != config_->end() && listed->is_object()) {
      return ParseEntry(*listed, Where(module));
    }
    if (listed != config_->end() && listed->is_boolean() ? listed->get<bool>()
                                                         : has_scales) {
      return ParseEntry(*config_,
                        fmt::format("{}/config.json: quantization", source_));
    }
    return std::nullopt;
  }

  void Pair(const std::string& module, uint32_t weight) {
    const int64_t scales = Find(module, kScales);
    const auto scheme = Configured(module, scales >= 0);
    TensorInfo& tensor = model_.tensors[weight];
    if (!scheme) {
      if (tensor.dtype == DType::kU32) {
        FailModule(module, weight, "no scheme for it",
                   "its bits and group size, or float weights");
      }
      return;
    }
    if (tensor.dtype != DType::kU32) {
      FailModule(module, weight, SchemeLabel(*scheme), "codes of type U32");
    }
    Attach(module, *scheme, weight);
    tensor.shape = LogicalShape(module, *scheme, weight);
    tensor.dtype = model_.tensors[static_cast<size_t>(scales)].dtype;
  }

  [[noreturn]] void FailModule(const std::string& module, uint32_t weight,
                               std::string_view found,
                               std::string_view expected) const {
    const TensorInfo& tensor = model_.tensors[weight];
    Fail(ErrorKind::kCorrupt, "{}: found {}, but {} is {} {} (expected {})",
         Where(module), found, tensor.name, DTypeName(tensor.dtype),
         ShapeText(tensor.shape), expected);
  }

  // Scales and biases, which must both be there.
  void Attach(const std::string& module, const Scheme& scheme,
              uint32_t weight) {
    Storage& storage = model_.tensors[weight].storage;
    storage = {Storage::Kind::kAffine, scheme, Find(module, kScales),
               Find(module, kBiases)};
    for (const auto& [index, suffix] :
         {std::pair(storage.scales, kScales), {storage.biases, kBiases}}) {
      if (index < 0) {
        Fail(ErrorKind::kCorrupt,
             "{}: {}{}: found nothing, expected this tensor ({}{} holds "
             "{} codes)",
             source_, module, suffix, module, kWeightSuffix,
             SchemeLabel(scheme));
      }
      model_.uses[static_cast<size_t>(index)] = TensorUse::kScale;
    }
  }

  std::vector<uint64_t> LogicalShape(const std::string& module,
                                     const Scheme& scheme,
                                     uint32_t weight) const {
    const TensorInfo& codes = model_.tensors[weight];
    const auto at = [&](int64_t index) -> const TensorInfo& {
      return model_.tensors[static_cast<size_t>(index)];
    };
    const TensorInfo& scales = at(codes.storage.scales);
    const TensorInfo& biases = at(codes.storage.biases);
    for (const TensorInfo* tensor : {&scales, &biases}) {
      if (tensor->dtype != DType::kBF16 && tensor->dtype != DType::kF16) {
        Fail(ErrorKind::kUnsupported, "{}: {}: found {}, expected BF16 or F16",
             source_, tensor->name, DTypeName(tensor->dtype));
      }
    }
    if (biases.shape != scales.shape || biases.dtype != scales.dtype) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found {} {}, expected {} {} as {}",
           source_, biases.name, DTypeName(biases.dtype),
           ShapeText(biases.shape), DTypeName(scales.dtype),
           ShapeText(scales.shape), scales.name);
    }
    std::vector<uint64_t> shape = codes.shape;
    const auto code_bits =
        shape.size() < 2 ? std::nullopt : CheckedMul(shape.back(), 32);
    const uint64_t bits = static_cast<uint64_t>(scheme.bits);
    const bool whole = code_bits && *code_bits % bits == 0;
    if (whole) shape.back() = *code_bits / bits;
    std::vector<uint64_t> groups = shape;
    if (whole) groups.back() /= static_cast<uint64_t>(scheme.group_size);
    if (!whole || !SchemeFits(scheme, shape.back()) || scales.shape != groups ||
        !CheckedProduct(shape)) {
      FailModule(module, weight, SchemeLabel(scheme),
                 fmt::format("a scheme with bits x group size = 32 x columns "
                             "of codes / columns of {} {}",
                             scales.name, ShapeText(scales.shape)));
    }
    return shape;
  }

  // A tensor that was paired before: the manifest vouches for its shape only.
  void PairAgain(const std::string& module, uint32_t weight) {
    const TensorInfo& tensor = model_.tensors[weight];
    const Scheme scheme = tensor.storage.scheme;
    if (AffineSchemeIndex(scheme) < 0 || tensor.shape.empty() ||
        !SchemeFits(scheme, tensor.shape.back())) {
      FailModule(module, weight, SchemeLabel(scheme),
                 "a scheme that fits its rows");
    }
    Attach(module, scheme, weight);
  }

  const TensorTable& table_;
  std::string_view source_;
  Model& model_;
  const Json* config_;
};

void CheckMode(const Json& entry, const std::string& where) {
  const std::string mode = TextOf(entry, "mode");
  if (mode.empty() || mode == "affine") return;
  Refuse(where, fmt::format("mode '{}'", mode));
}

// That config.json asks for nothing else than FP8, packed integers or affine
// codes.
void CheckConfig(const Json& config, const std::string& file) {
  const Json* codes = FindConfig(config, "quantization");
  const Json* method = FindConfig(config, "quantization_config");
  if (codes && !codes->is_object()) {
    Fail(ErrorKind::kCorrupt, "{}: quantization: found {}, expected an object",
         file, codes->type_name());
  }
  if (method) {
    // MLX writes its own object a second time under this name.
    const std::string name =
        method->is_object() ? TextOf(*method, "quant_method") : "";
    if (name != "fp8" && !(codes && name.empty()) &&
        !IsCompressedTensors(config)) {
      Refuse(file + ": quantization_config",
             fmt::format("quant_method '{}'", name));
    }
  }
  if (!codes) return;
  if (const std::string name = TextOf(*codes, "quant_method"); !name.empty()) {
    Refuse(file + ": quantization", fmt::format("quant_method '{}'", name));
  }
  CheckMode(*codes, file + ": quantization");
  for (const auto& [module, entry] : codes->items()) {
    if (entry.is_object()) {
      CheckMode(entry, fmt::format("{}: quantization.{}", file, module));
    }
  }
}

}  // namespace

void PairStoredCodes(const TensorTable& table, std::string_view source,
                     Model& model) {
  CheckConfig(model.config, fmt::format("{}/config.json", source));
  Pairer(table, source, model).Run();
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    const TensorInfo& tensor = model.tensors[i];
    if (model.uses[i] != TensorUse::kScale &&
        IsUnpaired(tensor.name, table, model.tensors)) {
      Refuse(fmt::format("{}: {}", source, tensor.name),
             "the codes or scales of a quantized weight");
    }
  }
}

}  // namespace ram
