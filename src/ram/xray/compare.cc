#include "ram/xray/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ram/analysis/matrix_slices.h"
#include "ram/base/error.h"
#include "ram/base/parallel.h"
#include "ram/tensor/convert.h"
#include "ram/xray/compare_direction.h"
#include "ram/xray/compare_experts.h"
#include "ram/xray/compare_pairs.h"
#include "ram/xray/compare_rank.h"
#include "ram/xray/compare_verdict.h"

namespace ram {
namespace {

// So much of both models is looked at more than once before the next is read.
constexpr uint64_t kWindowWeights = uint64_t{64} << 20;
// Matrices up to this size are judged in parallel, one thread each.
constexpr uint64_t kSmallWeights = uint64_t{1} << 23;
// An expert that resembles its namesake less may be another one.
constexpr double kStranger = 0.5;
constexpr uint64_t kGridRows = 16;

int MantissaBits(const TensorInfo& tensor) {
  if (!tensor.storage.dense()) return 7;
  switch (tensor.dtype) {
    case DType::kF32:
      return 23;
    case DType::kF16:
      return 10;
    default:
      return 7;
  }
}

// Codes, blocks or 8-bit floats: what only quantisation makes.
bool IsQuantized(const TensorInfo& tensor) {
  return !tensor.storage.dense() || DTypeBytes(tensor.dtype) == 1;
}

class Comparer {
 public:
  Comparer(const Checkpoint& base, const Checkpoint& tuned,
           const CompareOptions& options, Progress& progress)
      : base_(base),
        tuned_(tuned),
        options_(options),
        progress_(progress),
        threads_(ResolveThreads(options.threads)),
        readers_(static_cast<size_t>(threads_)) {}

  Comparison Run();

 private:
  struct Readers {
    MatrixSliceReader base, tuned;
  };
  // A matrix of the tuned model, and which of the base it is compared with.
  struct Task {
    MatrixPair pair;
    MatrixChange change;
  };

  const Matrix& BaseOf(const MatrixPair& pair) const {
    return base_.model().matrices[pair.base];
  }
  const Matrix& TunedOf(const MatrixPair& pair) const {
    return tuned_.model().matrices[pair.tuned];
  }

  void RunWindow(std::span<Task> tasks, bool look_for_strangers);
  void Measure(std::span<Task> tasks);
  void Judge(Task& task, int threads);
  void JudgeRank(Task& task, int threads);
  std::optional<Grid> GridOf(const MatrixPair& pair) const;
  void RunStrangers(std::span<Task> tasks);
  void FollowExperts(Task& router);
  void ComparePlain();
  void Finish(std::vector<Task> tasks);

  const Checkpoint& base_;
  const Checkpoint& tuned_;
  const CompareOptions& options_;
  Progress& progress_;
  int threads_;
  std::vector<Readers> readers_;
  Comparison result_;
  std::vector<Task*> strangers_;
};

void StartChange(const Checkpoint& base, const Checkpoint& tuned,
                 const Matrix& from, const Matrix& to, MatrixChange& change) {
  change.name = to.name;
  change.role = to.role;
  change.layer = to.layer;
  change.expert = to.expert;
  change.base_name = from.name;
  change.rows = std::min(from.rows, to.rows);
  change.cols = to.cols;
  change.base_storage = StorageLabel(base.TensorOf(from));
  change.tuned_storage = StorageLabel(tuned.TensorOf(to));
}

Comparison Comparer::Run() {
  result_.base = base_.path().string();
  result_.tuned = tuned_.path().string();
  result_.base_weights = base_.model().weights();
  result_.tuned_weights = tuned_.model().weights();
  const PairedModels paired = PairModels(base_, tuned_);
  result_.vocabulary = paired.vocabulary;
  result_.added = paired.added;
  result_.removed = paired.removed;
  result_.notes = paired.notes;

  std::vector<Task> tasks;
  uint64_t weights = 0;
  for (const MatrixPair& pair : paired.pairs) {
    Task& task = tasks.emplace_back(Task{pair, {}});
    StartChange(base_, tuned_, BaseOf(pair), TunedOf(pair), task.change);
    weights += task.change.rows * task.change.cols;
  }
  progress_.Begin("compare", 4 * weights);
  for (size_t begin = 0, end = 0; begin < tasks.size(); begin = end) {
    uint64_t in_window = 0;
    while (end < tasks.size() && in_window < kWindowWeights) {
      in_window += tasks[end].change.rows * tasks[end].change.cols;
      ++end;
    }
    RunWindow(std::span(tasks).subspan(begin, end - begin), true);
  }
  RunStrangers(tasks);
  ComparePlain();
  progress_.End();
  base_.CheckUnchanged();
  tuned_.CheckUnchanged();
  Finish(std::move(tasks));
  return std::move(result_);
}

void Comparer::RunWindow(std::span<Task> tasks, bool look_for_strangers) {
  Measure(tasks);
  std::vector<Task*> small, large;
  for (Task& task : tasks) {
    if (look_for_strangers && task.change.expert >= 0 &&
        task.change.cosine() < kStranger) {
      strangers_.push_back(&task);
      continue;
    }
    (task.change.sums.weights <= kSmallWeights ? small : large)
        .push_back(&task);
  }
  ParallelFor(small.size(), threads_,
              [&](uint64_t item, int) { Judge(*small[item], 1); });
  for (Task* const task : large) Judge(*task, threads_);
}

void Comparer::Measure(std::span<Task> tasks) {
  struct Slice {
    size_t task;
    uint64_t row, rows;
  };
  std::vector<Slice> slices;
  for (size_t t = 0; t < tasks.size(); ++t) {
    const uint64_t rows = tasks[t].change.rows;
    const uint64_t step = RowsPerSlice(TunedOf(tasks[t].pair));
    for (uint64_t row = 0; row < rows; row += step) {
      slices.push_back({t, row, std::min(step, rows - row)});
    }
  }
  std::vector<PairSums> sums(slices.size());
  ParallelFor(slices.size(), threads_, [&](uint64_t item, int worker) {
    const Slice& at = slices[item];
    const MatrixPair& pair = tasks[at.task].pair;
    Readers& readers = readers_[static_cast<size_t>(worker)];
    const auto base =
        readers.base.ReadFloats(base_, BaseOf(pair), at.row, at.rows);
    const auto tuned =
        readers.tuned.ReadFloats(tuned_, TunedOf(pair), at.row, at.rows);
    sums[item] = SumPair(base, tuned, tasks[at.task].change.cols,
                         MantissaBits(tuned_.TensorOf(TunedOf(pair))));
    progress_.Advance(4 * tuned.size());
  });
  for (Task& task : tasks) task.change.sums = {};
  for (size_t i = 0; i < slices.size(); ++i) {
    tasks[slices[i].task].change.sums.Add(sums[i]);
  }
  for (const Task& task : tasks) {
    if (task.change.sums.nonfinite == 0) continue;
    Fail(ErrorKind::kCorrupt,
         "{}: {}: found {} NaN or infinite weights in it or in {}, expected "
         "finite ones",
         result_.tuned, task.change.name, task.change.sums.nonfinite,
         result_.base);
  }
}

// Of the tuned rows, where the base does not lie on one, too.
std::optional<Grid> Comparer::GridOf(const MatrixPair& pair) const {
  const Matrix& from = BaseOf(pair);
  const Matrix& to = TunedOf(pair);
  const uint64_t all = std::min(from.rows, to.rows);
  const uint64_t count = std::min(kGridRows, all);
  std::vector<float> base(count * to.cols), tuned(count * to.cols);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t row = i * all / count;
    const std::span<float> out(tuned);
    tuned_.ReadRows(to, row, out.subspan(i * to.cols, to.cols));
    base_.ReadRows(from, row, std::span(base).subspan(i * to.cols, to.cols));
  }
  const auto grid = FindGrid(tuned, to.cols);
  return grid && !FindGrid(base, to.cols) ? grid : std::nullopt;
}

void Comparer::Judge(Task& task, int threads) {
  const TensorInfo& from = base_.TensorOf(BaseOf(task.pair));
  const TensorInfo& to = tuned_.TensorOf(TunedOf(task.pair));
  const bool codes = IsQuantized(to) && StorageLabel(from) != StorageLabel(to);
  std::optional<Grid> grid;
  if (task.change.sums.changed > 0 && !codes) grid = GridOf(task.pair);
  if (!JudgeBySums(grid, codes, task.change)) JudgeRank(task, threads);
}

void Comparer::JudgeRank(Task& task, int threads) {
  const Matrix& from = BaseOf(task.pair);
  const Matrix& to = TunedOf(task.pair);
  const RowReader read = [&](uint64_t row, std::span<float> out) {
    thread_local std::vector<float> base;
    if (base.size() < out.size()) base.resize(out.size());
    const std::span<float> old = std::span(base).first(out.size());
    base_.ReadRows(from, row, old);
    tuned_.ReadRows(to, row, out);
    for (size_t i = 0; i < out.size(); ++i) out[i] -= old[i];
  };
  const RowReader read_tuned = [&](uint64_t row, std::span<float> out) {
    tuned_.ReadRows(to, row, out);
  };
  MatrixChange& change = task.change;
  change.rounding_edge =
      RoundingEdge(read_tuned, change.rows, change.cols,
                   MantissaBits(tuned_.TensorOf(to)), threads);
  LeadingValues leading;
  int blocks = 0;
  while (const int more = BlocksToMeasure(change, leading, blocks)) {
    blocks = more;
    leading = MeasureLeading(read, change.rows, change.cols,
                             change.sums.largest_change, blocks, options_.seed,
                             change.name, threads);
  }
  JudgeByRank(leading, change);
  if (leading.direction.empty()) return;
  LeadingVectors vectors = CompleteLeading(
      read, change.rows, change.cols, std::move(leading.direction), threads);
  if (change.sums.base_squares > 0) {
    const RowReader read_base = [&](uint64_t row, std::span<float> out) {
      base_.ReadRows(from, row, out);
    };
    change.alignment =
        MeasureAlignment(read_base, change.rows, change.cols,
                         change.sums.base_squares, vectors, threads);
  }
  change.direction = ResidualDirection(change, std::move(vectors));
}

void Comparer::RunStrangers(std::span<Task> tasks) {
  if (strangers_.empty()) return;
  std::vector<MatrixPair> pairs;
  for (const Task* task : strangers_) pairs.push_back(task->pair);
  const ExpertMatches matches = MatchExperts(base_, tuned_, pairs, threads_);
  result_.moved = matches.moved;
  std::vector<Task> again;
  for (size_t i = 0; i < pairs.size(); ++i) {
    Task task{matches.pairs[i], {}};
    StartChange(base_, tuned_, BaseOf(task.pair), TunedOf(task.pair),
                task.change);
    again.push_back(std::move(task));
  }
  RunWindow(again, false);
  for (size_t i = 0; i < pairs.size(); ++i) {
    *strangers_[i] = std::move(again[i]);
  }
  std::set<int> layers;
  for (const MovedExpert& moved : result_.moved) layers.insert(moved.layer);
  for (Task& task : tasks) {
    if (task.change.role == "router" && layers.contains(task.change.layer)) {
      FollowExperts(task);
    }
  }
}

// A router whose rows moved with the experts is what it was.
void Comparer::FollowExperts(Task& router) {
  const Matrix& from = BaseOf(router.pair);
  const Matrix& to = TunedOf(router.pair);
  if (from.rows != to.rows) return;
  std::vector<float> base(from.weights()), tuned(to.weights());
  base_.ReadRows(from, 0, base);
  tuned_.ReadRows(to, 0, tuned);
  std::vector<float> moved = base;
  const auto cols = static_cast<ptrdiff_t>(from.cols);
  for (const MovedExpert& expert : result_.moved) {
    if (expert.layer != to.layer) continue;
    const auto last = static_cast<int64_t>(from.rows) - 1;
    if (expert.from > last || expert.to > last) return;
    const auto row = base.begin() + expert.from * cols;
    std::copy(row, row + cols, moved.begin() + expert.to * cols);
  }
  const PairSums sums =
      SumPair(moved, tuned, to.cols, MantissaBits(tuned_.TensorOf(to)));
  if (sums.changed > 0) return;
  MatrixChange change;
  StartChange(base_, tuned_, from, to, change);
  change.sums = sums;
  change.detail = "rows moved with the experts";
  router.change = std::move(change);
}

std::vector<float> ReadPlain(const Checkpoint& checkpoint, uint32_t index) {
  const TensorInfo& tensor = checkpoint.model().tensors[index];
  std::vector<std::byte> bytes(tensor.bytes());
  checkpoint.ReadTensor(index, 0, bytes);
  std::vector<float> values(tensor.elements());
  ToFloat(tensor.dtype, bytes.data(), values);
  return values;
}

void Comparer::ComparePlain() {
  std::map<std::string_view, uint32_t> in_base;
  const Model& base = base_.model();
  const Model& tuned = tuned_.model();
  const auto is_plain = [](const Model& model, uint32_t i) {
    return model.uses[i] == TensorUse::kPlain &&
           model.tensors[i].storage.dense();
  };
  for (uint32_t i = 0; i < base.tensors.size(); ++i) {
    if (is_plain(base, i)) in_base.emplace(base.tensors[i].name, i);
  }
  for (uint32_t i = 0; i < tuned.tensors.size(); ++i) {
    const TensorInfo& tensor = tuned.tensors[i];
    const auto found = in_base.find(tensor.name);
    if (!is_plain(tuned, i) || found == in_base.end()) continue;
    if (base.tensors[found->second].elements() != tensor.elements()) continue;
    const std::vector<float> from = ReadPlain(base_, found->second);
    const std::vector<float> to = ReadPlain(tuned_, i);
    const PairSums sums = SumPair(from, to, std::max<size_t>(1, to.size()), 7);
    ++result_.plain_compared;
    if (sums.changed == 0) continue;
    result_.plain.push_back(
        {tensor.name,
         sums.base_squares > 0
             ? std::sqrt(sums.change_squares / sums.base_squares)
             : 0,
         sums.changed, sums.weights});
  }
}

void Comparer::Finish(std::vector<Task> tasks) {
  std::vector<std::vector<float>> directions;
  for (Task& task : tasks) {
    if (!task.change.direction.empty()) {
      directions.push_back(std::move(task.change.direction));
      task.change.direction.clear();
    }
    result_.matrices.push_back(std::move(task.change));
  }
  const CommonDirection common = FindCommonDirection(directions);
  result_.directions = directions.size();
  result_.common_direction = common.share;
  result_.chance_direction = common.chance;
}

}  // namespace

std::string_view ChangeKindName(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kSame:
      return "same";
    case ChangeKind::kRounding:
      return "rounded";
    case ChangeKind::kScaled:
      return "scaled";
    case ChangeKind::kPruned:
      return "pruned";
    case ChangeKind::kQuantized:
      return "quantised";
    case ChangeKind::kLowRank:
      return "low rank";
    case ChangeKind::kFullRank:
      break;
  }
  return "full rank";
}

double MatrixChange::relative_change() const {
  if (sums.base_squares > 0) {
    return std::sqrt(sums.change_squares / sums.base_squares);
  }
  return sums.change_squares > 0 ? INFINITY : 0;
}

double MatrixChange::cosine() const {
  const double norms = std::sqrt(sums.base_squares * sums.tuned_squares);
  if (norms > 0) return std::clamp(sums.products / norms, -1.0, 1.0);
  return sums.changed == 0 ? 1 : 0;
}

double MatrixChange::changed_share() const {
  return sums.weights == 0 ? 0
                           : static_cast<double>(sums.changed) /
                                 static_cast<double>(sums.weights);
}

double MatrixChange::scale() const {
  return sums.base_squares > 0 ? sums.products / sums.base_squares : 1;
}

Comparison Compare(const Checkpoint& base, const Checkpoint& tuned,
                   const CompareOptions& options, Progress& progress) {
  return Comparer(base, tuned, options, progress).Run();
}

}  // namespace ram
