// What analysis found out, as manifest.json holds it
// (docs/manifest.schema.json). It needs nothing else to be allocated from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/json.h"
#include "ram/checkpoint/model.h"
#include "ram/quantization/scheme.h"

namespace ram {

inline constexpr int kManifestVersion = 1;

// A codec whose error was measured.
struct MeasuredScheme {
  Scheme scheme;
  Encoder encoder = Encoder::kMinMax;

  bool operator==(const MeasuredScheme&) const = default;
};
// 18 affine schemes by min-max, then the same 18 by search.
std::vector<MeasuredScheme> AffineMeasuredSchemes();
// The block types by one effort.
std::vector<MeasuredScheme> BlockMeasuredSchemes(Encoder encoder);
// Every signed integer scheme, in the order of SchemeAt.
std::vector<MeasuredScheme> IntMeasuredSchemes(Encoder encoder);

// The four metrics of docs/metrics.md; unset when not computed.
struct Metrics {
  std::optional<double> spectral_concentration;
  std::optional<double> excess_kurtosis;
  std::optional<double> output_noise;
  std::optional<double> rounding_error;  // 4 bits, group 128
};

struct MatrixRecord {
  std::string name;  // Matrix::name
  Metrics metrics;
  double mean = 0;
  double variance = 0;
  double absmax = 0;
  double squared_norm = 0;  // sum of squares
  // Widest group of 64 along the row: its (max - min)^2/12 over the mean square
  // of the matrix, and where (row, first column).
  double worst_group_ratio = 0;
  uint64_t worst_group_row = 0;
  uint64_t worst_group_col = 0;
  uint64_t zeros = 0;
  uint64_t outliers = 0;   // |w| > 5 x rms of its row
  uint64_t nonfinite = 0;  // only with --allow-nonfinite
  std::optional<double>
      stable_rank;                   // squared norm / largest eigenvalue of W'W
  std::optional<double> top_energy;  // top 10 % of 256 over the squared norm
  std::optional<double> alpha;       // heavy-tail exponent (--spectra full)
  // Of rounding to the 16-bit type (KeptDType); 0 for 16-bit sources.
  std::optional<double> kept_nmse;
  // Parallel to Manifest::schemes: sum of squared errors over sum of squares;
  // NaN (null in the file) where not measured or not legal.
  std::vector<double> nmse;
};

struct FileRecord {
  std::string name;
  uint64_t bytes = 0;
  std::string sha256;  // empty: not computed
};

struct Manifest {
  std::string tool;  // "ram 0.1.0"
  uint64_t seed = 42;
  std::string config_sha256;
  std::vector<FileRecord> files;
  // Of the key-value pairs that a GGUF file of this model begins with
  // (TargetLayout::metadata); unset where no tokenizer was there to be put in.
  std::optional<uint64_t> gguf_metadata_bytes;
  std::vector<MeasuredScheme> schemes;
  // The model, rebuilt with DescribeModel from the config and tensors that the
  // manifest carries.
  Model model;
  std::vector<MatrixRecord> matrices;  // parallel to model.matrices
};

// Deterministic text: same manifest, same bytes.
std::string ManifestToJson(const Manifest& manifest);
// Reads with a SAX parser, unknown fields ignored. Throws kCorrupt naming
// `source` and the missing or wrong field.
Manifest ManifestFromJson(std::string_view text, std::string_view source);
Manifest ReadManifest(const std::filesystem::path& path);

}  // namespace ram
