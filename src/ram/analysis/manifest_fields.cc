#include "ram/analysis/manifest_fields.h"

#include <cmath>

#include "ram/tensor/dtype.h"

namespace ram {
namespace {

using Value = JsonScalar;

bool Nothing(ParsedManifest&, const Value&) { return true; }

double NumberOf(const Value& value) {
  return value.kind == Value::Kind::kNull ? std::nan("") : value.number;
}

// Setters for members of the entry being read.
template <auto kMember>
bool SetTop(ParsedManifest& manifest, const Value& value) {
  auto& member = manifest.*kMember;
  if constexpr (std::is_same_v<decltype(member), std::string&>) {
    member = *value.string;
  } else {
    member = value.uint;
  }
  return true;
}

template <auto kMember>
bool SetText(ParsedManifest& manifest, const Value& value) {
  manifest.tensors.back().*kMember = *value.string;
  return true;
}

template <auto kMember>
bool SetCount(ParsedManifest& manifest, const Value& value) {
  manifest.tensors.back().*kMember = value.uint;
  return true;
}

template <auto kMember>
bool AppendCount(ParsedManifest& manifest, const Value& value) {
  (manifest.tensors.back().*kMember).push_back(value.uint);
  return true;
}

template <auto kMember>
bool SetRecordNumber(ParsedManifest& manifest, const Value& value) {
  manifest.tensors.back().record.*kMember = NumberOf(value);
  return true;
}

template <auto kMember>
bool SetRecordOptional(ParsedManifest& manifest, const Value& value) {
  auto& member = manifest.tensors.back().record.*kMember;
  member.reset();
  if (value.kind != Value::Kind::kNull) member = value.number;
  return true;
}

template <auto kMember>
bool SetRecordCount(ParsedManifest& manifest, const Value& value) {
  manifest.tensors.back().record.*kMember = value.uint;
  return true;
}

template <auto kMember>
bool SetMetric(ParsedManifest& manifest, const Value& value) {
  auto& member = manifest.tensors.back().record.metrics.*kMember;
  member.reset();
  if (value.kind != Value::Kind::kNull) member = value.number;
  return true;
}

bool SetDType(ParsedManifest& manifest, const Value& value) {
  const auto dtype = ParseDType(*value.string);
  if (dtype) manifest.tensors.back().dtype = *dtype;
  return dtype.has_value();
}

bool AppendNmse(ParsedManifest& manifest, const Value& value) {
  manifest.tensors.back().record.nmse.push_back(NumberOf(value));
  return true;
}

bool ReserveNmse(ParsedManifest& manifest, const Value&) {
  manifest.tensors.back().record.nmse.reserve(manifest.schemes.size());
  return true;
}

bool AddTensor(ParsedManifest& manifest, const Value&) {
  manifest.tensors.emplace_back();
  return true;
}

bool MarkSource(ParsedManifest& manifest, const Value&) {
  manifest.tensors.back().has_source = true;
  return true;
}

bool AddFile(ParsedManifest& manifest, const Value&) {
  manifest.files.emplace_back();
  return true;
}

bool AddScheme(ParsedManifest& manifest, const Value&) {
  manifest.schemes.emplace_back();
  return true;
}

bool SetSchemeKind(ParsedManifest& manifest, const Value& value) {
  const auto kind = ParseSchemeKind(*value.string);
  if (kind) manifest.schemes.back().scheme.kind = *kind;
  return kind.has_value();
}

bool SetSchemeType(ParsedManifest& manifest, const Value& value) {
  const auto type = ParseBlockType(*value.string);
  if (type) manifest.schemes.back().scheme.type = *type;
  return type.has_value();
}

bool SetSchemeEncoder(ParsedManifest& manifest, const Value& value) {
  const auto encoder = ParseEncoder(*value.string);
  if (encoder) manifest.schemes.back().encoder = *encoder;
  return encoder.has_value();
}

bool SetSchemeBits(ParsedManifest& manifest, const Value& value) {
  manifest.schemes.back().scheme.bits = static_cast<int>(value.uint);
  return value.uint >= 1 && value.uint <= 16;
}

bool SetSchemeGroup(ParsedManifest& manifest, const Value& value) {
  manifest.schemes.back().scheme.group_size = static_cast<int>(value.uint);
  return value.uint <= 65'536;
}

bool MarkCodes(ParsedManifest& manifest, const Value&) {
  Storage& storage = manifest.tensors.back().storage;
  storage.kind = Storage::Kind::kAffine;
  storage.scheme = Affine(0, 0);
  return true;
}

bool SetBlocks(ParsedManifest& manifest, const Value& value) {
  const auto type = ParseGgmlType(*value.string);
  if (!type || FactsOf(*type).block_weights == 1) return false;
  Storage& storage = manifest.tensors.back().storage;
  storage.kind = Storage::Kind::kBlocks;
  storage.block_type = *type;
  return true;
}

bool SetCodeKind(ParsedManifest& manifest, const Value& value) {
  const auto kind = ParseSchemeKind(*value.string);
  manifest.tensors.back().storage.scheme.kind =
      kind.value_or(SchemeKind::kAffine);
  return kind == SchemeKind::kAffine || kind == SchemeKind::kInt;
}

bool SetCodeBits(ParsedManifest& manifest, const Value& value) {
  manifest.tensors.back().storage.scheme.bits = static_cast<int>(value.uint);
  return value.uint >= 2 && value.uint <= 8;
}

bool SetCodeGroup(ParsedManifest& manifest, const Value& value) {
  manifest.tensors.back().storage.scheme.group_size =
      static_cast<int>(value.uint);
  return value.uint >= 32 && value.uint <= 128;
}

constexpr FieldType kUint = FieldType::kUint;
constexpr FieldType kNumber = FieldType::kNumber;
constexpr FieldType kString = FieldType::kString;
constexpr FieldType kObject = FieldType::kObject;
constexpr FieldType kArray = FieldType::kArray;

constexpr std::string_view kCount = "a whole number, zero or more";
constexpr std::string_view kReal = "a number or null";
constexpr std::string_view kText = "a string";
constexpr std::string_view kDimensions = "an array of dimensions";

using Tensor = ParsedTensor;
using Record = MatrixRecord;

constexpr JsonSlot kDimension = {kUint, kCount, AppendCount<&Tensor::shape>};
constexpr JsonContext kShape = {{}, &kDimension};
constexpr JsonSlot kSourceDimension = {kUint, kCount,
                                       AppendCount<&Tensor::source_shape>};
constexpr JsonContext kSourceShape = {{}, &kSourceDimension};
constexpr JsonSlot kError = {kNumber, kReal, AppendNmse};
constexpr JsonContext kErrors = {{}, &kError};

constexpr JsonField kSourceFields[] = {
    {"tensor", true, {kString, kText, SetText<&Tensor::source_tensor>}},
    {"shape", true, {kArray, kDimensions, Nothing, &kSourceShape}},
};
constexpr JsonContext kSource = {kSourceFields};

constexpr JsonField kStoredFields[] = {
    {"scheme", false, {kString, "\"affine\" or \"int\"", SetCodeKind}},
    {"bits", true, {kUint, "2 to 8", SetCodeBits}},
    {"group_size", true, {kUint, "32, 64 or 128", SetCodeGroup}},
};
constexpr JsonContext kStored = {kStoredFields};

constexpr JsonField kMetricFields[] = {
    {"spectral_concentration",
     false,
     {kNumber, kReal, SetMetric<&Metrics::spectral_concentration>}},
    {"excess_kurtosis",
     false,
     {kNumber, kReal, SetMetric<&Metrics::excess_kurtosis>}},
    {"output_noise",
     false,
     {kNumber, kReal, SetMetric<&Metrics::output_noise>}},
    {"rounding_error_4bit_g128",
     false,
     {kNumber, kReal, SetMetric<&Metrics::rounding_error>}},
};
constexpr JsonContext kMetrics = {kMetricFields};

bool SetName(ParsedManifest& manifest, const Value& value) {
  manifest.tensors.back().record.name = *value.string;
  return !value.string->empty();
}

// In the order in which they are written, which makes reading quicker.
constexpr JsonField kTensorFields[] = {
    {"name", true, {kString, "a name", SetName}},
    {"file", false, {kString, kText, SetText<&Tensor::file>}},
    {"dtype", false, {kString, "a safetensors type like BF16", SetDType}},
    {"shape", true, {kArray, kDimensions, Nothing, &kShape}},
    {"weights", false, {kUint, kCount, SetCount<&Tensor::weights>}},
    {"role", false, {kString, kText, SetText<&Tensor::role>}},
    {"layer", false, {kUint, kCount, SetCount<&Tensor::layer>}},
    {"expert", false, {kUint, kCount, SetCount<&Tensor::expert>}},
    {"source", false, {kObject, "an object", MarkSource, &kSource}},
    {"stored", false, {kObject, "an object", MarkCodes, &kStored}},
    {"blocks", false, {kString, "a block type like Q4_K", SetBlocks}},
    {"metrics", false, {kObject, "an object", Nothing, &kMetrics}},
    {"mean", false, {kNumber, kReal, SetRecordNumber<&Record::mean>}},
    {"variance", false, {kNumber, kReal, SetRecordNumber<&Record::variance>}},
    {"absmax", false, {kNumber, kReal, SetRecordNumber<&Record::absmax>}},
    {"squared_norm",
     false,
     {kNumber, kReal, SetRecordNumber<&Record::squared_norm>}},
    {"worst_group_ratio",
     false,
     {kNumber, kReal, SetRecordNumber<&Record::worst_group_ratio>}},
    {"worst_group_row",
     false,
     {kUint, kCount, SetRecordCount<&Record::worst_group_row>}},
    {"worst_group_col",
     false,
     {kUint, kCount, SetRecordCount<&Record::worst_group_col>}},
    {"zeros", false, {kUint, kCount, SetRecordCount<&Record::zeros>}},
    {"outliers", false, {kUint, kCount, SetRecordCount<&Record::outliers>}},
    {"nonfinite", false, {kUint, kCount, SetRecordCount<&Record::nonfinite>}},
    {"stable_rank",
     false,
     {kNumber, kReal, SetRecordOptional<&Record::stable_rank>}},
    {"top_energy",
     false,
     {kNumber, kReal, SetRecordOptional<&Record::top_energy>}},
    {"alpha", false, {kNumber, kReal, SetRecordOptional<&Record::alpha>}},
    {"nmse_16bit",
     false,
     {kNumber, kReal, SetRecordOptional<&Record::kept_nmse>}},
    {"nmse", false, {kArray, "an array of errors", ReserveNmse, &kErrors}},
};
constexpr JsonContext kTensor = {kTensorFields};
constexpr JsonSlot kTensorSlot = {kObject, "an object", AddTensor, &kTensor};
constexpr JsonContext kTensors = {{}, &kTensorSlot};

constexpr JsonField kSchemeFields[] = {
    {"scheme",
     true,
     {kString, "\"affine\", \"kquant\", \"int\" or \"float\"", SetSchemeKind}},
    {"type", false, {kString, "a type of GGUF's blocks", SetSchemeType}},
    {"bits", true, {kUint, "1 to 16", SetSchemeBits}},
    {"group_size", true, {kUint, "a group size", SetSchemeGroup}},
    {"encoder",
     false,
     {kString, "\"minmax\", \"search\" or \"fast\"", SetSchemeEncoder}},
};
constexpr JsonContext kScheme = {kSchemeFields};
constexpr JsonSlot kSchemeSlot = {kObject, "an object", AddScheme, &kScheme};
constexpr JsonContext kSchemes = {{}, &kSchemeSlot};

constexpr JsonField kFileFields[] = {
    {"name",
     true,
     {kString, kText,
      [](ParsedManifest& manifest, const Value& value) {
        manifest.files.back().name = *value.string;
        return true;
      }}},
    {"bytes",
     false,
     {kUint, kCount,
      [](ParsedManifest& manifest, const Value& value) {
        manifest.files.back().bytes = value.uint;
        return true;
      }}},
    {"sha256",
     false,
     {kString, kText,
      [](ParsedManifest& manifest, const Value& value) {
        manifest.files.back().sha256 = *value.string;
        return true;
      }}},
};
constexpr JsonContext kFile = {kFileFields};
constexpr JsonSlot kFileSlot = {kObject, "an object", AddFile, &kFile};
constexpr JsonContext kFiles = {{}, &kFileSlot};

constexpr JsonField kModelFields[] = {
    {"architecture",
     false,
     {kString, kText, SetTop<&ParsedManifest::architecture>}},
    {"model_type",
     false,
     {kString, kText, SetTop<&ParsedManifest::model_type>}},
    {"config", false, {FieldType::kJson, "an object", Nothing}},
    {"config_sha256",
     false,
     {kString, kText, SetTop<&ParsedManifest::config_sha256>}},
    {"files", false, {kArray, "an array of files", Nothing, &kFiles}},
};
constexpr JsonContext kModel = {kModelFields};

constexpr JsonField kTopFields[] = {
    {"version",
     true,
     {kUint, "1",
      [](ParsedManifest& manifest, const Value& value) {
        manifest.version = value.uint;
        return value.uint == kManifestVersion;
      }}},
    {"tool", false, {kString, kText, SetTop<&ParsedManifest::tool>}},
    {"seed", false, {kUint, kCount, SetTop<&ParsedManifest::seed>}},
    {"gguf_metadata_bytes",
     false,
     {kUint, kCount,
      [](ParsedManifest& manifest, const Value& value) {
        manifest.gguf_metadata_bytes = value.uint;
        return value.uint <= uint64_t{1} << 40;
      }}},
    {"model", false, {kObject, "an object", Nothing, &kModel}},
    {"schemes", false, {kArray, "an array of schemes", Nothing, &kSchemes}},
    {"tensors", true, {kArray, "an array of tensors", Nothing, &kTensors}},
};
constexpr JsonContext kTop = {kTopFields};
constexpr JsonSlot kTopSlot = {kObject, "an object", Nothing, &kTop};

}  // namespace

const JsonSlot& ManifestSlot() { return kTopSlot; }

}  // namespace ram
