#include "ram/allocation/role_weights.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

namespace ram {
namespace {

struct Role {
  std::string_view name;
  double sensitivity;
};

constexpr double kUnknown = 1.0;

constexpr std::array<Role, 26> kRoles = {{
    {"lm_head", 1.0},
}};

}  // namespace

double RoleSensitivity(std::string_view role) {
  for (const Role& known : kRoles) {
    if (known.name == role) return known.sensitivity;
  }
  return kUnknown;
}

int FewestBits(std::string_view role) {
  constexpr std::array<std::string_view, 5> kPrecise = {
      "router", "shared_expert_gate", "kv_a_proj", "embed_q", "unembed_out"};
  for (std::string_view precise : kPrecise) {
    if (precise == role) return 8;
  }
  return 2;
}

std::vector<double> MatrixWeights(const Model& model) {
  // A layer's matrices of one role (the experts' apart from a shared one)
  // share 1 / layers of the role's sensitivity.
  using Key = std::tuple<Section, int, std::string_view>;
  const auto key = [](const Matrix& matrix) {
    return Key(matrix.section, matrix.layer, matrix.role);
  };
  std::map<Key, double> totals;
  std::set<int> layers;
  for (const Matrix& matrix : model.matrices) {
    totals[key(matrix)] += static_cast<double>(matrix.weights());
    if (matrix.section == Section::kText && matrix.layer >= 0) {
      layers.insert(matrix.layer);
    }
  }
  const double layer_share =
      1.0 / static_cast<double>(std::max<size_t>(1, layers.size()));
  std::vector<double> weights;
  weights.reserve(model.matrices.size());
  for (const Matrix& matrix : model.matrices) {
    double weight = RoleSensitivity(matrix.role);
    if (model.tied_head && matrix.role == "embed_tokens") {
      weight += RoleSensitivity("lm_head");
    }
    if (matrix.layer >= 0) weight *= layer_share;
    weights.push_back(weight * static_cast<double>(matrix.weights()) /
                      totals.at(key(matrix)));
  }
  return weights;
}

}  // namespace ram
