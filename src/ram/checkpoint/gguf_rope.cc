#include "ram/checkpoint/gguf_rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "ram/base/error.h"

namespace ram {
namespace {

constexpr double kLow = 1;
constexpr double kHigh = 4;
constexpr double kPositions = 8192;

// What Llama-3 divides the frequency of dimension pair `i` by.
double Llama3Factor(double factor, double theta, uint64_t dims, size_t i) {
  const double wavelength =
      2 * std::numbers::pi *
      std::pow(theta, 2.0 * static_cast<double>(i) / static_cast<double>(dims));
  if (wavelength < kPositions / kHigh) return 1;
  if (wavelength > kPositions / kLow) return factor;
  const double smooth = (kPositions / wavelength - kLow) / (kHigh - kLow);
  return 1 / ((1 - smooth) / factor + smooth);
}

Json FromTable(const std::vector<float>& factors, double theta, uint64_t dims) {
  const double factor = *std::max_element(factors.begin(), factors.end());
  bool same = factors.size() == dims / 2;
  for (size_t i = 0; same && i < factors.size(); ++i) {
    const double expected = Llama3Factor(factor, theta, dims, i);
    // The converter computes in single precision: 64 of its steps.
    same = std::abs(factors[i] - expected) <= 64 * 6e-8 * expected;
  }
  if (!same) return {{"rope_type", "unknown table rope_freqs.weight"}};
  if (factor == 1) return nullptr;
  return {
      {"rope_type", "llama3"},
      {"factor", factor},
      {"low_freq_factor", kLow},
      {"high_freq_factor", kHigh},
      {"original_max_position_embeddings", static_cast<uint64_t>(kPositions)}};
}

}  // namespace

Json GgufRopeScaling(const GgufFamily& family, const GgufMetadata& metadata,
                     double theta, uint64_t dims, const GgufTable& table) {
  const auto key = [&](std::string_view name) {
    return fmt::format("{}.rope.scaling.{}", family.architecture, name);
  };
  if (const auto factors = table("rope_freqs.weight"); !factors.empty()) {
    return FromTable(factors, theta, dims);
  }
  const auto longer = table("rope_factors_long.weight");
  const auto shorter = table("rope_factors_short.weight");
  if (!longer.empty() && !shorter.empty()) {
    return {{"rope_type", "longrope"},
            {"type", "longrope"},
            {"long_factor", longer},
            {"short_factor", shorter}};
  }
  const auto type = metadata.Text(key("type")).value_or("none");
  const auto factor = metadata.Number(key("factor"));
  if (type == "none" || !factor) return nullptr;
  if (type != "linear" && type != "yarn") {
    return {{"rope_type", "unknown " + key("type")}};
  }
  Json scaling = {{"rope_type", type}, {"factor", *factor}};
  if (type != "yarn") return scaling;
  if (const auto length = metadata.Uint(key("original_context_length"))) {
    scaling["original_max_position_embeddings"] = *length;
  }
  scaling["beta_fast"] = metadata.Number(key("yarn_beta_fast")).value_or(32);
  scaling["beta_slow"] = metadata.Number(key("yarn_beta_slow")).value_or(1);
  if (const auto log = metadata.Number(key("yarn_log_multiplier"))) {
    // llama.cpp keeps 0.1 * mscale_all_dim; DeepSeek's two are the same.
    const double scale = std::round(*log * 1e6) / 1e5;
    scaling["mscale"] = scale;
    scaling["mscale_all_dim"] = scale;
  }
  return scaling;
}

}  // namespace ram
