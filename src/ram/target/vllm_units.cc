#include "ram/target/vllm_units.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include "ram/base/error.h"
#include "ram/checkpoint/expected_tensors.h"
#include "ram/target/target_units.h"

namespace ram {
namespace {

// A module of Hugging Face's and the matrices that are its rows, in order.
struct Module {
  std::string name;
  std::vector<uint32_t> members;
};

// The matrices of roles that vLLM reads with one scheme, and what it calls
// them together.
struct Fusion {
  std::string_view leaf;
  std::vector<std::string_view> roles;
};

const std::vector<Fusion>& Fusions() {
  static const std::vector<Fusion> fusions = {
      {"qkv_proj", {"q_proj", "k_proj", "v_proj"}},
      {"gate_up_proj", {"gate_proj", "up_proj"}},
      {"gate_up_proj", {"shared_gate_proj", "shared_up_proj"}},
      {"fused_qkv_a_proj", {"q_a_proj", "kv_a_proj"}},
      {"in_proj_qkvz", {"linear_qkv", "linear_z"}},
  };
  return fusions;
}

// What may be stored as codes beside those.
constexpr std::array<std::string_view, 5> kAlone = {
    "o_proj", "q_b_proj", "down_proj", "shared_down_proj", "linear_out"};

std::string_view Parent(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view()
                                       : name.substr(0, dot);
}

// Mixtral's own names of an expert's projections.
std::string ExpertModule(std::string_view name) {
  std::string module(WithoutWeight(name));
  if (module.find("block_sparse_moe.experts.") == std::string::npos) {
    return module;
  }
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3>
      kLeaves = {{{"gate_proj", "w1"}, {"down_proj", "w2"}, {"up_proj", "w3"}}};
  for (const auto& [canonical, leaf] : kLeaves) {
    if (!module.ends_with(canonical)) continue;
    module.resize(module.size() - canonical.size());
    module += leaf;
    break;
  }
  return module;
}

class VllmDescriber {
 public:
  VllmDescriber(const Model& model, std::span<const Scheme> schemes)
      : model_(model), schemes_(schemes), main_dtype_(model.main_dtype()) {}

  TargetLayout Run() {
    std::vector<std::vector<uint32_t>> of_tensor(model_.tensors.size());
    for (uint32_t i = 0; i < model_.matrices.size(); ++i) {
      of_tensor[model_.matrices[i].tensor].push_back(i);
    }
    if (model_.known) {
      for (const TensorInfo& tensor : ExpectedTensors(model_.config)) {
        expected_.insert(tensor.name);
      }
    }
    for (uint32_t t = 0; t < model_.tensors.size(); ++t) {
      if (model_.uses[t] == TensorUse::kScale) continue;
      if (const auto why = WhyDropped(t, of_tensor[t])) {
        layout_.dropped.push_back({model_.tensors[t].name, *why});
      } else if (of_tensor[t].empty()) {
        AddPlain(t);
      } else {
        AddModules(t, std::move(of_tensor[t]));
      }
    }
    for (auto& group : groups_) AddUnit(group);
    std::sort(layout_.units.begin(), layout_.units.end(),
              [](const Unit& a, const Unit& b) {
                return a.members.front() < b.members.front();
              });
    return std::move(layout_);
  }

 private:
  struct Group {
    std::string name;
    std::vector<Module> modules;
    bool quantizable = false;
  };

  std::optional<std::string> WhyDropped(
      uint32_t tensor, const std::vector<uint32_t>& matrices) const {
    if (auto why = WhyNeverRead(model_, tensor)) return why;
    for (const uint32_t matrix : matrices) {
      if (IsTiedHead(model_, model_.matrices[matrix])) return kTiedReason;
    }
    return std::nullopt;
  }

  void AddPlain(uint32_t tensor) {
    const TensorInfo& info = model_.tensors[tensor];
    layout_.plain.push_back(
        {tensor, info.name, PlainDType(info, main_dtype_), info.shape});
  }

  [[noreturn]] void Refuse(const TensorInfo& tensor,
                           std::string_view found) const {
    Fail(ErrorKind::kUnsupported,
         "target vllm: {}: found {}, expected a tensor as Hugging Face's "
         "modules have it (start from the Hugging Face checkpoint)",
         tensor.name, found);
  }

  // Whether the tensor is a module's weight [out, in], row by row.
  bool IsWhole(const TensorInfo& tensor,
               const std::vector<uint32_t>& matrices) const {
    uint64_t rows = 0;
    for (const uint32_t index : matrices) {
      const Matrix& matrix = model_.matrices[index];
      if (!matrix.contiguous() || matrix.first_row != rows) return false;
      rows += matrix.rows;
    }
    return tensor.shape.size() == 2 && rows == tensor.shape[0];
  }

  void CheckName(const TensorInfo& tensor, const Matrix& first) const {
    if (expected_.empty() || first.section != Section::kText) return;
    if (!expected_.contains(tensor.name)) {
      Refuse(tensor, "a tensor of this name");
    }
  }

  void AddModules(uint32_t t, std::vector<uint32_t> matrices) {
    const TensorInfo& tensor = model_.tensors[t];
    std::sort(matrices.begin(), matrices.end(), [&](uint32_t a, uint32_t b) {
      return model_.matrices[a].first_row < model_.matrices[b].first_row;
    });
    const Matrix& first = model_.matrices[matrices.front()];
    if (first.section == Section::kText && first.expert >= 0) {
      for (const uint32_t matrix : matrices) {
        AddToGroup({ExpertModule(model_.matrices[matrix].name), {matrix}});
      }
      return;
    }
    CheckName(tensor, first);
    if (IsWhole(tensor, matrices)) {
      AddToGroup(
          {std::string(WithoutWeight(tensor.name)), std::move(matrices)});
      return;
    }
    // Halves that interleave, or rows that are columns: kept as it is.
    if (!tensor.storage.dense() || model_.block_scales[t] >= 0) {
      Refuse(tensor, fmt::format("{} in another layout than its module's",
                                 StorageLabel(tensor)));
    }
    AddPlain(t);
  }

  // The name of the unit that the module belongs to.
  std::string UnitName(const Module& module, bool& quantizable) const {
    const Matrix& first = model_.matrices[module.members.front()];
    quantizable = false;
    if (first.section != Section::kText) return module.name;
    if (first.expert >= 0) {
      quantizable = true;
      const size_t end = module.name.rfind(".experts.");
      if (end == std::string::npos) return module.name;
      return module.name.substr(0, end) + ".experts";
    }
    for (const Fusion& fusion : Fusions()) {
      if (std::find(fusion.roles.begin(), fusion.roles.end(), first.role) ==
          fusion.roles.end()) {
        continue;
      }
      quantizable = true;
      return fmt::format("{}.{}", Parent(module.name), fusion.leaf);
    }
    quantizable =
        std::find(kAlone.begin(), kAlone.end(), first.role) != kAlone.end();
    return module.name;
  }

  void AddToGroup(Module module) {
    bool quantizable = false;
    const std::string name = UnitName(module, quantizable);
    const auto [at, added] = index_.try_emplace(name, groups_.size());
    if (added) groups_.push_back({name, {}, quantizable});
    groups_[at->second].modules.push_back(std::move(module));
  }

  std::vector<Scheme> LegalFor(const Unit& unit, bool quantizable) const {
    std::vector<Scheme> legal;
    for (const Scheme& scheme : schemes_) {
      const bool fits = std::all_of(
          unit.modules.begin(), unit.modules.end(),
          [&](const UnitModule& m) { return SchemeFits(scheme, m.shape[1]); });
      if (quantizable && fits) legal.push_back(scheme);
    }
    legal.push_back(kFloat16Scheme);
    return legal;
  }

  // Members ascend, so that units come in the order of their first.
  void AddUnit(Group& group) {
    std::sort(group.modules.begin(), group.modules.end(),
              [](const Module& a, const Module& b) {
                return a.members.front() < b.members.front();
              });
    std::vector<uint32_t> members;
    std::vector<UnitModule> modules;
    uint64_t weights = 0;
    for (Module& module : group.modules) {
      UnitModule stored{std::move(module.name), {}, 0, ~uint32_t{0}};
      uint64_t rows = 0;
      for (const uint32_t member : module.members) {
        const Matrix& matrix = model_.matrices[member];
        rows += matrix.rows;
        weights += matrix.weights();
        stored.first_tensor = std::min(stored.first_tensor, matrix.tensor);
      }
      const uint64_t cols = model_.matrices[module.members.front()].cols;
      stored.shape = {rows, cols};
      stored.members = static_cast<uint32_t>(module.members.size());
      members.insert(members.end(), module.members.begin(),
                     module.members.end());
      modules.push_back(std::move(stored));
    }
    // Experts' projections have different rows; any that divides the weights
    // describes them together.
    const uint64_t cols = modules.front().shape[1];
    if (weights % cols != 0) {
      Refuse(model_.tensors[modules.front().first_tensor],
             fmt::format("{} weights together with rows of {}", weights, cols));
    }
    Unit unit = MakeUnit(model_, std::move(group.name), std::move(members),
                         {weights / cols, cols}, false);
    unit.rows = weights / cols;
    unit.modules = std::move(modules);
    unit.legal = LegalFor(unit, group.quantizable);
    if (unit.modules.size() == 1 && unit.modules[0].name == unit.name) {
      unit.modules.clear();
    }
    layout_.units.push_back(std::move(unit));
  }

  const Model& model_;
  std::span<const Scheme> schemes_;
  const DType main_dtype_;
  std::unordered_set<std::string> expected_;
  std::vector<Group> groups_;
  std::unordered_map<std::string, size_t> index_;
  TargetLayout layout_;
};

}  // namespace

TargetLayout DescribeForVllm(const Model& model,
                             std::span<const Scheme> schemes) {
  return VllmDescriber(model, schemes).Run();
}

bool HoldsExperts(const Unit& unit) { return unit.name.ends_with(".experts"); }

}  // namespace ram
