// The two ways DescribeModel sorts tensors: by a family's description, and by
// shape and the usual names.
#pragma once

#include <string_view>

#include "ram/checkpoint/architecture.h"
#include "ram/checkpoint/block_scales.h"
#include "ram/checkpoint/model.h"
#include "ram/checkpoint/tensor_name.h"

namespace ram {

// Fills uses, sections and matrices. Throws kCorrupt where config.json
// contradicts the tensors, kUnsupported for weights of an unknown dtype.
void DescribeByArchitecture(const Architecture& architecture,
                            const TensorTable& table, std::string_view source,
                            Model& model);

// Fills uses, sections, matrices and tied_head by shape and name.
void DescribeByName(Model& model);

// Files one tensor by shape alone: matrices with this role, or plain.
void DescribeByShape(const TensorName& name, std::string_view role,
                     uint32_t tensor, Model& model);

// True for tables that no runtime reads: rotary frequencies, causal masks.
bool IsLeftover(const TensorInfo& tensor);

// True for the usual names of an output head.
bool IsHeadName(std::string_view name);

}  // namespace ram
