// For the tests of this layer: tensors by hand, errors as text.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/checkpoint/model.h"

namespace ram {

inline TensorInfo Tensor(std::string name, std::vector<uint64_t> shape,
                         DType dtype = DType::kBF16) {
  TensorInfo tensor;
  tensor.name = std::move(name);
  tensor.shape = std::move(shape);
  tensor.dtype = dtype;
  return tensor;
}

inline Json Config(const std::string& text) { return ParseJson(text, "test"); }

// "KIND MESSAGE" of the Error that `body` throws; "no error" when it does not.
inline std::string ErrorOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return std::to_string(error.exit_code()) + " " + error.what();
  }
  return "no error";
}

inline const Matrix& MatrixNamed(const Model& model, const std::string& name) {
  for (const Matrix& matrix : model.matrices) {
    if (matrix.name == name) return matrix;
  }
  throw std::out_of_range("no matrix " + name);
}

inline TensorUse UseOf(const Model& model, const std::string& name) {
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    if (model.tensors[i].name == name) return model.uses[i];
  }
  throw std::out_of_range("no tensor " + name);
}

// "name role layer expert part [rows, cols] <- norm" of every matrix.
inline std::string Summary(const Model& model) {
  std::string text;
  for (const Matrix& m : model.matrices) {
    text += fmt::format("{} {}", m.name, m.role);
    if (!m.part.empty()) text += fmt::format(" part={}", m.part);
    if (m.layer >= 0) text += fmt::format(" layer={}", m.layer);
    if (m.expert >= 0) text += fmt::format(" expert={}", m.expert);
    if (m.section != Section::kText) {
      text += fmt::format(" {}", SectionName(m.section));
    }
    text += fmt::format(" [{}, {}]", m.rows, m.cols);
    if (m.transposed) text += " transposed";
    if (!m.norm.empty()) text += fmt::format(" <- {}", m.norm);
    text += '\n';
  }
  return text;
}

inline void Append(std::vector<TensorInfo>& all, std::vector<TensorInfo> more) {
  for (TensorInfo& tensor : more) all.push_back(std::move(tensor));
}

}  // namespace ram
