#include "ram/analysis/analyze.h"

#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "ram/analysis/analysis_window.h"
#include "ram/analysis/block_errors.h"
#include "ram/analysis/file_digests.h"
#include "ram/analysis/matrix_slices.h"
#include "ram/analysis/matrix_sums.h"
#include "ram/analysis/repeat_counts.h"
#include "ram/analysis/router_load.h"
#include "ram/analysis/search_schemes.h"
#include "ram/analysis/spectrum.h"
#include "ram/base/checked.h"
#include "ram/base/digest.h"
#include "ram/base/error.h"
#include "ram/base/parallel.h"
#include "ram/base/version.h"
#include "ram/checkpoint/nonfinite.h"
#include "ram/quantization/affine.h"
#include "ram/quantization/packed_int.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

// How far hashing may run ahead of the analysis of the same bytes.
constexpr uint64_t kDigestLeadBytes = uint64_t{256} << 20;
// How many weights at the start of a matrix the pivot is the mean of.
constexpr uint64_t kPivotWeights = 2048;
// Spectra of matrices up to this size are taken in parallel, one thread each;
// larger ones one after another with all threads.
constexpr uint64_t kSmallSpectrumWeights = uint64_t{1} << 23;
constexpr uint64_t kSmallSpectrumSide = 2048;

// What a matrix has come to within its window.
struct MatrixState {
  std::once_flag started;
  std::optional<MatrixSums> sums;
  MatrixRecord record;
  std::vector<double> singular_values;
};

struct Worker {
  MatrixSliceReader reader;
  WeightSummer summer;
  std::vector<std::byte> blocks;
};

class Analysis {
 public:
  Analysis(const Checkpoint& checkpoint, const AnalyzeOptions& options,
           ProfileSink* profiles, Progress& progress);
  Manifest Run();

 private:
  const Matrix& MatrixAt(uint32_t index) const {
    return model_.matrices[index];
  }
  DType DTypeOf(const Matrix& matrix) const {
    return model_.tensors[matrix.tensor].dtype;
  }
  MatrixState& StateOf(uint32_t index) {
    return *states_[index - window_.begin];
  }

  bool SearchesAffine() const { return options_.affine && options_.search; }
  Encoder BlockEncoder() const {
    return options_.fast_blocks ? Encoder::kFast : Encoder::kSearch;
  }
  Encoder IntEncoder() const {
    return options_.search ? Encoder::kSearch : Encoder::kMinMax;
  }
  Manifest StartManifest() const;
  void RunWindow();
  void SimulateRouters();
  // The slices of the matrices of the window for which `wanted` holds.
  template <typename Wanted>
  std::vector<MatrixSlice> Slices(const Wanted& wanted) const;
  void Measure();
  void MeasureSlice(const MatrixSlice& at, Worker& worker);
  float PivotOf(const Matrix& matrix) const;
  [[noreturn]] void FailSlice(const Matrix& matrix, uint64_t index,
                              const WeightSlice& slice,
                              uint64_t index_in_slice) const;
  void Search();
  // Measures `count` schemes more, whose errors go to MatrixRecord::nmse from
  // `first` on, slice by slice. `measure` leaves NaN what it does not measure.
  using MeasureRows =
      std::function<void(const Matrix& matrix, std::span<const float> weights,
                         Worker& worker, std::span<double> squared_errors)>;
  void MeasureMore(size_t first, size_t count, const MeasureRows& measure);
  void MeasureBlocks();
  void MeasureInts();
  std::map<uint32_t, std::vector<Scheme>> ChooseSchemes();
  void MeasureSpectra();
  void MeasureSpectrumOf(uint32_t index, int threads);
  void Advance(const Matrix& matrix, uint64_t rows);

  const Checkpoint& checkpoint_;
  const Model& model_;
  const AnalyzeOptions& options_;
  ProfileSink* profiles_;
  Progress& progress_;
  int threads_;
  std::vector<uint32_t> groups_;
  std::vector<Worker> workers_;
  SliceResultPool pool_;
  std::optional<FileDigests> digests_;
  std::atomic<uint64_t> measured_bytes_ = 0;
  AnalysisWindow window_;
  std::vector<std::unique_ptr<MatrixState>> states_;
  std::vector<float> embedding_moments_;  // of the columns, for the routers
};

Analysis::Analysis(const Checkpoint& checkpoint, const AnalyzeOptions& options,
                   ProfileSink* profiles, Progress& progress)
    : checkpoint_(checkpoint),
      model_(checkpoint.model()),
      options_(options),
      profiles_(profiles),
      progress_(progress),
      threads_(ResolveThreads(options.threads)),
      workers_(static_cast<size_t>(threads_)) {
  if (SearchesAffine()) groups_ = SearchGroups(model_);
  if (!options.digests) return;
  std::vector<const File*> files;
  for (const std::string& name : checkpoint.weight_files()) {
    files.push_back(&checkpoint.file(name));
  }
  digests_.emplace(std::move(files), threads_);
}

Manifest Analysis::StartManifest() const {
  Manifest manifest;
  manifest.tool = kToolVersion;
  manifest.seed = options_.seed;
  if (!checkpoint_.config_text().empty()) {
    manifest.config_sha256 = Sha256Hex(checkpoint_.config_text());
  }
  for (const std::string& name : checkpoint_.weight_files()) {
    manifest.files.push_back({name, checkpoint_.file(name).size_bytes(), ""});
  }
  manifest.schemes = AffineMeasuredSchemes();
  if (options_.blocks) {
    const auto blocks = BlockMeasuredSchemes(BlockEncoder());
    manifest.schemes.insert(manifest.schemes.end(), blocks.begin(),
                            blocks.end());
  }
  if (options_.ints) {
    const auto ints = IntMeasuredSchemes(IntEncoder());
    manifest.schemes.insert(manifest.schemes.end(), ints.begin(), ints.end());
  }
  manifest.model = model_;
  return manifest;
}

Manifest Analysis::Run() {
  Manifest manifest = StartManifest();
  uint64_t total_bytes = 0;
  for (const Matrix& matrix : model_.matrices) {
    total_bytes += matrix.weights() * DTypeBytes(DTypeOf(matrix));
  }
  const int passes = 1 + SearchesAffine() + options_.blocks + options_.ints +
                     (options_.spectra != Spectra::kNone);
  progress_.Begin("analyze", total_bytes * static_cast<uint64_t>(passes));
  for (const AnalysisWindow& window :
       AnalysisWindows(model_, groups_, kWindowBytes)) {
    window_ = window;
    RunWindow();
    for (const auto& state : states_) {
      manifest.matrices.push_back(std::move(state->record));
    }
  }
  states_.clear();
  if (profiles_) SimulateRouters();
  if (digests_) {
    digests_->Finish();
    const std::vector<std::string> digests = digests_->Take();
    for (size_t i = 0; i < digests.size(); ++i) {
      manifest.files[i].sha256 = digests[i];
    }
  }
  progress_.End();
  checkpoint_.CheckUnchanged();
  return manifest;
}

void Analysis::RunWindow() {
  states_.clear();
  for (uint32_t i = window_.begin; i < window_.end; ++i) {
    states_.push_back(std::make_unique<MatrixState>());
  }
  Measure();
  for (const auto& state : states_) state->record = state->sums->Record();
  if (SearchesAffine()) Search();
  if (options_.blocks) MeasureBlocks();
  if (options_.ints) MeasureInts();
  if (options_.spectra != Spectra::kNone) MeasureSpectra();
  if (!profiles_) return;
  for (uint32_t i = window_.begin; i < window_.end; ++i) {
    MatrixProfile profile = StateOf(i).sums->Profile(options_.seed);
    const auto& values = StateOf(i).singular_values;
    profile.singular_values.assign(values.begin(), values.end());
    if (MatrixAt(i).role == "embed_tokens") {
      embedding_moments_ = profile.column_second_moments;
    }
    profiles_->Add(MatrixAt(i), std::move(profile));
  }
}

void Analysis::SimulateRouters() {
  std::vector<const Matrix*> routers;
  for (const Matrix& matrix : model_.matrices) {
    if (matrix.role == "router") routers.push_back(&matrix);
  }
  std::vector<std::vector<float>> loads(routers.size());
  ParallelFor(routers.size(), threads_, [&](uint64_t item, int) {
    loads[item] = RouterLoadOf(checkpoint_, *routers[item], embedding_moments_,
                               options_.seed);
  });
  for (size_t i = 0; i < routers.size(); ++i) {
    profiles_->AddRouterLoad(*routers[i], std::move(loads[i]));
  }
}

template <typename Wanted>
std::vector<MatrixSlice> Analysis::Slices(const Wanted& wanted) const {
  std::vector<MatrixSlice> slices;
  for (uint32_t i = window_.begin; i < window_.end; ++i) {
    if (!wanted(i)) continue;
    const uint64_t count = SliceCount(MatrixAt(i));
    for (uint64_t slice = 0; slice < count; ++slice) {
      slices.push_back({i, slice});
    }
  }
  return slices;
}

void Analysis::Advance(const Matrix& matrix, uint64_t rows) {
  progress_.Advance(rows * matrix.cols * DTypeBytes(DTypeOf(matrix)));
}

void Analysis::Measure() {
  const std::vector<MatrixSlice> slices = Slices([](uint32_t) { return true; });
  // Nobody starts hashing while the others have only these left.
  const uint64_t tail = static_cast<uint64_t>(threads_);
  ParallelFor(slices.size(), threads_, [&](uint64_t item, int worker) {
    if (digests_ && item + tail < slices.size()) {
      digests_->Step(measured_bytes_ + kDigestLeadBytes);
    }
    MeasureSlice(slices[item], workers_[static_cast<size_t>(worker)]);
  });
}

void Analysis::MeasureSlice(const MatrixSlice& at, Worker& worker) {
  const Matrix& matrix = MatrixAt(at.matrix);
  MatrixState& state = StateOf(at.matrix);
  std::call_once(state.started,
                 [&] { state.sums.emplace(matrix, PivotOf(matrix), pool_); });
  const uint64_t row = at.slice * RowsPerSlice(matrix);
  const uint64_t rows = std::min(RowsPerSlice(matrix), matrix.rows - row);
  WeightSlice slice = worker.reader.Read(checkpoint_, matrix, row, rows);
  slice.pivot = state.sums->pivot();
  slice.columns = profiles_ != nullptr;
  std::vector<float> signs;
  if (profiles_ && matrix.expert >= 0) {
    signs = SketchSigns(options_.seed, matrix.role, row, rows);
    slice.signs = signs;
  }
  std::unique_ptr<SliceResult> result = pool_.Take();
  worker.summer.Sum(slice, result->sums);
  if (result->sums.nonfinite > 0 && !options_.allow_nonfinite) {
    const uint64_t index = result->sums.first_nonfinite;
    FailSlice(matrix, row * matrix.cols + index, slice, index);
  }
  if (profiles_) {
    result->hash = XXH3_64bits(slice.bytes.data(), slice.bytes.size());
    result->repeats = CountRepeats(slice.dtype, slice.bytes);
  }
  state.sums->Add(at.slice, std::move(result));
  measured_bytes_ += rows * matrix.cols * DTypeBytes(DTypeOf(matrix));
  Advance(matrix, rows);
}

float Analysis::PivotOf(const Matrix& matrix) const {
  MatrixSliceReader reader;
  WeightSummer summer;
  const uint64_t rows =
      std::min(matrix.rows, CeilDiv(kPivotWeights, matrix.cols));
  const auto weights = reader.ReadFloats(checkpoint_, matrix, 0, rows);
  const auto first =
      weights.first(std::min<size_t>(kPivotWeights, weights.size()));
  double sum = 0;
  for (const float weight : first) sum += static_cast<double>(weight);
  const double mean = sum / static_cast<double>(first.size());
  return std::isfinite(mean) ? static_cast<float>(mean) : 0.0f;
}

void Analysis::FailSlice(const Matrix& matrix, uint64_t index,
                         const WeightSlice& slice,
                         uint64_t index_in_slice) const {
  const uint64_t width = DTypeBytes(slice.dtype);
  float value = 0;
  ToFloat(slice.dtype, slice.bytes.data() + index_in_slice * width,
          std::span(&value, 1));
  FailNonfinite(checkpoint_, matrix, index, value);
}

std::map<uint32_t, std::vector<Scheme>> Analysis::ChooseSchemes() {
  std::map<uint32_t, std::array<double, kAffineSchemeCount>> errors;
  std::map<uint32_t, const Matrix*> members;
  for (uint32_t i = window_.begin; i < window_.end; ++i) {
    if (StateOf(i).record.nonfinite > 0) continue;
    auto& sum = errors[groups_[i]];
    const auto& more = StateOf(i).sums->squared_errors();
    for (size_t k = 0; k < sum.size(); ++k) sum[k] += more[k];
    members[groups_[i]] = &MatrixAt(i);
  }
  std::map<uint32_t, std::vector<Scheme>> schemes;
  for (const auto& [group, sum] : errors) {
    const Matrix& matrix = *members[group];
    schemes[group] = SchemesToSearch(sum, matrix.rows, matrix.cols);
  }
  return schemes;
}

void Analysis::Search() {
  const auto schemes = ChooseSchemes();
  const std::vector<Scheme> none;
  const auto schemes_of = [&](uint32_t i) -> const std::vector<Scheme>& {
    if (StateOf(i).record.nonfinite > 0) return none;
    return schemes.at(groups_[i]);
  };
  const std::vector<MatrixSlice> slices =
      Slices([&](uint32_t i) { return !schemes_of(i).empty(); });
  std::vector<std::vector<double>> errors(slices.size());
  ParallelFor(slices.size(), threads_, [&](uint64_t item, int worker) {
    if (digests_) digests_->Step(measured_bytes_ + kDigestLeadBytes);
    const MatrixSlice& at = slices[item];
    const Matrix& matrix = MatrixAt(at.matrix);
    const uint64_t row = at.slice * RowsPerSlice(matrix);
    const uint64_t rows = std::min(RowsPerSlice(matrix), matrix.rows - row);
    const auto weights =
        workers_[static_cast<size_t>(worker)].reader.ReadFloats(
            checkpoint_, matrix, row, rows);
    errors[item].resize(schemes_of(at.matrix).size());
    MeasureAffineSearch(schemes_of(at.matrix), KeptDType(DTypeOf(matrix)),
                        weights, matrix.cols, errors[item]);
    Advance(matrix, rows);
  });
  for (size_t item = 0; item < slices.size(); ++item) {
    const uint32_t index = slices[item].matrix;
    std::vector<double>& nmse = StateOf(index).record.nmse;
    const std::vector<Scheme>& measured = schemes_of(index);
    const double norm = StateOf(index).record.squared_norm;
    for (size_t k = 0; k < measured.size(); ++k) {
      const auto scheme = static_cast<size_t>(AffineSchemeIndex(measured[k]));
      double& value = nmse[kAffineSchemeCount + scheme];
      const double more = norm > 0 ? errors[item][k] / norm : 0.0;
      value = slices[item].slice == 0 ? more : value + more;
    }
  }
}

void Analysis::MeasureMore(size_t first, size_t count,
                           const MeasureRows& measure) {
  const std::vector<MatrixSlice> slices =
      Slices([&](uint32_t i) { return StateOf(i).record.nonfinite == 0; });
  std::vector<double> errors(slices.size() * count, std::nan(""));
  ParallelFor(slices.size(), threads_, [&](uint64_t item, int worker) {
    if (digests_) digests_->Step(measured_bytes_ + kDigestLeadBytes);
    const MatrixSlice& at = slices[item];
    const Matrix& matrix = MatrixAt(at.matrix);
    const uint64_t row = at.slice * RowsPerSlice(matrix);
    const uint64_t rows = std::min(RowsPerSlice(matrix), matrix.rows - row);
    Worker& mine = workers_[static_cast<size_t>(worker)];
    measure(matrix, mine.reader.ReadFloats(checkpoint_, matrix, row, rows),
            mine, std::span(errors).subspan(item * count, count));
    Advance(matrix, rows);
  });
  for (uint32_t i = window_.begin; i < window_.end; ++i) {
    StateOf(i).record.nmse.resize(first + count, std::nan(""));
  }
  for (size_t item = 0; item < slices.size(); ++item) {
    MatrixRecord& record = StateOf(slices[item].matrix).record;
    for (size_t k = 0; k < count; ++k) {
      const double error = errors[item * count + k];
      const double more =
          record.squared_norm > 0 ? error / record.squared_norm : error;
      double& value = record.nmse[first + k];
      value = slices[item].slice == 0 ? more : value + more;
    }
  }
}

void Analysis::MeasureBlocks() {
  MeasureMore(AffineMeasuredSchemes().size(), kBlockTypes.size(),
              [&](const Matrix& matrix, std::span<const float> weights,
                  Worker& worker, std::span<double> out) {
                BlockErrors errors;
                MeasureBlockErrors(weights, matrix.cols, options_.fast_blocks,
                                   options_.every_block_type, worker.blocks,
                                   errors);
                std::copy(errors.begin(), errors.end(), out.begin());
              });
}

void Analysis::MeasureInts() {
  const std::vector<MeasuredScheme> all = IntMeasuredSchemes(IntEncoder());
  const auto wanted = [&](const Scheme& scheme, const Matrix& matrix) {
    return SchemeFits(scheme, matrix.cols) &&
           (options_.every_int_width || scheme.bits == 4 || scheme.bits == 8);
  };
  MeasureMore(
      AffineMeasuredSchemes().size() +
          (options_.blocks ? kBlockTypes.size() : 0),
      all.size(),
      [&](const Matrix& matrix, std::span<const float> weights, Worker&,
          std::span<double> out) {
        std::vector<Scheme> schemes;
        for (const MeasuredScheme& measured : all) {
          if (wanted(measured.scheme, matrix)) {
            schemes.push_back(measured.scheme);
          }
        }
        std::vector<double> errors(schemes.size());
        MeasurePackedInt(schemes, IntEncoder(), KeptDType(DTypeOf(matrix)),
                         weights, matrix.cols, errors);
        for (size_t i = 0, k = 0; i < all.size() && k < errors.size(); ++i) {
          if (all[i].scheme == schemes[k]) out[i] = errors[k++];
        }
      });
}

void Analysis::MeasureSpectra() {
  std::vector<uint32_t> small;
  std::vector<uint32_t> large;
  for (uint32_t i = window_.begin; i < window_.end; ++i) {
    if (StateOf(i).record.nonfinite > 0) continue;
    const Matrix& matrix = MatrixAt(i);
    const bool is_small =
        options_.spectra == Spectra::kTop &&
        matrix.weights() <= kSmallSpectrumWeights &&
        std::min(matrix.rows, matrix.cols) <= kSmallSpectrumSide;
    (is_small ? small : large).push_back(i);
  }
  ParallelFor(small.size(), threads_, [&](uint64_t item, int) {
    if (digests_) digests_->Step(measured_bytes_ + kDigestLeadBytes);
    MeasureSpectrumOf(small[item], 1);
  });
  for (const uint32_t index : large) MeasureSpectrumOf(index, threads_);
}

void Analysis::MeasureSpectrumOf(uint32_t index, int threads) {
  const Matrix& matrix = MatrixAt(index);
  const RowReader read = [&](uint64_t row, std::span<float> out) {
    checkpoint_.ReadRows(matrix, row, out);
  };
  MatrixState& state = StateOf(index);
  Spectrum spectrum =
      options_.spectra == Spectra::kFull
          ? FullSpectrum(read, matrix.rows, matrix.cols, threads)
          : MeasureSpectrum(read, matrix.rows, matrix.cols, options_.seed,
                            matrix.name, threads);
  state.record.metrics.spectral_concentration = spectrum.concentration;
  state.record.stable_rank = spectrum.stable_rank;
  state.record.top_energy = spectrum.top_energy;
  state.record.alpha = spectrum.alpha;
  state.singular_values = std::move(spectrum.singular_values);
  Advance(matrix, matrix.rows);
}

}  // namespace

Manifest Analyze(const Checkpoint& checkpoint, const AnalyzeOptions& options,
                 ProfileSink* profiles, Progress& progress) {
  return Analysis(checkpoint, options, profiles, progress).Run();
}

}  // namespace ram
