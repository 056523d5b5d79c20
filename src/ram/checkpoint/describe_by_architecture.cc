#include <algorithm>
#include <array>
#include <unordered_map>

#include "ram/base/error.h"
#include "ram/checkpoint/coverage.h"
#include "ram/checkpoint/cut_matrices.h"
#include "ram/checkpoint/describe_tensors.h"
#include "ram/checkpoint/model_config.h"
#include "ram/tensor/shape_text.h"

namespace ram {
namespace {

using PatternMap = std::unordered_map<std::string_view, const TensorPattern*>;

PatternMap ByPath(const std::vector<TensorPattern>& patterns) {
  PatternMap map;
  for (const TensorPattern& pattern : patterns) {
    map.emplace(pattern.path, &pattern);
  }
  return map;
}

const TensorPattern* Find(const PatternMap& map, std::string_view path) {
  const auto found = map.find(path);
  return found == map.end() ? nullptr : found->second;
}

std::string_view Ordinal(size_t i) {
  constexpr std::array<std::string_view, 4> kNames = {"first", "second",
                                                      "third", "fourth"};
  return i < kNames.size() ? kNames[i] : "last";
}

class Describer {
 public:
  Describer(const Architecture& architecture, const TensorTable& table,
            std::string_view source, Model& model)
      : architecture_(architecture),
        table_(table),
        source_(source),
        model_(model),
        config_(model.config, architecture, source),
        layer_map_(ByPath(architecture.layer_patterns)),
        model_map_(ByPath(architecture.model_patterns)),
        head_map_(ByPath(architecture.head_patterns)),
        mtp_map_(ByPath(architecture.mtp_patterns)),
        layers_(architecture.layer_patterns, config_),
        around_(architecture.model_patterns, config_),
        prefix_(FindPrefix()),
        turned_(FindTurned()) {}

  void Run() {
    FindHead();
    for (uint32_t i = 0; i < model_.tensors.size(); ++i) {
      if (model_.uses[i] == TensorUse::kScale) continue;
      Describe(i);
    }
    CheckComplete();
  }

 private:
  // What stands before "layers" and "embed_tokens" in this checkpoint.
  std::string FindPrefix() const {
    const std::string_view first = architecture_.model_patterns[0].path;
    for (std::string_view prefix :
         {architecture_.prefix, std::string_view("model."),
          std::string_view("model.language_model."),
          std::string_view("language_model.model."),
          std::string_view("transformer."), std::string_view()}) {
      const std::string name = fmt::format("{}{}", prefix, first);
      if (table_.contains(name)) return std::string(prefix);
    }
    return std::string(architecture_.prefix);
  }

  // Whether what the family stores [in, out] is [out, in] here.
  bool FindTurned() const {
    for (const TensorPattern& pattern : architecture_.layer_patterns) {
      if (!pattern.transposed || pattern.stacked) continue;
      const auto found = table_.find(fmt::format(
          "{}{}.0.{}", prefix_, architecture_.layers, pattern.path));
      if (found == table_.end()) continue;
      std::vector<uint64_t> shape = config_.Shape(pattern);
      if (shape.front() == shape.back()) continue;
      std::reverse(shape.begin(), shape.end());
      return model_.tensors[found->second].shape == shape;
    }
    return false;
  }

  bool Turned(const TensorPattern& pattern) const {
    return turned_ && pattern.transposed && !pattern.stacked;
  }

  void FindHead() {
    bool stored = false;
    for (const TensorInfo& tensor : model_.tensors) {
      stored = stored || IsHeadName(tensor.name);
    }
    const auto says = TiedByConfig(model_.config);
    model_.tied_head = architecture_.always_tied || says.value_or(!stored);
    if (!model_.tied_head && !stored) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}lm_head.weight: found nothing, expected this tensor ({}: "
           "tie_word_embeddings is false)",
           source_, architecture_.head_prefix, config_.file());
    }
  }

  void Describe(uint32_t i) {
    const TensorInfo& info = model_.tensors[i];
    if (IsLeftover(info) || (model_.tied_head && IsHeadName(info.name))) {
      model_.uses[i] = TensorUse::kIgnored;
      return;
    }
    TensorName name = ParseTensorName(info.name);
    if (name.section == Section::kVision) {
      DescribeByShape(name, "vision", i, model_);
      return;
    }
    const std::string prefix =
        info.name.substr(0, PrefixLength(info.name, name));
    const TensorPattern* pattern = Match(info.name, name);
    model_.sections[i] = name.section;
    if (!pattern) {
      DescribeByShape(name, "other", i, model_);
      return;
    }
    CheckShape(info, *pattern);
    if (!pattern->role.empty()) {
      AddMatrices(*pattern, prefix, name, i);
    } else if (!info.storage.dense()) {
      DescribeByShape(name, "other", i, model_);
    }
  }

  // The length of what stands before a pattern's path.
  static size_t PrefixLength(std::string_view full, const TensorName& name) {
    if (name.layer < 0) return name.prefix.size();
    return full.find('.', name.prefix.size() + name.layers.size() + 1) + 1;
  }

  // The pattern of this tensor, null when the family has none. Turns a layer
  // number into that of the whole model and finds the section.
  const TensorPattern* Match(const std::string& full, TensorName& name) {
    const uint64_t layers = config_.layers();
    if (name.layer >= 0) {
      const bool apart = name.section == Section::kMtp;
      if (name.layers != architecture_.layers) return nullptr;
      if (!apart && name.prefix != prefix_) return nullptr;
      const TensorPattern* pattern = Find(layer_map_, name.path);
      if (apart) {
        name.layer += static_cast<int>(layers);
      } else {
        CheckLayer(full, name);
      }
      if (pattern) {
        CheckExpert(full, *pattern, name);
        const auto layer = static_cast<uint64_t>(name.layer);
        if (layer < layers) layers_.Saw(*pattern, layer);
      }
      return pattern;
    }
    if (name.section == Section::kMtp) return Find(mtp_map_, name.path);
    if (IsHeadName(full)) return Find(head_map_, "lm_head.weight");
    if (!full.starts_with(prefix_)) return nullptr;
    const TensorPattern* pattern =
        Find(model_map_, std::string_view(full).substr(prefix_.size()));
    if (pattern) around_.Saw(*pattern, 0);
    return pattern;
  }

  void CheckLayer(const std::string& full, TensorName& name) const {
    const uint64_t layer = static_cast<uint64_t>(name.layer);
    const uint64_t layers = config_.layers();
    const bool apart = !architecture_.mtp_patterns.empty();
    const uint64_t end = layers + (apart ? 0 : config_.mtp_layers());
    if (layer >= end) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found {}, but {} is there (expected layers 0 to {})",
           config_.file(), config_.Spell("num_hidden_layers"), layers, full,
           end - 1);
    }
    if (layer >= layers) name.section = Section::kMtp;
  }

  void CheckExpert(const std::string& full, const TensorPattern& pattern,
                   const TensorName& name) const {
    if (pattern.path.find('*') == pattern.path.npos) return;
    if (static_cast<uint64_t>(name.expert) < config_.experts()) return;
    Fail(ErrorKind::kCorrupt,
         "{}: {}: found {}, but {} is there (expected experts 0 to {})",
         config_.file(), config_.Spell(architecture_.experts_key),
         config_.experts(), full, config_.experts() - 1);
  }

  const std::vector<uint64_t>& ExpectedShape(const TensorPattern& pattern) {
    auto [found, fresh] = shapes_.try_emplace(&pattern);
    if (!fresh) return found->second;
    found->second = config_.Shape(pattern);
    if (Turned(pattern)) {
      std::reverse(found->second.begin(), found->second.end());
    }
    return found->second;
  }

  // The tensor's shape as the pattern would have it.
  std::vector<uint64_t> ComparedShape(const TensorInfo& info,
                                      const TensorPattern& pattern) const {
    std::vector<uint64_t> shape = info.shape;
    if (shape.size() != 3) return shape;
    if (pattern.cut == Cut::kHeads) {
      return {shape[0] * shape[1], shape[2]};
    }
    // MLX's convolutions are [channels, width, 1].
    if (pattern.role.empty() && pattern.shape.size() == 3 &&
        pattern.shape[1] == "1" && shape[2] == 1) {
      std::swap(shape[1], shape[2]);
    }
    return shape;
  }

  void CheckShape(const TensorInfo& info, const TensorPattern& pattern) {
    const std::vector<uint64_t>& expected = ExpectedShape(pattern);
    const std::vector<uint64_t> found = ComparedShape(info, pattern);
    if (found.size() != expected.size()) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found shape {}, expected {}", source_,
           info.name, ShapeText(info.shape), ShapeText(expected));
    }
    for (size_t i = 0; i < expected.size(); ++i) {
      if (found[i] == expected[i]) continue;
      const std::string formula = config_.Spell(
          pattern.shape[Turned(pattern) ? expected.size() - 1 - i : i]);
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found {}, but {} is {}{} (expected its {} dimension to be "
           "{})",
           config_.file(), formula, expected[i], info.name_in_file(),
           ShapeText(info.shape),
           info.storage.dense() ? "" : " in codes of " + StorageLabel(info),
           Ordinal(i), formula);
    }
    if (!pattern.role.empty() && !IsWeightDType(info.dtype)) {
      Fail(ErrorKind::kUnsupported,
           "{}: {}: found {}, expected F32, F16, BF16 or F8_E4M3 weights",
           source_, info.name, DTypeName(info.dtype));
    }
  }

  void AddMatrices(const TensorPattern& pattern, std::string_view prefix,
                   const TensorName& name, uint32_t tensor) {
    const TensorInfo& info = model_.tensors[tensor];
    const uint64_t experts = pattern.stacked ? config_.experts() : 1;
    const uint64_t rows = SourceRows(info) / experts;
    std::vector<Piece> pieces = PiecesOf(pattern, config_, rows);
    if (Turned(pattern)) {
      for (Piece& piece : pieces) piece.transposed = false;
    }
    Place place{prefix, name.layer, name.expert, name.section, tensor};
    for (uint64_t expert = 0; expert < experts; ++expert) {
      if (pattern.stacked) place.expert = static_cast<int>(expert);
      for (const Piece& piece : pieces) {
        Matrix matrix =
            MatrixOf(piece, place, expert * rows, info.shape.back());
        matrix.name =
            pattern.canonical.empty()
                ? info.name
                : FillIn(prefix, pattern.canonical, place.expert, piece.role);
        matrix.norm = NormOf(pattern, matrix, prefix);
        model_.matrices.push_back(std::move(matrix));
      }
    }
    model_.uses[tensor] = TensorUse::kMatrices;
  }

  // The name of the norm whose output the matrix reads, if it is stored.
  std::string NormOf(const TensorPattern& pattern, const Matrix& matrix,
                     std::string_view prefix) const {
    // An embedding reads a norm's output only as the head; of kv_b_proj only
    // the values meet the latent vector along their columns.
    const bool looks_up = matrix.role == "embed_tokens" &&
                          !(model_.tied_head && matrix.layer < 0);
    if (pattern.norm.empty() || looks_up || matrix.role == "embed_q") return {};
    std::string name(matrix.layer >= 0 ? prefix : prefix_);
    name += pattern.norm;
    const auto found = table_.find(name);
    if (found == table_.end()) return {};
    if (model_.tensors[found->second].shape !=
        std::vector<uint64_t>{matrix.cols}) {
      return {};
    }
    return name;
  }

  void CheckComplete() const {
    around_.Check(0, prefix_, table_, source_);
    for (uint64_t layer = 0; layer < config_.layers(); ++layer) {
      layers_.Check(
          layer, fmt::format("{}{}.{}.", prefix_, architecture_.layers, layer),
          table_, source_);
    }
  }

  const Architecture& architecture_;
  const TensorTable& table_;
  std::string_view source_;
  Model& model_;
  ModelConfig config_;
  PatternMap layer_map_;
  PatternMap model_map_;
  PatternMap head_map_;
  PatternMap mtp_map_;
  std::unordered_map<const TensorPattern*, std::vector<uint64_t>> shapes_;
  Coverage layers_;
  Coverage around_;
  std::string prefix_;
  bool turned_;
};

}  // namespace

void DescribeByArchitecture(const Architecture& architecture,
                            const TensorTable& table, std::string_view source,
                            Model& model) {
  Describer(architecture, table, source, model).Run();
}

}  // namespace ram
