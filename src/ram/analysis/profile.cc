#include "ram/analysis/profile.h"

#include <algorithm>
#include <span>

#include "ram/analysis/matrix_sums.h"
#include "ram/base/error.h"
#include "ram/base/version.h"
#include "ram/container/safetensors.h"

namespace ram {
namespace {

std::vector<SafetensorsTensor> ProfileTensors(const Model& model,
                                              const AnalyzeOptions& options) {
  std::vector<SafetensorsTensor> tensors;
  for (const Matrix& matrix : model.matrices) {
    const std::string& name = matrix.name;
    tensors.push_back({name + ".row_norms", DType::kF32, {matrix.rows}});
    tensors.push_back(
        {name + ".column_second_moments", DType::kF32, {matrix.cols}});
    tensors.push_back({name + ".hash", DType::kU64, {1}});
    tensors.push_back({name + ".at_absmax", DType::kU64, {1}});
    tensors.push_back({name + ".distinct", DType::kF32, {1}});
    if (matrix.expert >= 0) {
      tensors.push_back({name + ".sketch", DType::kF32, {kSketchSize}});
    }
    if (options.spectra == Spectra::kFull) {
      tensors.push_back({name + ".singular_values",
                         DType::kF32,
                         {std::min(matrix.rows, matrix.cols)}});
    }
  }
  for (const Matrix& matrix : model.matrices) {
    if (matrix.role != "router") continue;
    tensors.push_back(
        {matrix.name + ".simulated_load", DType::kF32, {matrix.rows}});
  }
  return tensors;
}

}  // namespace

ProfileWriter::ProfileWriter(const Model& model, const AnalyzeOptions& options,
                             OutputDirectory& directory)
    : full_spectra_(options.spectra == Spectra::kFull) {
  SafetensorsLayout layout = LayOutSafetensors(
      ProfileTensors(model, options),
      {{"tool", kToolVersion}, {"seed", fmt::format("{}", options.seed)}});
  file_ = &directory.Create("profile.safetensors", layout.file_bytes);
  file_->WriteAt(0, std::as_bytes(std::span(layout.prefix)));
  offsets_ = std::move(layout.offsets);
}

void ProfileWriter::Write(std::span<const std::byte> bytes) {
  file_->WriteAt(offsets_[next_++], bytes);
}

void ProfileWriter::Add(const Matrix& matrix, MatrixProfile profile) {
  Write(std::as_bytes(std::span(profile.row_norms)));
  Write(std::as_bytes(std::span(profile.column_second_moments)));
  Write(std::as_bytes(std::span(&profile.hash, 1)));
  Write(std::as_bytes(std::span(&profile.at_absmax, 1)));
  Write(std::as_bytes(std::span(&profile.distinct, 1)));
  if (matrix.expert >= 0) Write(std::as_bytes(std::span(profile.sketch)));
  if (!full_spectra_) return;
  // None for a matrix with NaN: zeros then.
  profile.singular_values.resize(std::min(matrix.rows, matrix.cols));
  Write(std::as_bytes(std::span(profile.singular_values)));
}

void ProfileWriter::AddRouterLoad(const Matrix& router,
                                  std::vector<float> load) {
  load.resize(router.rows);
  Write(std::as_bytes(std::span(load)));
}

}  // namespace ram
