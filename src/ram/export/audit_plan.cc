#include <algorithm>
#include <cmath>

#include "ram/base/checked.h"
#include "ram/base/error.h"
#include "ram/export/output_audit.h"

namespace ram {
namespace {

constexpr char kPlanName[] = "plan.json";

std::string TensorText(std::string_view type,
                       const std::vector<uint64_t>& shape) {
  return fmt::format("{} [{}]", type, fmt::join(shape, ", "));
}

bool NearlyEqual(double a, double b, double tolerance) {
  const double difference = std::abs(a - b);
  return difference <= tolerance * std::max(std::abs(a), std::abs(b)) ||
         difference <= kNegligibleNmse;
}

}  // namespace

void OutputAudit::ReadStoredPlan() {
  const auto plan = std::find_if(
      files_.begin(), files_.end(),
      [](const auto& stored) { return stored->expected->name == kPlanName; });
  if (plan == files_.end()) {
    const bool listed = std::any_of(
        record_.outputs.begin(), record_.outputs.end(),
        [](const ExportedFile& file) { return file.name == kPlanName; });
    if (!listed) Add(kRecordName, "outputs", "no plan.json", "one");
    return;
  }
  if ((*plan)->expected->sha256 != record_.plan_sha256) {
    Add(kRecordName, "plan_sha256", record_.plan_sha256,
        (*plan)->expected->sha256);
  }
  try {
    plan_ = ReadPlan(directory_ / kPlanName);
  } catch (const Error& error) {
    Add(kPlanName, "", error.what(), "a plan that can be read");
  }
}

// The stored tensors of one module follow from its scheme, dtype and shape.
void OutputAudit::ExpectModule(size_t index, const Record::UnitError& unit,
                               const Record::UnitError::Module& module,
                               size_t& hashes) {
  const Scheme& scheme = plan_->units[index].scheme;
  const auto expect = [&](const char* suffix, std::string_view type,
                          DType dtype, std::vector<uint64_t> shape,
                          size_t part) {
    ExpectedTensor tensor;
    tensor.name = module.name + suffix;
    tensor.type = type;
    tensor.dtype = dtype;
    tensor.shape = std::move(shape);
    tensor.xxh3 = hashes < unit.xxh3.size() ? unit.xxh3[hashes] : 0;
    ++hashes;
    tensor.index = index;
    tensor.part = part;
    tensors_.push_back(std::move(tensor));
  };
  const auto with_cols = [&](uint64_t cols) {
    std::vector<uint64_t> shape = module.shape;
    shape.back() = cols;
    return shape;
  };
  const uint64_t cols = module.shape.back();
  const auto bits = static_cast<uint64_t>(scheme.bits);
  const std::string_view kept = DTypeName(unit.dtype);
  switch (scheme.kind) {
    case SchemeKind::kFloat:
      expect(".weight", kept, unit.dtype, module.shape, 0);
      return;
    case SchemeKind::kBlocks:
      expect(".weight", FactsOf(scheme.type).name, DType::kU32, module.shape,
             0);
      return;
    case SchemeKind::kAffine: {
      const uint64_t groups = cols / static_cast<uint64_t>(scheme.group_size);
      expect(".weight", DTypeName(DType::kU32), DType::kU32,
             with_cols(cols * bits / 32), 0);
      expect(".scales", kept, unit.dtype, with_cols(groups), 1);
      expect(".biases", kept, unit.dtype, with_cols(groups), 2);
      return;
    }
    case SchemeKind::kInt: {
      const uint64_t groups = cols / static_cast<uint64_t>(scheme.group_size);
      expect(".weight_packed", DTypeName(DType::kI32), DType::kU32,
             with_cols(cols * bits / 32), 0);
      expect(".weight_scale", kept, unit.dtype, with_cols(groups), 1);
      expect(".weight_shape", DTypeName(DType::kI64), DType::kU32, {2}, 2);
      return;
    }
  }
}

// Of the modules that ram.json says a unit is stored as.
bool OutputAudit::ModulesHold(const PlannedUnit& unit,
                              const Record::UnitError& recorded) {
  uint64_t weights = 0;
  for (const auto& module : recorded.modules) {
    const auto count = CheckedProduct(module.shape);
    const auto sum = count ? CheckedAdd(weights, *count) : std::nullopt;
    if (!sum || module.shape.size() != 2 || *count == 0 ||
        !SchemeFits(unit.scheme, module.shape.back())) {
      return false;
    }
    weights = *sum;
  }
  return recorded.modules.empty() || weights == unit.weights;
}

void OutputAudit::ExpectUnit(size_t index, const Record::UnitError& unit) {
  size_t hashes = 0;
  if (unit.modules.empty()) {
    ExpectModule(index, unit, {unit.unit, unit.shape}, hashes);
  }
  for (const auto& module : unit.modules) {
    ExpectModule(index, unit, module, hashes);
  }
}

void OutputAudit::ExpectTensors() {
  for (const Record::UnitError& unit : record_.units) {
    recorded_units_[unit.unit] = &unit;
  }
  for (size_t i = 0; i < plan_->units.size(); ++i) {
    const PlannedUnit& unit = plan_->units[i];
    first_tensor_.push_back(tensors_.size());
    if (!planned_.emplace(unit.unit, i).second) {
      Add(kPlanName, unit.unit, "a second entry", "one");
      continue;
    }
    const auto recorded = recorded_units_.find(unit.unit);
    if (recorded == recorded_units_.end()) {
      Add(kRecordName, unit.unit, "no entry", "one for every unit of the plan");
      continue;
    }
    const auto& shape = recorded->second->shape;
    const auto weights = CheckedProduct(shape);
    if (shape.empty() || weights != unit.weights || weights == 0u ||
        !SchemeFits(unit.scheme, shape.back()) ||
        !ModulesHold(unit, *recorded->second)) {
      Add(kPlanName, unit.unit,
          fmt::format("{} weights at {}", unit.weights,
                      SchemeLabel(unit.scheme)),
          fmt::format("what fits the shape [{}]", fmt::join(shape, ", ")));
      continue;
    }
    const size_t modules =
        std::max<size_t>(1, recorded->second->modules.size());
    const uint64_t bytes =
        SchemeBytes(unit.scheme, *weights / shape.back(), shape.back()) +
        (unit.scheme.kind == SchemeKind::kInt ? kIntShapeBytes * modules : 0);
    if (unit.bytes != bytes) {
      Add(kPlanName, unit.unit, fmt::format("{} bytes", unit.bytes),
          fmt::format("{} bytes for {}", bytes, SchemeLabel(unit.scheme)));
    }
    const double tolerance = unit.encoder == Encoder::kMinMax
                                 ? kMinMaxPredictionTolerance
                                 : kSearchPredictionTolerance;
    if (unit.nmse &&
        !NearlyEqual(*unit.nmse, recorded->second->nmse, tolerance)) {
      Add(kPlanName, unit.unit,
          fmt::format("a predicted nmse of {:.9g}", *unit.nmse),
          fmt::format("{:.9g}, as stored", recorded->second->nmse));
    }
    ExpectUnit(i, *recorded->second);
  }
  first_tensor_.push_back(tensors_.size());
  for (const Record::UnitError& unit : record_.units) {
    if (!planned_.contains(unit.unit)) {
      Add(kPlanName, unit.unit, "no entry", "one, as in ram.json");
    }
  }
  for (size_t i = 0; i < record_.plain.size(); ++i) {
    const auto& plain = record_.plain[i];
    ExpectedTensor tensor;
    tensor.name = plain.name;
    tensor.type = DTypeName(plain.dtype);
    tensor.dtype = plain.dtype;
    tensor.shape = plain.shape;
    tensor.xxh3 = plain.xxh3;
    tensor.plain = true;
    tensor.index = i;
    tensors_.push_back(std::move(tensor));
  }
  for (size_t i = 0; i < tensors_.size(); ++i) {
    tensor_by_name_[tensors_[i].name] = i;
  }
  result_.tensors_total = tensors_.size();
}

void OutputAudit::CheckMatch(ExpectedTensor& tensor, StoredFile& stored,
                             size_t entry) {
  const Entry& found = stored.entries[entry];
  if (tensor.stored != nullptr) {
    Add(stored.expected->name, found.name, "a second tensor of this name",
        fmt::format("only that in {}", tensor.stored->expected->name));
    return;
  }
  tensor.stored = &stored;
  tensor.entry = entry;
}

void OutputAudit::MatchTensors() {
  for (const auto& stored : files_) {
    for (size_t i = 0; i < stored->entries.size(); ++i) {
      const std::string& name = stored->entries[i].name;
      found_.emplace(name, stored.get());
      const auto expected = tensor_by_name_.find(name);
      if (expected == tensor_by_name_.end()) {
        Add(stored->expected->name, name, "a tensor that the plan lacks",
            "none");
      } else {
        CheckMatch(tensors_[expected->second], *stored, i);
      }
    }
  }
  for (ExpectedTensor& tensor : tensors_) {
    const std::string expected = TensorText(tensor.type, tensor.shape);
    if (tensor.stored == nullptr) {
      Add("model.safetensors.index.json", tensor.name,
          "no such tensor in any file", expected);
      continue;
    }
    const Entry& found = tensor.place();
    if (found.type != tensor.type || found.shape != tensor.shape) {
      Add(tensor.stored->expected->name, tensor.name,
          TensorText(found.type, found.shape), expected);
      tensor.stored = nullptr;
    }
  }
}

void OutputAudit::CheckTotals() {
  uint64_t bytes = 0, file_bytes = 0;
  bool complete = true;
  for (const auto& stored : files_) {
    if (!stored->hashes) continue;  // not a weight file
    complete = complete && !stored->entries.empty();
    file_bytes += stored->file.size_bytes();
    for (const auto& entry : stored->entries) bytes += entry.bytes();
  }
  if (plan_->totals.file_bytes != file_bytes) {
    Add(kPlanName, "totals.file_bytes",
        fmt::to_string(plan_->totals.file_bytes),
        fmt::format("{}, as on disk", file_bytes));
  }
  if (complete && plan_->totals.bytes != bytes) {
    Add(kPlanName, "totals.bytes", fmt::to_string(plan_->totals.bytes),
        fmt::format("{}, as on disk", bytes));
  }
}

}  // namespace ram
