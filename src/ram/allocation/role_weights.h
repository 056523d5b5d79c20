// How much an error in a weight matters, by what the weight does.
//
// The linearity theorem (arXiv:2411.17525): for small errors the divergence
// that quantising one matrix causes is a * |dW|^2 / |W|^2, and the divergences
// of several matrices add. The factor a was measured for each role by
// quantising all matrices of that role at once (docs/metrics.md, "Predicted
// loss").
#pragma once

#include <string_view>
#include <vector>

#include "ram/checkpoint/model.h"

namespace ram {

// Divergence (nats per token) per unit of relative squared error, when all
// matrices of the role have that error; `expert` where they are those of routed
// experts. Unknown roles count as an average projection.
double RoleSensitivity(std::string_view role, bool expert);

// The factor of every matrix: its role's, divided among the layers and, within
// a layer, among the matrices of the role (the experts) by their weights. It
// depends on the model alone, not on how a target cuts it.
std::vector<double> MatrixWeights(const Model& model);

// The fewest bits that `optimal` gives a role: 8 for routers and what decides
// or compresses for many (keys and values of latent attention), else 2.
int FewestBits(std::string_view role);

}  // namespace ram
