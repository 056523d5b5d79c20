#include "ram/export/export_model.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <memory>

#include "ram/base/digest.h"
#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/parallel.h"
#include "ram/checkpoint/nonfinite.h"
#include "ram/container/gguf.h"
#include "ram/export/digest_chains.h"
#include "ram/export/gguf_hyperparameters.h"
#include "ram/export/head_rows.h"
#include "ram/export/slice_reader.h"
#include "ram/export/slices.h"
#include "ram/export/sums.h"
#include "ram/export/weight_files.h"
#include "ram/quantization/affine.h"
#include "ram/quantization/gguf_encode.h"
#include "ram/quantization/packed_int.h"
#include "ram/tensor/convert.h"
#include "ram/tokenizer/gguf_tokenizer_files.h"

namespace ram {
namespace {

// The buffers of one thread.
struct ExportWorker {
  SliceReader reader;
  std::vector<std::byte> codes, scales, biases, paired;
  std::vector<float> decoded;
};

std::vector<Record::UnitError::Module> RecordedModules(const Unit& unit) {
  std::vector<Record::UnitError::Module> modules;
  for (const UnitModule& module : unit.modules) {
    modules.push_back({module.name, module.shape});
  }
  return modules;
}

class Exporter {
 public:
  Exporter(const Checkpoint& checkpoint, const Target& target,
           const TargetLayout& layout, const Plan& plan,
           const ExportOptions& options, OutputDirectory& out,
           Progress& progress)
      : checkpoint_(checkpoint),
        model_(checkpoint.model()),
        layout_(layout),
        options_(options),
        schemes_(MatchPlan(plan, model_, layout, "plan")),
        plan_(plan),
        slices_(model_, layout),
        sums_(slices_.size()),
        files_(target.LayOutFiles(layout, schemes_), layout, out),
        progress_(progress) {}

  void WriteWeights();
  ExportResult Result() const;
  const std::vector<Scheme>& schemes() const { return schemes_; }
  const WeightFiles& files() const { return files_; }

 private:
  void AddInputChains();
  void WriteShapes();
  void WriteSlice(uint64_t item, ExportWorker& worker);
  FiniteSums WriteUnit(const Slice& slice, std::span<const float> weights,
                       ExportWorker& worker);
  FiniteSums WriteCodes(const Slice& slice, std::span<const float> weights,
                        ExportWorker& worker);
  FiniteSums WriteBlocks(const Slice& slice, std::span<const float> weights,
                         ExportWorker& worker);
  FiniteSums WriteKept(const Slice& slice, std::span<const float> weights,
                       ExportWorker& worker);
  void CheckFinite(const Slice& slice, std::span<const float> weights,
                   const FiniteSums& sums) const;

  const Checkpoint& checkpoint_;
  const Model& model_;
  const TargetLayout& layout_;
  const ExportOptions& options_;
  const std::vector<Scheme> schemes_;
  const Plan& plan_;  // its units are those of the layout, in order
  const SliceList slices_;
  std::vector<FiniteSums> sums_;  // per slice
  WeightFiles files_;
  Progress& progress_;
  DigestChains chains_;  // of the inputs, then of the outputs
  // Per input file: encoding has come so far.
  std::map<std::string, std::atomic<uint64_t>> read_until_;
};

void Exporter::AddInputChains() {
  if (!options_.input_digests) return;
  for (const std::string& name : checkpoint_.weight_files()) {
    const File& file = checkpoint_.file(name);
    std::atomic<uint64_t>& until = read_until_[name];
    until = 0;
    chains_.Add({file.size_bytes(),
                 [&file](uint64_t offset, std::span<std::byte> bytes) {
                   file.ReadAt(offset, bytes);
                 },
                 [&until] { return until.load(); },
                 {}});
  }
}

// Errors beyond the range of a double, or of the stored type, as well.
void Exporter::CheckFinite(const Slice& slice, std::span<const float> weights,
                           const FiniteSums& sums) const {
  if (std::isfinite(sums.squared_norm) && std::isfinite(sums.squared_error)) {
    return;
  }
  const Matrix& matrix = model_.matrices[slice.matrix];
  const auto index = FindNonfinite(weights);
  if (!index) {
    const std::string& file = model_.tensors[matrix.tensor].file;
    Fail(ErrorKind::kCorrupt,
         "{}: {}: found weights too large for {}, expected smaller ones", file,
         matrix.name, DTypeName(layout_.units[slice.index].kept_dtype));
  }
  FailNonfinite(checkpoint_, matrix, slice.row * slice.cols + *index,
                weights[*index]);
}

FiniteSums Exporter::WriteCodes(const Slice& slice,
                                std::span<const float> weights,
                                ExportWorker& worker) {
  const Unit& unit = layout_.units[slice.index];
  const Scheme& scheme = schemes_[slice.index];
  const uint64_t code_bytes = AffineCodeBytes(scheme, slice.cols);
  const uint64_t scale_bytes = AffineScaleBytes(scheme, slice.cols);
  const auto part = [&](std::vector<std::byte>& buffer, uint64_t row_bytes) {
    const uint64_t bytes = slice.rows * row_bytes;
    if (buffer.size() < bytes) buffer.resize(bytes);
    return std::span(buffer).first(bytes);
  };
  const AffineOutput out = {part(worker.codes, code_bytes),
                            part(worker.scales, scale_bytes),
                            part(worker.biases, scale_bytes)};
  FiniteSums sums;
  sums.squared_norm = SumOfSquares(weights);
  CheckFinite(slice, weights, sums);
  const bool ints = scheme.kind == SchemeKind::kInt;
  const Encoder encoder = plan_.units[slice.index].encoder;
  sums.squared_error =
      ints ? EncodePackedInt(scheme, encoder, unit.kept_dtype, weights,
                             slice.cols, {out.codes, out.scales})
           : EncodeAffine(scheme, encoder, unit.kept_dtype, weights, slice.cols,
                          out);
  CheckFinite(slice, weights, sums);
  files_.WriteUnit(slice.index, slice.module, 0, slice.stacked_row * code_bytes,
                   out.codes);
  files_.WriteUnit(slice.index, slice.module, 1,
                   slice.stacked_row * scale_bytes, out.scales);
  if (!ints) {
    files_.WriteUnit(slice.index, slice.module, 2,
                     slice.stacked_row * scale_bytes, out.biases);
  }
  return sums;
}

FiniteSums Exporter::WriteBlocks(const Slice& slice,
                                 std::span<const float> weights,
                                 ExportWorker& worker) {
  const Unit& unit = layout_.units[slice.index];
  const Scheme& scheme = schemes_[slice.index];
  const bool fast = plan_.units[slice.index].encoder == Encoder::kFast;
  const uint64_t row_bytes = SchemeBytes(scheme, 1, slice.cols);
  const uint64_t bytes = slice.rows * row_bytes;
  if (worker.codes.size() < bytes) worker.codes.resize(bytes);
  FiniteSums sums;
  sums.squared_norm = SumOfSquares(weights);
  CheckFinite(slice, weights, sums);
  sums.squared_error =
      EncodeBlocks(scheme.type, fast ? BlockEffort::kFast : BlockEffort::kBest,
                   weights, slice.cols, {}, worker.codes.data());
  CheckFinite(slice, weights, sums);
  files_.WriteUnit(
      slice.index, slice.module, 0, slice.stacked_row * row_bytes,
      InPairs(unit.head_rows, row_bytes, std::span(worker.codes).first(bytes),
              worker.paired));
  return sums;
}

FiniteSums Exporter::WriteKept(const Slice& slice,
                               std::span<const float> weights,
                               ExportWorker& worker) {
  const Unit& unit = layout_.units[slice.index];
  const std::span<const std::byte> kept = worker.reader.Kept(slice);
  if (worker.decoded.size() < weights.size()) {
    worker.decoded.resize(weights.size());
  }
  const auto decoded = std::span(worker.decoded).first(weights.size());
  ToFloat(unit.kept_dtype, kept.data(), decoded);
  const FiniteSums sums = SumFinite(weights, decoded);
  CheckFinite(slice, weights, sums);
  const uint64_t row_bytes = slice.cols * DTypeBytes(unit.kept_dtype);
  files_.WriteUnit(slice.index, slice.module, 0, slice.stacked_row * row_bytes,
                   InPairs(unit.head_rows, row_bytes, kept, worker.paired));
  return sums;
}

FiniteSums Exporter::WriteUnit(const Slice& slice,
                               std::span<const float> weights,
                               ExportWorker& worker) {
  switch (schemes_[slice.index].kind) {
    case SchemeKind::kAffine:
    case SchemeKind::kInt:
      return WriteCodes(slice, weights, worker);
    case SchemeKind::kBlocks:
      return WriteBlocks(slice, weights, worker);
    case SchemeKind::kFloat:
      break;
  }
  return WriteKept(slice, weights, worker);
}

void Exporter::WriteSlice(uint64_t item, ExportWorker& worker) {
  const Slice slice = slices_[item];
  if (slice.plain) {
    const PlainTensor& plain = layout_.plain[slice.index];
    const uint64_t row_bytes = slice.cols * DTypeBytes(plain.dtype);
    files_.WritePlain(slice.index, slice.row * row_bytes,
                      InPairs(plain.head_rows, row_bytes,
                              worker.reader.ReadPlain(slice), worker.paired));
  } else {
    const auto weights = worker.reader.ReadWeights(slice);
    sums_[item] = WriteUnit(slice, weights, worker);
  }
  const uint32_t tensor = slice.plain ? layout_.plain[slice.index].tensor
                                      : model_.matrices[slice.matrix].tensor;
  const auto until = read_until_.find(model_.tensors[tensor].file);
  if (until != read_until_.end()) {
    const uint64_t end = worker.reader.SourceEnd(slice);
    uint64_t before = until->second;
    while (before < end && !until->second.compare_exchange_weak(before, end)) {
    }
  }
  progress_.Advance(worker.reader.SourceBytes(slice));
  chains_.Pump();
}

// Codes alone do not say of what shape they are.
void Exporter::WriteShapes() {
  for (uint32_t u = 0; u < layout_.units.size(); ++u) {
    if (schemes_[u].kind != SchemeKind::kInt) continue;
    const Unit& unit = layout_.units[u];
    for (uint32_t m = 0; m < unit.module_count(); ++m) {
      files_.WriteUnit(u, m, 2, 0,
                       std::as_bytes(std::span(unit.module_shape(m))));
    }
  }
}

void Exporter::WriteWeights() {
  const int threads = ResolveThreads(options_.threads);
  AddInputChains();
  files_.AddChains(chains_);
  WriteShapes();
  uint64_t source_bytes = 0;
  std::vector<ExportWorker> workers;
  for (int i = 0; i < threads; ++i) {
    workers.push_back({SliceReader(checkpoint_, layout_, slices_.max_weights()),
                       {},
                       {},
                       {},
                       {},
                       {}});
  }
  for (uint64_t item = 0; item < slices_.size(); ++item) {
    source_bytes += workers[0].reader.SourceBytes(slices_[item]);
  }
  progress_.Begin("write", source_bytes);
  ParallelFor(slices_.size(), threads, [&](uint64_t item, int worker) {
    WriteSlice(item, workers[static_cast<size_t>(worker)]);
  });
  chains_.Finish(threads);
  progress_.End();
}

ExportResult Exporter::Result() const {
  ExportResult result;
  result.units.resize(layout_.units.size());
  std::vector<uint64_t> nonfinite(layout_.units.size());
  for (uint64_t item = 0; item < slices_.size(); ++item) {
    const Slice slice = slices_[item];
    if (slice.plain) continue;
    result.units[slice.index].squared_error += sums_[item].squared_error;
    result.units[slice.index].squared_norm += sums_[item].squared_norm;
    nonfinite[slice.index] += sums_[item].nonfinite;
  }
  Record& record = result.record;
  for (uint32_t u = 0; u < layout_.units.size(); ++u) {
    const Unit& unit = layout_.units[u];
    record.units.push_back({unit.name, result.units[u].nmse(), unit.kept_dtype,
                            unit.shape, nonfinite[u], files_.UnitHashes(u),
                            RecordedModules(unit)});
  }
  for (uint32_t p = 0; p < layout_.plain.size(); ++p) {
    const PlainTensor& plain = layout_.plain[p];
    record.plain.push_back(
        {plain.name, plain.dtype, plain.shape, files_.PlainHash(p)});
  }
  size_t chain = 0;
  for (const std::string& name : checkpoint_.weight_files()) {
    record.inputs.push_back(
        {name, checkpoint_.file(name).size_bytes(),
         options_.input_digests ? chains_.HexDigest(chain++) : ""});
  }
  const std::string& config = checkpoint_.config_text();
  record.inputs.push_back({"config.json", config.size(), Sha256Hex(config)});
  record.outputs = files_.Files(chains_, chain);
  return result;
}

// model.safetensors.index.json as mlx-lm writes it: sorted names, bytes of
// all tensors, and one parameter per weight however it is stored.
std::string IndexText(std::span<const OutputFileLayout> files,
                      const TargetLayout& layout) {
  uint64_t bytes = 0, parameters = 0;
  std::map<std::string, std::string> weight_map;
  for (const OutputFileLayout& file : files) {
    for (const StoredTensor& tensor : file.tensors) {
      bytes += tensor.bytes;
      weight_map[tensor.name] = file.name;
      if (tensor.kind == StoredTensor::Kind::kPlain) {
        parameters += tensor.bytes / DTypeBytes(tensor.dtype);
      }
    }
  }
  for (const Unit& unit : layout.units) parameters += unit.weights();
  OrderedJson index;
  index["metadata"] = {{"total_size", bytes}, {"total_parameters", parameters}};
  index["weight_map"] = weight_map;
  return index.dump(4) + "\n";
}

void WriteText(const std::string& name, const std::string& text,
               OutputDirectory& out, Record& record) {
  out.Write(name, text);
  record.outputs.push_back({name, text.size(), Sha256Hex(text)});
}

// What stands beside the weights in a model directory, made from GGUF's
// metadata; a note where that cannot be done.
std::map<std::string, std::string> GgufCompanions(
    const Checkpoint& checkpoint, std::vector<std::string>& notes) {
  const File& file = checkpoint.file(checkpoint.weight_files().front());
  if (!IsGguf(file)) return {};
  try {
    return GgufTokenizerFiles(ReadGgufHeader(file).metadata);
  } catch (const Error& error) {
    notes.push_back(
        fmt::format("no tokenizer was written ({}): take tokenizer.json from "
                    "the model that the GGUF file was made from",
                    error.what()));
    return {};
  }
}

void WriteCompanions(const Checkpoint& checkpoint, ExportResult& result,
                     OutputDirectory& out) {
  for (const std::string& name : checkpoint.CompanionFiles()) {
    WriteText(name, ReadTextFile(checkpoint.path() / name), out, result.record);
  }
  for (const auto& [name, text] : GgufCompanions(checkpoint, result.notes)) {
    WriteText(name, text, out, result.record);
  }
}

}  // namespace

ExportResult ExportModel(const Checkpoint& checkpoint, const Target& target,
                         const TargetLayout& layout, const Plan& plan,
                         const ExportOptions& options, OutputDirectory& out,
                         Progress& progress) {
  Exporter exporter(checkpoint, target, layout, plan, options, out, progress);
  exporter.WriteWeights();
  ExportResult result = exporter.Result();
  Record& record = result.record;
  const bool beside = target.format() == OutputFormat::kSafetensors;
  if (beside) {
    WriteText("model.safetensors.index.json",
              IndexText(exporter.files().layouts(), layout), out, record);
    WriteText("config.json",
              target.ConfigText(checkpoint.model(), layout, exporter.schemes()),
              out, record);
  }
  const std::string plan_text = PlanToJson(plan);
  WriteText("plan.json", plan_text, out, record);
  record.plan_sha256 = Sha256Hex(plan_text);
  if (beside) WriteCompanions(checkpoint, result, out);
  if (target.format() == OutputFormat::kGguf) {
    const Model& model = checkpoint.model();
    if (auto note = GgufWindowNote(model, FindGgufTargetFamily(model))) {
      result.notes.push_back(*std::move(note));
    }
  }
  checkpoint.CheckUnchanged();
  return result;
}

}  // namespace ram
