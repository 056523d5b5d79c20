// make_manifest CONFIG_JSON OUT: the manifest.json of a model of that shape,
// its metrics and errors drawn at random around those of Gaussian weights. For
// measuring how long allocation takes without reading 60 GB first.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "ram/analysis/manifest.h"
#include "ram/base/byte_size.h"
#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/base/output.h"
#include "ram/base/random.h"
#include "ram/checkpoint/expected_tensors.h"

namespace ram {
namespace {

// Min-max rounding of a group of n normal variates spans about
// 2 sqrt(2 ln n) deviations in 2^bits - 1 steps.
double GaussianNmse(const Scheme& scheme) {
  const double span = 2.0 * std::sqrt(2.0 * std::log(scheme.group_size));
  const double step = span / (std::exp2(scheme.bits) - 1.0);
  return step * step / 12.0;
}

MatrixRecord DrawRecord(const Matrix& matrix,
                        const std::vector<MeasuredScheme>& schemes) {
  const CounterRandom random(42, matrix.name);
  const double tail = std::exp(0.4 * random.Normal(0));
  MatrixRecord record;
  record.name = matrix.name;
  record.metrics = {0.1 + 0.4 * random.Uniform(10), 3.0 * tail - 1.0,
                    0.5 + random.Uniform(11),
                    std::sqrt(tail * GaussianNmse(Affine(4, 128)))};
  record.variance = 1.0 / static_cast<double>(matrix.cols);
  record.absmax = 8.0 * std::sqrt(record.variance);
  record.squared_norm = record.variance * static_cast<double>(matrix.weights());
  record.worst_group_ratio = 4.0 * tail;
  for (const MeasuredScheme& measured : schemes) {
    const double gain = measured.encoder == Encoder::kSearch ? 0.8 : 1.0;
    record.nmse.push_back(SchemeFits(measured.scheme, matrix.cols)
                              ? gain * tail * GaussianNmse(measured.scheme)
                              : std::nan(""));
  }
  return record;
}

void Make(const std::string& config_path, const std::string& out) {
  Json config = ReadJsonFile(config_path);
  std::vector<TensorInfo> tensors = ExpectedTensors(config);
  Manifest manifest;
  manifest.tool = "make_manifest";
  manifest.model =
      DescribeModel(std::move(config), std::move(tensors), config_path);
  manifest.schemes = AffineMeasuredSchemes();
  for (const Matrix& matrix : manifest.model.matrices) {
    manifest.matrices.push_back(DrawRecord(matrix, manifest.schemes));
  }
  const std::string text = ManifestToJson(manifest);
  WriteNewFile(out, text);
  fmt::print("{}: {} tensors, {} matrices, {}\n", out,
             FormatCount(manifest.model.tensors.size()),
             FormatCount(manifest.matrices.size()),
             FormatByteSize(text.size()));
}

}  // namespace
}  // namespace ram

int main(int argc, char** argv) {
  std::string config;
  std::string out;
  CLI::App app("Makes a manifest for the shape of a config.json");
  app.add_option("config", config, "config.json")->required();
  app.add_option("out", out, "file to create")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    ram::Make(config, out);
  } catch (const ram::Error& error) {
    fmt::print(stderr, "make_manifest: {}\n", error.what());
    return error.exit_code();
  }
  return 0;
}
