// profile.safetensors: the vectors of every matrix that the manifest is too
// small for. For each matrix NAME, in the order of the matrices:
//   NAME.row_norms              F32 [rows]  Euclidean norms
//   NAME.column_second_moments  F32 [cols]  mean of w^2 over the rows
//   NAME.hash                   U64 [1]     XXH3 of the XXH3 of every slice of
//                                           2^19 weights, rounded to rows
//   NAME.at_absmax              U64 [1]     weights of the largest magnitude
//   NAME.distinct               F32 [1]     share of different numbers among 32
//                                           neighbours that are not zero
//   NAME.sketch                 F32 [64]    experts only; inner products of
//                                           sketches estimate those of matrices
//   NAME.singular_values        F32 [min(rows, cols)]  --spectra full only
// and then for each router:
//   NAME.simulated_load         F32 [rows]  share of simulated tokens that each
//                                           expert gets (router_load.h); zeros:
//                                           unknown
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "ram/analysis/analyze.h"
#include "ram/base/output.h"

namespace ram {

class ProfileWriter : public ProfileSink {
 public:
  // Creates profile.safetensors in `directory`, which must outlive this. Throws
  // kIo when there is no space for it.
  ProfileWriter(const Model& model, const AnalyzeOptions& options,
                OutputDirectory& directory);

  void Add(const Matrix& matrix, MatrixProfile profile) override;
  void AddRouterLoad(const Matrix& router, std::vector<float> load) override;

 private:
  void Write(std::span<const std::byte> bytes);

  bool full_spectra_;
  OutputFile* file_ = nullptr;
  std::vector<uint64_t> offsets_;  // of every tensor
  size_t next_ = 0;
};

// Hands the profiles of `model` to `sink` as Analyze did, one at a time. Throws
// kIo, and kCorrupt "FILE: TENSOR: found ..., expected ..." where the profile
// is not one of this model.
void ReadProfile(const std::filesystem::path& path, const Model& model,
                 ProfileSink& sink);

}  // namespace ram
