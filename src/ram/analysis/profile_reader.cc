#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ram/analysis/matrix_sums.h"
#include "ram/analysis/profile.h"
#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/container/safetensors.h"

namespace ram {
namespace {

class ProfileFile {
 public:
  explicit ProfileFile(const std::filesystem::path& path)
      : file_(File::Open(path)), header_(ReadSafetensorsHeader(file_)) {
    for (const SafetensorsEntry& entry : header_.entries) {
      entries_.emplace(entry.name, &entry);
    }
  }

  // False when there is no such tensor.
  template <typename T>
  bool Read(const std::string& name, DType dtype, uint64_t size,
            std::vector<T>& out) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) return false;
    const SafetensorsEntry& entry = *found->second;
    if (entry.dtype != dtype || entry.elements() != size) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found {} {} elements, expected {} {} (is it the profile of "
           "this manifest?)",
           file_.path().string(), name, entry.elements(),
           DTypeName(entry.dtype), size, DTypeName(dtype));
    }
    out = std::vector<T>(size);
    file_.ReadAt(entry.begin, std::as_writable_bytes(std::span(out)));
    return true;
  }

  template <typename T>
  void Require(const std::string& name, DType dtype, uint64_t size,
               std::vector<T>& out) const {
    if (Read(name, dtype, size, out)) return;
    Fail(ErrorKind::kCorrupt,
         "{}: {}: found no such tensor, expected one (is it the profile of "
         "this manifest?)",
         file_.path().string(), name);
  }

 private:
  File file_;
  SafetensorsHeader header_;
  std::unordered_map<std::string_view, const SafetensorsEntry*> entries_;
};

}  // namespace

void ReadProfile(const std::filesystem::path& path, const Model& model,
                 ProfileSink& sink) {
  const ProfileFile file(path);
  std::vector<uint64_t> number;
  std::vector<float> share;
  for (const Matrix& matrix : model.matrices) {
    MatrixProfile profile;
    const std::string& name = matrix.name;
    file.Require(name + ".row_norms", DType::kF32, matrix.rows,
                 profile.row_norms);
    file.Require(name + ".column_second_moments", DType::kF32, matrix.cols,
                 profile.column_second_moments);
    file.Require(name + ".hash", DType::kU64, 1, number);
    profile.hash = number[0];
    file.Require(name + ".at_absmax", DType::kU64, 1, number);
    profile.at_absmax = number[0];
    file.Require(name + ".distinct", DType::kF32, 1, share);
    profile.distinct = share[0];
    if (matrix.expert >= 0) {
      file.Require(name + ".sketch", DType::kF32, kSketchSize, profile.sketch);
    }
    file.Read(name + ".singular_values", DType::kF32,
              std::min(matrix.rows, matrix.cols), profile.singular_values);
    sink.Add(matrix, std::move(profile));
  }
  for (const Matrix& matrix : model.matrices) {
    if (matrix.role != "router") continue;
    std::vector<float> load;
    file.Require(matrix.name + ".simulated_load", DType::kF32, matrix.rows,
                 load);
    const bool known =
        std::any_of(load.begin(), load.end(), [](float x) { return x > 0; });
    if (!known) load.clear();
    sink.AddRouterLoad(matrix, std::move(load));
  }
}

}  // namespace ram
