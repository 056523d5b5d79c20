#include "ram/checkpoint/packed_ints.h"

#include <algorithm>
#include <unordered_map>

#include "ram/base/checked.h"
#include "ram/base/error.h"
#include "ram/checkpoint/model_config.h"
#include "ram/checkpoint/tensor_name.h"
#include "ram/tensor/shape_text.h"

namespace ram {
namespace {

constexpr std::string_view kPacked = ".weight_packed";
constexpr std::string_view kScale = ".weight_scale";
constexpr std::string_view kShape = ".weight_shape";
constexpr const char* kConfigKey = "quantization_config";

// What config.json says, once it is known that all of it can be read.
class IntGroups {
 public:
  IntGroups(const Json& config, std::string where) : where_(std::move(where)) {
    const std::string format =
        OptionalString(config, "format", where_).value_or("");
    for (const char* key :
         {"kv_cache_scheme", "sparsity_config", "transform_config"}) {
      const auto found = config.find(key);
      if (found != config.end() && !found->is_null() && !found->empty()) {
        Refuse(where_, fmt::format("a {}", key), "none");
      }
    }
    const auto groups = config.find("config_groups");
    if (groups == config.end() || !groups->is_object()) {
      Fail(ErrorKind::kCorrupt, "{}: config_groups: found {}, expected groups",
           where_, groups == config.end() ? "nothing" : groups->type_name());
    }
    for (const auto& [name, group] : groups->items()) {
      AddGroup(group, format, fmt::format("{}.config_groups.{}", where_, name));
    }
  }

  const std::string& where() const { return where_; }

  // Of the group that names the module.
  std::optional<Scheme> Named(const std::string& module) const {
    const auto named = named_.find(module);
    if (named == named_.end()) return std::nullopt;
    return named->second;
  }
  const std::vector<Scheme>& schemes() const { return schemes_; }

 private:
  [[noreturn]] static void Refuse(const std::string& where,
                                  std::string_view found,
                                  std::string_view expected) {
    Fail(ErrorKind::kUnsupported,
         "{}: found {}, expected {} (start from the checkpoint this one was "
         "made from)",
         where, found, expected);
  }

  void AddGroup(const Json& group, const std::string& format,
                const std::string& where) {
    if (!group.is_object()) {
      Refuse(where, group.is_array() ? "a named preset" : group.type_name(),
             "targets and weights");
    }
    const std::string own =
        OptionalString(group, "format", where).value_or(format);
    if (own != "pack-quantized") {
      Refuse(where, fmt::format("format '{}'", own), "'pack-quantized'");
    }
    for (const char* key : {"input_activations", "output_activations"}) {
      const auto found = group.find(key);
      if (found != group.end() && !found->is_null()) {
        Refuse(where, fmt::format("quantized {}", key), "weights alone");
      }
    }
    const auto weights = group.find("weights");
    if (weights == group.end() || !weights->is_object()) {
      Refuse(where, "no weights", "weights");
    }
    const Scheme scheme = ParseWeights(*weights, where + ".weights");
    if (std::find(schemes_.begin(), schemes_.end(), scheme) == schemes_.end()) {
      schemes_.push_back(scheme);
    }
    const auto targets = group.find("targets");
    if (targets == group.end() || !targets->is_array()) {
      Fail(ErrorKind::kCorrupt, "{}: targets: found {}, expected a list", where,
           targets == group.end() ? "nothing" : targets->type_name());
    }
    for (const Json& target : *targets) {
      if (target.is_string()) named_.emplace(target.get<std::string>(), scheme);
    }
  }

  static Scheme ParseWeights(const Json& weights, const std::string& where) {
    const std::string type =
        OptionalString(weights, "type", where).value_or("int");
    if (type != "int") {
      Refuse(where, fmt::format("type '{}'", type), "'int'");
    }
    if (!OptionalBool(weights, "symmetric", where).value_or(true)) {
      Refuse(where, "symmetric false", "symmetric integers");
    }
    const auto strategy = OptionalString(weights, "strategy", where);
    if (strategy && *strategy != "group") {
      Refuse(where, fmt::format("strategy '{}'", *strategy), "'group'");
    }
    const uint64_t bits = OptionalUint(weights, "num_bits", where).value_or(8);
    // -1 stands for channels.
    const auto group = weights.find("group_size");
    const uint64_t size =
        group == weights.end() ? 0 : AsUint64(*group).value_or(0);
    if (bits <= 8 && size <= 128) {
      const Scheme scheme =
          SignedInt(static_cast<int>(bits), static_cast<int>(size));
      if (SchemeIndex(scheme) >= 0) return scheme;
    }
    Refuse(where,
           fmt::format("num_bits {} and group_size {}", bits,
                       group == weights.end() ? "null" : group->dump()),
           "2, 3, 4, 5, 6 or 8 bits in groups of 32 or 128");
  }

  std::string where_;
  std::vector<Scheme> schemes_;  // each once
  std::unordered_map<std::string, Scheme> named_;
};

class IntPairer {
 public:
  IntPairer(const TensorTable& table, std::string_view source,
            const IntGroups& groups, Model& model)
      : table_(table), source_(source), groups_(groups), model_(model) {}

  bool Run() {
    for (uint32_t i = 0; i < model_.tensors.size(); ++i) {
      const TensorInfo& tensor = model_.tensors[i];
      if (tensor.storage.kind == Storage::Kind::kAffine) {
        if (tensor.storage.scheme.kind == SchemeKind::kInt) PairAgain(i);
      } else if (tensor.name.ends_with(kPacked)) {
        Pair(i);
      }
    }
    for (const uint32_t i : packed_) {
      TensorInfo& tensor = model_.tensors[i];
      tensor.stored_name = tensor.name;
      tensor.name.resize(tensor.name.size() - kPacked.size());
      tensor.name += kWeightSuffix;
    }
    return !packed_.empty();
  }

 private:
  int64_t Find(const std::string& module, std::string_view suffix) const {
    const auto found = table_.find(fmt::format("{}{}", module, suffix));
    return found == table_.end() ? -1 : int64_t{found->second};
  }

  static std::string ModuleOf(const std::string& name,
                              std::string_view suffix) {
    return name.substr(0, name.size() - suffix.size());
  }

  // The scales, and what else belongs to the module.
  void Attach(const std::string& module, uint32_t weight) {
    for (const std::string_view other :
         {".weight_zero_point", ".weight_g_idx", ".weight_global_scale"}) {
      if (Find(module, other) < 0) continue;
      Fail(ErrorKind::kUnsupported,
           "{}: {}{}: found this tensor, expected symmetric weights in groups "
           "of their columns' order",
           source_, module, other);
    }
    const int64_t scales = Find(module, kScale);
    if (scales < 0) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}{}: found nothing, expected this tensor ({}{} holds codes)",
           source_, module, kScale, module, kPacked);
    }
    const TensorInfo& tensor = model_.tensors[static_cast<size_t>(scales)];
    if (tensor.dtype != DType::kBF16 && tensor.dtype != DType::kF16) {
      Fail(ErrorKind::kUnsupported, "{}: {}: found {}, expected BF16 or F16",
           source_, tensor.name, DTypeName(tensor.dtype));
    }
    model_.tensors[weight].storage.scales = scales;
    model_.uses[static_cast<size_t>(scales)] = TensorUse::kScale;
    if (const int64_t shape = Find(module, kShape); shape >= 0) {
      model_.uses[static_cast<size_t>(shape)] = TensorUse::kScale;
    }
  }

  // The weights of these codes and scales; nullopt where the scheme is another.
  static std::optional<std::vector<uint64_t>> LogicalShape(
      const TensorInfo& codes, const TensorInfo& scales, const Scheme& scheme) {
    std::vector<uint64_t> shape = codes.shape;
    const auto code_bits = CheckedMul(shape.back(), 32);
    const uint64_t bits = static_cast<uint64_t>(scheme.bits);
    if (!code_bits || *code_bits % bits != 0) return std::nullopt;
    shape.back() = *code_bits / bits;
    std::vector<uint64_t> groups = shape;
    groups.back() /= static_cast<uint64_t>(scheme.group_size);
    if (!SchemeFits(scheme, shape.back()) || scales.shape != groups ||
        !CheckedProduct(shape)) {
      return std::nullopt;
    }
    return shape;
  }

  void Pair(uint32_t weight) {
    TensorInfo& codes = model_.tensors[weight];
    const std::string module = ModuleOf(codes.name, kPacked);
    if (codes.dtype != DType::kI32 || codes.shape.size() != 2) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found {} {}, expected I32 [out, words]", source_,
           codes.name, DTypeName(codes.dtype), ShapeText(codes.shape));
    }
    Attach(module, weight);
    const TensorInfo& scales =
        model_.tensors[static_cast<size_t>(codes.storage.scales)];
    std::vector<Scheme> fits;
    std::vector<uint64_t> shape;
    const auto named = groups_.Named(module);
    for (const Scheme& scheme : groups_.schemes()) {
      if (named && *named != scheme) continue;
      const auto logical = LogicalShape(codes, scales, scheme);
      if (!logical) continue;
      fits.push_back(scheme);
      shape = *logical;
    }
    if (fits.empty()) {
      Fail(ErrorKind::kCorrupt,
           "{}: found {} {} beside {} {}, expected what {} gives", source_,
           codes.name, ShapeText(codes.shape), scales.name,
           ShapeText(scales.shape),
           named ? SchemeLabel(*named)
                 : fmt::format("a group of {}", groups_.where()));
    }
    if (fits.size() > 1) {
      Fail(ErrorKind::kUnsupported,
           "{}: {} could be {} or {}, expected a target that names it",
           groups_.where(), module, SchemeLabel(fits[0]), SchemeLabel(fits[1]));
    }
    codes.storage.kind = Storage::Kind::kAffine;
    codes.storage.scheme = fits[0];
    codes.shape = std::move(shape);
    codes.dtype = scales.dtype;
    packed_.push_back(weight);
  }

  // A tensor that was paired before: the manifest vouches for its shape only.
  void PairAgain(uint32_t weight) {
    const TensorInfo& tensor = model_.tensors[weight];
    if (!tensor.name.ends_with(kWeightSuffix) || tensor.shape.empty() ||
        !SchemeFits(tensor.storage.scheme, tensor.shape.back())) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found {} {}, expected rows of whole groups", source_,
           tensor.name, SchemeLabel(tensor.storage.scheme),
           ShapeText(tensor.shape));
    }
    Attach(ModuleOf(tensor.name, kWeightSuffix), weight);
  }

  const TensorTable& table_;
  std::string_view source_;
  const IntGroups& groups_;
  Model& model_;
  std::vector<uint32_t> packed_;
};

}  // namespace

bool IsCompressedTensors(const Json& config) {
  const Json* method = FindConfig(config, kConfigKey);
  if (!method || !method->is_object()) return false;
  const auto name = method->find("quant_method");
  return name != method->end() && *name == "compressed-tensors";
}

bool PairPackedInts(const TensorTable& table, std::string_view source,
                    Model& model) {
  if (!IsCompressedTensors(model.config)) return false;
  const IntGroups groups(*FindConfig(model.config, kConfigKey),
                         fmt::format("{}/config.json: {}", source, kConfigKey));
  return IntPairer(table, source, groups, model).Run();
}

}  // namespace ram
