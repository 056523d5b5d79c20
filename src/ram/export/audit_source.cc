#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "ram/base/digest.h"
#include "ram/base/error.h"
#include "ram/base/parallel.h"
#include "ram/export/head_rows.h"
#include "ram/export/output_audit.h"
#include "ram/export/slice_reader.h"
#include "ram/export/slices.h"
#include "ram/export/sums.h"
#include "ram/quantization/affine.h"
#include "ram/quantization/gguf_blocks.h"
#include "ram/quantization/packed_int.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

// The buffers of one thread.
struct AuditWorker {
  SliceReader reader;
  std::vector<std::byte> parts[3];
  std::vector<std::byte> unpaired;
  std::vector<float> decoded;
};

// `bytes` bytes of a stored tensor from `offset` on.
std::span<const std::byte> ReadPart(const File& file, uint64_t begin,
                                    uint64_t offset, uint64_t bytes,
                                    std::vector<std::byte>& buffer) {
  if (buffer.size() < bytes) buffer.resize(bytes);
  const auto part = std::span(buffer).first(bytes);
  file.ReadAt(begin + offset, part);
  return part;
}

bool SameModules(const Record::UnitError& recorded, const Unit& unit) {
  return std::equal(recorded.modules.begin(), recorded.modules.end(),
                    unit.modules.begin(), unit.modules.end(),
                    [](const auto& a, const UnitModule& b) {
                      return a.name == b.name && a.shape == b.shape;
                    });
}

}  // namespace

class OutputAudit::SourceComparison {
 public:
  SourceComparison(OutputAudit& audit, const Checkpoint& source,
                   const TargetLayout& layout,
                   const std::vector<Scheme>& schemes);
  void Run();

 private:
  void FindStored();
  void AddInputChains();
  void CompareSlice(uint64_t item, AuditWorker& worker);
  FiniteSums CompareUnit(const Slice& slice, AuditWorker& worker);
  void ComparePlain(const Slice& slice, AuditWorker& worker);
  void ReportUnits();
  void ReportPlain();
  void ReportInputs();

  OutputAudit& audit_;
  const Checkpoint& source_;
  const TargetLayout& layout_;
  const std::vector<Scheme>& schemes_;
  const SliceList slices_;
  std::vector<FiniteSums> sums_;  // per slice
  // The first stored tensor of each unit, and each plain tensor; null where
  // something was amiss that has been reported already.
  std::vector<const ExpectedTensor*> units_;
  std::vector<const ExpectedTensor*> plain_;
  std::unique_ptr<std::atomic<bool>[]> plain_differs_;
  DigestChains chains_;
};

OutputAudit::SourceComparison::SourceComparison(
    OutputAudit& audit, const Checkpoint& source, const TargetLayout& layout,
    const std::vector<Scheme>& schemes)
    : audit_(audit),
      source_(source),
      layout_(layout),
      schemes_(schemes),
      slices_(source.model(), layout),
      sums_(slices_.size()),
      units_(layout.units.size()),
      plain_(layout.plain.size()),
      plain_differs_(std::make_unique<std::atomic<bool>[]>(plain_.size())) {}

void OutputAudit::SourceComparison::FindStored() {
  const auto& tensors = audit_.tensors_;
  for (size_t u = 0; u < units_.size(); ++u) {
    const Unit& unit = layout_.units[u];
    const size_t planned = audit_.planned_.at(unit.name);
    const auto begin =
        tensors.begin() + static_cast<ptrdiff_t>(audit_.first_tensor_[planned]);
    const auto end = tensors.begin() +
                     static_cast<ptrdiff_t>(audit_.first_tensor_[planned + 1]);
    const auto whole = [](const ExpectedTensor& t) { return t.whole(); };
    if (begin == end || !std::all_of(begin, end, whole)) continue;
    const auto& recorded = *audit_.recorded_units_.at(unit.name);
    if (recorded.shape != unit.shape || recorded.dtype != unit.kept_dtype ||
        !SameModules(recorded, unit)) {
      audit_.Add(
          begin->stored->expected->name, unit.name,
          fmt::format("shape [{}]", fmt::join(recorded.shape, ", ")),
          fmt::format("[{}], as in the source", fmt::join(unit.shape, ", ")));
      continue;
    }
    units_[u] = &*begin;
  }
  for (size_t p = 0; p < plain_.size(); ++p) {
    const PlainTensor& plain = layout_.plain[p];
    const auto found = audit_.tensor_by_name_.find(plain.name);
    if (found == audit_.tensor_by_name_.end()) {
      audit_.Add(kRecordName, plain.name, "no entry",
                 "one for every tensor of the source");
      continue;
    }
    const ExpectedTensor& tensor = tensors[found->second];
    if (!tensor.plain || !tensor.whole()) continue;
    if (tensor.shape != plain.shape || tensor.dtype != plain.dtype) {
      audit_.Add(
          tensor.stored->expected->name, plain.name,
          fmt::format("shape [{}]", fmt::join(tensor.shape, ", ")),
          fmt::format("[{}], as in the source", fmt::join(plain.shape, ", ")));
      continue;
    }
    plain_[p] = &tensor;
  }
}

void OutputAudit::SourceComparison::AddInputChains() {
  for (const std::string& name : source_.weight_files()) {
    const File* file = &source_.file(name);
    DigestChains::Source source;
    source.bytes = file->size_bytes();
    source.read = [file](uint64_t offset, std::span<std::byte> bytes) {
      file->ReadAt(offset, bytes);
    };
    chains_.Add(std::move(source));
    audit_.result_.bytes_checked += file->size_bytes();
  }
}

FiniteSums OutputAudit::SourceComparison::CompareUnit(const Slice& slice,
                                                      AuditWorker& worker) {
  const Scheme& scheme = schemes_[slice.index];
  const bool codes =
      scheme.kind == SchemeKind::kAffine || scheme.kind == SchemeKind::kInt;
  const size_t parts = codes ? 3 : 1;
  const ExpectedTensor* tensors = units_[slice.index] + parts * slice.module;
  const Unit& unit = layout_.units[slice.index];
  const DType kept = unit.kept_dtype;
  const auto read = [&](size_t part, uint64_t row_bytes) {
    return ReadPart(tensors[part].stored->file, tensors[part].place().begin,
                    slice.stacked_row * row_bytes, slice.rows * row_bytes,
                    worker.parts[part]);
  };
  const auto weights = worker.reader.ReadWeights(slice);
  if (worker.decoded.size() < weights.size()) {
    worker.decoded.resize(weights.size());
  }
  const auto decoded = std::span(worker.decoded).first(weights.size());
  if (scheme.kind == SchemeKind::kInt) {
    DecodePackedInt(scheme, kept,
                    {read(0, PackedIntCodeBytes(scheme, slice.cols)),
                     read(1, PackedIntScaleBytes(scheme, slice.cols))},
                    slice.cols, decoded);
  } else if (scheme.kind == SchemeKind::kAffine) {
    const uint64_t scale_bytes = AffineScaleBytes(scheme, slice.cols);
    DecodeAffine(scheme, kept,
                 {read(0, AffineCodeBytes(scheme, slice.cols)),
                  read(1, scale_bytes), read(2, scale_bytes)},
                 slice.cols, decoded);
  } else {
    const bool blocks = scheme.kind == SchemeKind::kBlocks;
    const uint64_t row_bytes = blocks ? SchemeBytes(scheme, 1, slice.cols)
                                      : slice.cols * DTypeBytes(kept);
    const auto rows = OutOfPairs(unit.head_rows, row_bytes, read(0, row_bytes),
                                 worker.unpaired);
    if (blocks) {
      DecodeBlocks(scheme.type, rows.data(), decoded);
    } else {
      ToFloat(kept, rows.data(), decoded);
    }
  }
  return SumFinite(weights, decoded);
}

void OutputAudit::SourceComparison::ComparePlain(const Slice& slice,
                                                 AuditWorker& worker) {
  const ExpectedTensor& tensor = *plain_[slice.index];
  const auto expected = worker.reader.ReadPlain(slice);
  const PlainTensor& plain = layout_.plain[slice.index];
  const uint64_t row_bytes = slice.cols * DTypeBytes(plain.dtype);
  const auto stored = OutOfPairs(
      plain.head_rows, row_bytes,
      ReadPart(tensor.stored->file, tensor.place().begin, slice.row * row_bytes,
               expected.size(), worker.parts[0]),
      worker.unpaired);
  if (!std::equal(expected.begin(), expected.end(), stored.begin())) {
    plain_differs_[slice.index] = true;
  }
}

void OutputAudit::SourceComparison::CompareSlice(uint64_t item,
                                                 AuditWorker& worker) {
  const Slice slice = slices_[item];
  if (slice.plain && plain_[slice.index] != nullptr) {
    ComparePlain(slice, worker);
  } else if (!slice.plain && units_[slice.index] != nullptr) {
    sums_[item] = CompareUnit(slice, worker);
  }
  audit_.progress_.Advance(worker.reader.SourceBytes(slice));
  chains_.Pump();
}

void OutputAudit::SourceComparison::ReportUnits() {
  std::vector<FiniteSums> sums(units_.size());
  for (uint64_t item = 0; item < slices_.size(); ++item) {
    const Slice slice = slices_[item];
    if (slice.plain) continue;
    sums[slice.index].squared_error += sums_[item].squared_error;
    sums[slice.index].squared_norm += sums_[item].squared_norm;
  }
  AuditResult& result = audit_.result_;
  for (size_t u = 0; u < units_.size(); ++u) {
    if (units_[u] == nullptr) continue;
    const double recorded =
        audit_.recorded_units_.at(layout_.units[u].name)->nmse;
    const double norm = sums[u].squared_norm;
    const double decoded = norm > 0 ? sums[u].squared_error / norm : 0;
    ++result.units_decoded;
    const double difference = std::abs(decoded - recorded);
    if (difference <= kNegligibleNmse) continue;
    const double deviation = difference / std::max(recorded, kNegligibleNmse);
    result.largest_error_deviation =
        std::max(result.largest_error_deviation, deviation);
    if (!(deviation <= kDecodedTolerance)) {
      audit_.Add(units_[u]->stored->expected->name, units_[u]->name,
                 fmt::format("an nmse of {:.9g} against the source", decoded),
                 fmt::format("{:.9g}", recorded));
    }
  }
}

void OutputAudit::SourceComparison::ReportPlain() {
  for (size_t p = 0; p < plain_.size(); ++p) {
    if (plain_differs_[p]) {
      audit_.Add(plain_[p]->stored->expected->name, plain_[p]->name,
                 "other values", "those of the source");
    }
  }
}

void OutputAudit::SourceComparison::ReportInputs() {
  const auto& names = source_.weight_files();
  for (const ExportedFile& input : audit_.record_.inputs) {
    std::string found = "no such file";
    const auto name = std::find(names.begin(), names.end(), input.name);
    if (input.name == "config.json") {
      found = Sha256Hex(source_.config_text());
    } else if (name != names.end()) {
      found = chains_.HexDigest(static_cast<size_t>(name - names.begin()));
    }
    if (!input.sha256.empty() && found != input.sha256) {
      audit_.Add((source_.path() / input.name).string(), "sha256", found,
                 fmt::format("{}, the source in ram.json", input.sha256));
    }
  }
}

void OutputAudit::SourceComparison::Run() {
  FindStored();
  AddInputChains();
  std::vector<AuditWorker> workers;
  for (int i = 0; i < audit_.threads_; ++i) {
    workers.push_back(
        {SliceReader(source_, layout_, slices_.max_weights()), {}, {}, {}});
  }
  uint64_t bytes = 0;
  for (uint64_t item = 0; item < slices_.size(); ++item) {
    bytes += workers[0].reader.SourceBytes(slices_[item]);
  }
  audit_.progress_.Begin("compare", bytes);
  ParallelFor(slices_.size(), audit_.threads_, [&](uint64_t item, int worker) {
    CompareSlice(item, workers[static_cast<size_t>(worker)]);
  });
  chains_.Finish(audit_.threads_);
  audit_.progress_.End();
  source_.CheckUnchanged();
  ReportUnits();
  ReportPlain();
  ReportInputs();
  audit_.result_.source_checked = true;
}

void OutputAudit::CompareWithSource() {
  const Checkpoint source = Checkpoint::Open(*options_.source);
  TargetLayout layout;
  std::vector<Scheme> schemes;
  try {
    layout = FindTarget(plan_->target).Describe(source.model());
    schemes = MatchPlan(*plan_, source.model(), layout, "plan.json");
  } catch (const Error& error) {
    Add("plan.json", "", error.what(),
        fmt::format("a plan for {}", source.path().string()));
    return;
  }
  SourceComparison(*this, source, layout, schemes).Run();
}

}  // namespace ram
