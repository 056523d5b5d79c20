#include "ram/xray/compare_pairs.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "ram/base/error.h"
#include "ram/checkpoint/architecture.h"

namespace ram {
namespace {

// What tells two kinds of models apart: the family, or the class by name.
std::string KindOf(const Model& model) {
  const Architecture* const architecture =
      model.known ? FindArchitecture(model.model_type, model.architecture)
                  : nullptr;
  return architecture ? std::string(architecture->family) : model.architecture;
}

void CheckKinds(const Checkpoint& base, const Checkpoint& tuned) {
  if (base.bare_file() || tuned.bare_file()) return;
  const std::string from = KindOf(base.model());
  const std::string to = KindOf(tuned.model());
  if (from == to) return;
  Fail(ErrorKind::kUnsupported,
       "{}: architecture: found {}, expected {} as in {} (only models made "
       "from one another can be compared)",
       tuned.path().string(), to, from, base.path().string());
}

// Names of tensors that hold no matrix and are no scales.
void ListPlain(const Model& model, std::unordered_set<std::string>& names) {
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    if (model.uses[i] == TensorUse::kPlain) names.insert(model.tensors[i].name);
  }
}

class Pairing {
 public:
  Pairing(const Checkpoint& base, const Checkpoint& tuned)
      : base_(base), tuned_(tuned) {}

  PairedModels Run() {
    CheckKinds(base_, tuned_);
    const Model& base = base_.model();
    const Model& tuned = tuned_.model();
    for (uint32_t i = 0; i < base.matrices.size(); ++i) {
      index_.emplace(base.matrices[i].name, i);
    }
    std::vector<bool> used(base.matrices.size(), false);
    for (uint32_t i = 0; i < tuned.matrices.size(); ++i) {
      const auto found = index_.find(tuned.matrices[i].name);
      if (found == index_.end()) {
        result_.added.push_back(tuned.matrices[i].name);
        continue;
      }
      used[found->second] = true;
      Pair({found->second, i});
    }
    for (uint32_t i = 0; i < base.matrices.size(); ++i) {
      if (!used[i]) result_.removed.push_back(base.matrices[i].name);
    }
    if (result_.pairs.empty()) {
      Fail(ErrorKind::kUnsupported,
           "{}: found no matrix with a name of {}, expected one made from the "
           "other",
           tuned_.path().string(), base_.path().string());
    }
    PlainNames();
    return std::move(result_);
  }

 private:
  void Pair(const MatrixPair& pair) {
    const Matrix& from = base_.model().matrices[pair.base];
    const Matrix& to = tuned_.model().matrices[pair.tuned];
    const bool table = from.is_vocabulary() && to.is_vocabulary();
    const bool router = from.role == "router" && to.role == "router";
    if (from.cols != to.cols || (from.rows != to.rows && !table && !router)) {
      Fail(ErrorKind::kUnsupported,
           "{}: {}: found [{}, {}], expected [{}, {}] as in {}",
           tuned_.path().string(), to.name, to.rows, to.cols, from.rows,
           from.cols, base_.path().string());
    }
    if (from.rows != to.rows && table) {
      result_.vocabulary.push_back({to.name, from.rows, to.rows});
    }
    if (from.rows != to.rows && router) {
      result_.notes.push_back(fmt::format(
          "{}: {} experts of {}: its first {} rows are compared", to.name,
          to.rows, from.rows, std::min(from.rows, to.rows)));
    }
    result_.pairs.push_back(pair);
  }

  void PlainNames() {
    std::unordered_set<std::string> from, to;
    ListPlain(base_.model(), from);
    ListPlain(tuned_.model(), to);
    const auto missing = [](const Model& model,
                            const std::unordered_set<std::string>& other,
                            std::vector<std::string>& names) {
      for (size_t i = 0; i < model.tensors.size(); ++i) {
        const std::string& name = model.tensors[i].name;
        if (model.uses[i] == TensorUse::kPlain && !other.contains(name)) {
          names.push_back(name);
        }
      }
    };
    missing(tuned_.model(), from, result_.added);
    missing(base_.model(), to, result_.removed);
  }

  const Checkpoint& base_;
  const Checkpoint& tuned_;
  std::unordered_map<std::string_view, uint32_t> index_;
  PairedModels result_;
};

}  // namespace

PairedModels PairModels(const Checkpoint& base, const Checkpoint& tuned) {
  return Pairing(base, tuned).Run();
}

}  // namespace ram
