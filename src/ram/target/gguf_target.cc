#include "ram/target/gguf_target.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "ram/base/error.h"
#include "ram/checkpoint/architecture.h"
#include "ram/checkpoint/model_config.h"
#include "ram/target/gguf_files.h"
#include "ram/target/gguf_names.h"
#include "ram/target/gguf_rope.h"
#include "ram/target/target_units.h"

namespace ram {
namespace {

constexpr char kNoMtpInGguf[] =
    "multi-token prediction: written without these layers";
constexpr char kNoVisionInGguf[] =
    "vision tower or its projector: llama.cpp keeps it in a file of its own";

// Tables of a GGUF file that are computed anew for other targets.
constexpr std::array<std::string_view, 3> kRopeTables = {
    "rope_freqs.weight", "rope_factors_long.weight",
    "rope_factors_short.weight"};

std::vector<Scheme> AllSchemes() {
  std::vector<Scheme> schemes;
  for (const GgmlType type : kBlockTypes) schemes.push_back(Blocks(type));
  return schemes;
}

// In the order of Unit::legal.
std::vector<Scheme> LegalTypes(uint64_t cols, bool quantizable) {
  std::vector<Scheme> legal;
  if (quantizable) {
    for (const GgmlType type : kBlockTypes) {
      const Scheme scheme = Blocks(type);
      if (SchemeFits(scheme, cols)) legal.push_back(scheme);
    }
  }
  legal.push_back(kFloat16Scheme);
  return legal;
}

// What llama-quantize takes for rows that the type does not divide.
GgmlType StandIn(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_K:
      return GgmlType::kQ5_0;
    case GgmlType::kQ5_K:
      return GgmlType::kQ5_1;
    case GgmlType::kQ6_K:
      return GgmlType::kQ8_0;
    default:
      return GgmlType::kIQ4_NL;
  }
}

class GgufDescriber {
 public:
  explicit GgufDescriber(const Model& model)
      : model_(model),
        family_(FindGgufTargetFamily(model)),
        config_(model.config,
                *FindArchitecture(model.model_type, model.architecture),
                "model") {}

  TargetLayout Describe() {
    AddUnits();
    for (uint32_t i = 0; i < model_.tensors.size(); ++i) AddTensor(i);
    AddRopeTable();
    return std::move(layout_);
  }

 private:
  struct Group {
    std::string module;
    std::vector<uint32_t> members;
  };

  [[noreturn]] void FailNoPlace(const std::string& name) const {
    Fail(ErrorKind::kUnsupported,
         "target gguf: {}: found a tensor that llama.cpp's {} has no place "
         "for, expected none",
         name, family_.architecture);
  }

  // llama.cpp wants routers exactly as they are: they are not units, unless
  // they are codes already.
  bool IsPlainRouter(const Matrix& matrix) const {
    const TensorInfo& tensor = model_.tensors[matrix.tensor];
    return matrix.role == "router" && tensor.storage.dense() &&
           model_.block_scales[matrix.tensor] < 0 && matrix.contiguous() &&
           !matrix.transposed && matrix.weights() == tensor.elements();
  }

  void AddUnits() {
    std::vector<Group> groups;
    std::unordered_map<std::string, size_t> index;
    plain_routers_.resize(model_.tensors.size());
    tied_.resize(model_.tensors.size());
    for (uint32_t i = 0; i < model_.matrices.size(); ++i) {
      const Matrix& matrix = model_.matrices[i];
      if (matrix.section != Section::kText) continue;
      if (IsTiedHead(model_, matrix)) {
        tied_[matrix.tensor] = true;
        continue;
      }
      auto module = GgufModule(family_, matrix);
      if (!module) FailNoPlace(matrix.name);
      if (IsPlainRouter(matrix)) {
        plain_routers_[matrix.tensor] = *module + ".weight";
        continue;
      }
      const auto [at, added] = index.try_emplace(*module, groups.size());
      if (added) groups.push_back({*std::move(module), {}});
      groups[at->second].members.push_back(i);
    }
    for (Group& group : groups) layout_.units.push_back(UnitOf(group));
  }

  Unit UnitOf(Group& group) const {
    std::sort(group.members.begin(), group.members.end(),
              [&](uint32_t a, uint32_t b) {
                // Of gate and up, gate comes first, as in the alphabet.
                const auto key = [&](uint32_t i) {
                  const Matrix& matrix = model_.matrices[i];
                  return std::tuple(matrix.expert, matrix.role,
                                    matrix.first_row, i);
                };
                return key(a) < key(b);
              });
    const Matrix& first = model_.matrices[group.members.front()];
    std::vector<uint64_t> shape;
    if (first.expert >= 0) {
      shape = StackShape(group);
    } else if (first.blocks > 1) {
      shape = {first.blocks, first.rows / first.blocks, first.cols};
    } else {
      uint64_t rows = 0;
      for (const uint32_t member : group.members) {
        rows += model_.matrices[member].rows;
      }
      shape = {rows, first.cols};
    }
    const bool quantizable = first.role != "router";
    Unit unit = MakeUnit(model_, group.module, std::move(group.members),
                         std::move(shape), quantizable);
    unit.legal = LegalTypes(unit.cols, quantizable);
    unit.head_rows = HeadRows(first.role);
    return unit;
  }

  // Experts 0, 1, 2... of equal shape.
  std::vector<uint64_t> StackShape(const Group& group) const {
    const Matrix& first = model_.matrices[group.members.front()];
    for (size_t e = 0; e < group.members.size(); ++e) {
      const Matrix& matrix = model_.matrices[group.members[e]];
      if (matrix.expert != static_cast<int>(e)) {
        Fail(ErrorKind::kCorrupt,
             "{}: found expert {} where expert {} should be, expected all of "
             "them, once each",
             group.module, matrix.expert, e);
      }
      if (matrix.rows != first.rows || matrix.cols != first.cols) {
        Fail(ErrorKind::kUnsupported,
             "target gguf: {}: found experts of [{}, {}] and [{}, {}], "
             "expected one shape: llama.cpp stacks them (use target native)",
             group.module, first.rows, first.cols, matrix.rows, matrix.cols);
      }
    }
    return {group.members.size(), first.rows, first.cols};
  }

  // Rows of each head that are stored in pairs; 0: none are.
  uint64_t HeadRows(std::string_view role) const {
    const bool turned = role == "q_proj" || role == "k_proj";
    return family_.paired_heads && turned ? config_.Get("head_dim") : 0;
  }

  static bool IsRopeTable(const TensorInfo& tensor) {
    return std::find(kRopeTables.begin(), kRopeTables.end(),
                     tensor.name_in_file()) != kRopeTables.end();
  }

  void AddTensor(uint32_t index) {
    const TensorInfo& tensor = model_.tensors[index];
    if (model_.uses[index] == TensorUse::kScale) return;
    if (IsRopeTable(tensor)) {
      AddPlain(index, tensor.name_in_file());
      has_rope_table_ = true;
      return;
    }
    if (auto why = WhyDropped(index)) {
      layout_.dropped.push_back({tensor.name, *std::move(why)});
    } else if (!plain_routers_[index].empty()) {
      AddPlain(index, plain_routers_[index]);
    } else if (model_.uses[index] == TensorUse::kPlain) {
      auto name = GgufPlainName(family_, tensor.name);
      if (!name) FailNoPlace(tensor.name);
      AddPlain(index, *std::move(name));
    }
  }

  std::optional<std::string> WhyDropped(uint32_t index) const {
    if (auto why = WhyNeverRead(model_, index)) return why;
    if (model_.sections[index] == Section::kMtp) return kNoMtpInGguf;
    if (model_.sections[index] == Section::kVision) return kNoVisionInGguf;
    if (tied_[index]) return kTiedReason;
    return std::nullopt;
  }

  void AddPlain(uint32_t index, std::string name) {
    const TensorInfo& tensor = model_.tensors[index];
    PlainTensor plain;
    plain.tensor = index;
    plain.dtype = DType::kF32;
    plain.shape = tensor.shape;
    if (family_.norms_plus_one && name.ends_with("norm.weight")) {
      plain.change = PlainTensor::Change::kAddOne;
    }
    if (name.ends_with("attn_q.bias")) plain.head_rows = HeadRows("q_proj");
    if (name.ends_with("attn_k.bias")) plain.head_rows = HeadRows("k_proj");
    plain.name = std::move(name);
    layout_.plain.push_back(std::move(plain));
  }

  void AddRopeTable() {
    if (has_rope_table_) return;
    layout_.rope_factors = ReadGgufRope(model_, family_, "model").factors;
  }

  const Model& model_;
  const GgufTargetFamily& family_;
  const ModelConfig config_;
  TargetLayout layout_;
  std::vector<std::string> plain_routers_;  // per tensor; empty: none
  std::vector<bool> tied_;                  // per tensor: the second head
  bool has_rope_table_ = false;
};

}  // namespace

std::span<const Scheme> GgufTarget::Schemes() const {
  static const std::vector<Scheme> all = AllSchemes();
  return all;
}

std::optional<Scheme> GgufTarget::SchemeOf(
    int bits, std::optional<int> group_size) const {
  constexpr std::array<std::pair<int, GgmlType>, 6> kUsual = {{
      {2, GgmlType::kQ2_K},
      {3, GgmlType::kQ3_K},
      {4, GgmlType::kQ4_K},
      {5, GgmlType::kQ5_K},
      {6, GgmlType::kQ6_K},
      {8, GgmlType::kQ8_0},
  }};
  constexpr std::array<std::pair<int, GgmlType>, 3> kOf32 = {{
      {4, GgmlType::kQ4_0},
      {5, GgmlType::kQ5_0},
      {8, GgmlType::kQ8_0},
  }};
  if (group_size == 32) {
    for (const auto& [wanted, type] : kOf32) {
      if (wanted == bits) return Blocks(type);
    }
    return std::nullopt;
  }
  for (const auto& [wanted, type] : kUsual) {
    if (wanted != bits) continue;
    const Scheme scheme = Blocks(type);
    if (!group_size || *group_size == scheme.group_size) return scheme;
  }
  return std::nullopt;
}

Scheme GgufTarget::Closest(const Unit& unit, const Scheme& wanted) const {
  const auto legal = [&](const Scheme& scheme) {
    return std::find(unit.legal.begin(), unit.legal.end(), scheme) !=
           unit.legal.end();
  };
  if (legal(wanted)) return wanted;
  const Scheme other = Blocks(StandIn(wanted.type));
  return legal(other) ? other : kFloat16Scheme;
}

TargetLayout GgufTarget::Describe(const Model& model) const {
  return GgufDescriber(model).Describe();
}

std::vector<OutputFileLayout> GgufTarget::LayOutFiles(
    const TargetLayout& layout, std::span<const Scheme> schemes) const {
  return LayOutGgufFiles(layout, schemes);
}

uint64_t GgufTarget::FileBytes(const TargetLayout& layout,
                               std::span<const Scheme> schemes) const {
  return GgufFilesBytes(layout, schemes);
}

std::string GgufTarget::ConfigText(const Model&, const TargetLayout&,
                                   std::span<const Scheme>) const {
  return {};
}

}  // namespace ram
