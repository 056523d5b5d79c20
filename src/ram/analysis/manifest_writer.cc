#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "ram/analysis/manifest.h"

namespace ram {
namespace {

// Numbers in the shortest form that reads back as the same double.
class ManifestWriter {
 public:
  std::string Write(const Manifest& manifest);

 private:
  template <typename... Args>
  void Put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format,
                   std::forward<Args>(args)...);
  }
  void PutText(std::string_view text);
  void PutNumber(double value);
  void PutField(const char* key, double value) {
    Put(", \"{}\": ", key);
    PutNumber(value);
  }
  void PutOptional(const char* key, const std::optional<double>& value,
                   bool& first);
  void PutIndex(const char* key, int index);
  void PutModel(const Manifest& manifest);
  void PutSchemes(const std::vector<MeasuredScheme>& schemes);
  void PutPlain(const TensorInfo& tensor);
  void PutMatrix(const Model& model, const Matrix& matrix,
                 const MatrixRecord& record);
  void PutRecord(const MatrixRecord& record);

  std::string text_;
};

void ManifestWriter::PutText(std::string_view text) {
  bool plain = true;
  for (const char c : text) {
    plain = plain && c >= ' ' && c <= '~' && c != '"' && c != '\\';
  }
  if (plain) {
    Put("\"{}\"", text);
  } else {
    text_ += Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  }
}

void ManifestWriter::PutNumber(double value) {
  if (std::isfinite(value)) {
    Put("{}", value);
  } else {
    text_ += "null";
  }
}

void ManifestWriter::PutOptional(const char* key,
                                 const std::optional<double>& value,
                                 bool& first) {
  if (!value) return;
  Put("{}\"{}\": ", first ? "" : ", ", key);
  PutNumber(*value);
  first = false;
}

void ManifestWriter::PutIndex(const char* key, int index) {
  if (index < 0) {
    Put(", \"{}\": null", key);
  } else {
    Put(", \"{}\": {}", key, index);
  }
}

void ManifestWriter::PutModel(const Manifest& manifest) {
  Put("\"model\": {{\"architecture\": ");
  PutText(manifest.model.architecture);
  Put(", \"model_type\": ");
  PutText(manifest.model.model_type);
  Put(",\n  \"config\": {}", manifest.model.config.dump());
  Put(",\n  \"config_sha256\": ");
  PutText(manifest.config_sha256);
  Put(",\n  \"files\": [");
  const char* separator = "";
  for (const FileRecord& file : manifest.files) {
    Put("{}\n   {{\"name\": ", separator);
    PutText(file.name);
    Put(", \"bytes\": {}", file.bytes);
    if (!file.sha256.empty()) {
      Put(", \"sha256\": ");
      PutText(file.sha256);
    }
    Put("}}");
    separator = ",";
  }
  Put("]}}");
}

void ManifestWriter::PutSchemes(const std::vector<MeasuredScheme>& schemes) {
  Put("\"schemes\": [");
  const char* separator = "";
  for (const MeasuredScheme& measured : schemes) {
    Put("{}\n  {{\"scheme\": \"{}\", ", separator,
        SchemeKindName(measured.scheme.kind));
    if (measured.scheme.kind == SchemeKind::kBlocks) {
      Put("\"type\": \"{}\", ", FactsOf(measured.scheme.type).name);
    }
    Put("\"bits\": {}, \"group_size\": {}, \"encoder\": \"{}\"}}",
        measured.scheme.bits, measured.scheme.group_size,
        EncoderName(measured.encoder));
    separator = ",";
  }
  Put("]");
}

void ManifestWriter::PutPlain(const TensorInfo& tensor) {
  Put("{{\"name\": ");
  PutText(tensor.name);
  Put(", \"file\": ");
  PutText(tensor.file);
  Put(", \"dtype\": \"{}\", \"shape\": [{}], \"weights\": {}, \"metrics\": "
      "{{}}, \"nmse\": []}}",
      DTypeName(tensor.dtype), fmt::join(tensor.shape, ", "),
      tensor.elements());
}

void ManifestWriter::PutMatrix(const Model& model, const Matrix& matrix,
                               const MatrixRecord& record) {
  const TensorInfo& tensor = model.tensors[matrix.tensor];
  Put("{{\"name\": ");
  PutText(matrix.name);
  Put(", \"file\": ");
  PutText(tensor.file);
  Put(", \"dtype\": \"{}\", \"shape\": [{}, {}], \"weights\": {}, \"role\": ",
      DTypeName(tensor.dtype), matrix.rows, matrix.cols, matrix.weights());
  PutText(matrix.role);
  PutIndex("layer", matrix.layer);
  PutIndex("expert", matrix.expert);
  const std::vector<uint64_t> shape = {matrix.rows, matrix.cols};
  if (matrix.name != tensor.name || tensor.shape != shape) {
    Put(", \"source\": {{\"tensor\": ");
    PutText(tensor.name);
    Put(", \"shape\": [{}]}}", fmt::join(tensor.shape, ", "));
  }
  if (tensor.storage.kind == Storage::Kind::kBlocks) {
    Put(", \"blocks\": \"{}\"", StorageLabel(tensor));
  } else if (!tensor.storage.dense()) {
    Put(", \"stored\": {{");
    if (tensor.storage.scheme.kind == SchemeKind::kInt) {
      Put("\"scheme\": \"int\", ");
    }
    Put("\"bits\": {}, \"group_size\": {}}}", tensor.storage.scheme.bits,
        tensor.storage.scheme.group_size);
  }
  PutRecord(record);
  Put("}}");
}

void ManifestWriter::PutRecord(const MatrixRecord& record) {
  Put(", \"metrics\": {{");
  bool first = true;
  PutOptional("spectral_concentration", record.metrics.spectral_concentration,
              first);
  PutOptional("excess_kurtosis", record.metrics.excess_kurtosis, first);
  PutOptional("output_noise", record.metrics.output_noise, first);
  PutOptional("rounding_error_4bit_g128", record.metrics.rounding_error, first);
  Put("}}");
  PutField("mean", record.mean);
  PutField("variance", record.variance);
  PutField("absmax", record.absmax);
  PutField("squared_norm", record.squared_norm);
  PutField("worst_group_ratio", record.worst_group_ratio);
  Put(", \"worst_group_row\": {}, \"worst_group_col\": {}, \"zeros\": {}, "
      "\"outliers\": {}, \"nonfinite\": {}",
      record.worst_group_row, record.worst_group_col, record.zeros,
      record.outliers, record.nonfinite);
  first = false;
  PutOptional("stable_rank", record.stable_rank, first);
  PutOptional("top_energy", record.top_energy, first);
  PutOptional("alpha", record.alpha, first);
  PutOptional("nmse_16bit", record.kept_nmse, first);
  Put(", \"nmse\": [");
  for (size_t i = 0; i < record.nmse.size(); ++i) {
    if (i > 0) text_ += ", ";
    PutNumber(record.nmse[i]);
  }
  Put("]");
}

std::string ManifestWriter::Write(const Manifest& manifest) {
  const Model& model = manifest.model;
  Put("{{\"version\": {},\n \"tool\": ", kManifestVersion);
  PutText(manifest.tool);
  Put(",\n \"seed\": {},\n ", manifest.seed);
  if (manifest.gguf_metadata_bytes) {
    Put("\"gguf_metadata_bytes\": {},\n ", *manifest.gguf_metadata_bytes);
  }
  PutModel(manifest);
  Put(",\n ");
  PutSchemes(manifest.schemes);
  Put(",\n \"tensors\": [");
  const char* separator = "";
  size_t next = 0;
  for (uint32_t i = 0; i < model.tensors.size(); ++i) {
    const bool plain =
        next == model.matrices.size() || model.matrices[next].tensor != i;
    if (plain) {
      Put("{}\n  ", separator);
      PutPlain(model.tensors[i]);
      separator = ",";
    }
    for (; next < model.matrices.size() && model.matrices[next].tensor == i;
         ++next) {
      Put("{}\n  ", separator);
      PutMatrix(model, model.matrices[next], manifest.matrices[next]);
      separator = ",";
    }
  }
  Put("]}}\n");
  return std::move(text_);
}

}  // namespace

std::string ManifestToJson(const Manifest& manifest) {
  return ManifestWriter().Write(manifest);
}

}  // namespace ram
