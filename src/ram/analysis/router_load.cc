#include "ram/analysis/router_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <optional>
#include <string>

#include "ram/base/random.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

// The covariance of the logits [experts, experts].
std::vector<double> LogitCovariance(std::span<const float> weights,
                                    std::span<const float> input_rms) {
  const size_t inputs = input_rms.size();
  const size_t experts = weights.size() / inputs;
  std::vector<double> scaled(weights.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    scaled[i] = static_cast<double>(weights[i]) *
                static_cast<double>(input_rms[i % inputs]);
  }
  std::vector<double> covariance(experts * experts);
  for (size_t a = 0; a < experts; ++a) {
    for (size_t b = 0; b <= a; ++b) {
      double sum = 0;
      for (size_t j = 0; j < inputs; ++j) {
        sum += scaled[a * inputs + j] * scaled[b * inputs + j];
      }
      covariance[a * experts + b] = sum;
    }
  }
  return covariance;
}

// The lower triangle becomes L with L L' = the matrix. Directions without
// variance (equal or zero rows) get columns of zeros.
void Cholesky(std::vector<double>& matrix, size_t n) {
  double largest = 0;
  for (size_t i = 0; i < n; ++i) {
    largest = std::max(largest, matrix[i * n + i]);
  }
  for (size_t j = 0; j < n; ++j) {
    double pivot = matrix[j * n + j];
    for (size_t k = 0; k < j; ++k) {
      pivot -= matrix[j * n + k] * matrix[j * n + k];
    }
    pivot = pivot > 1e-12 * largest ? std::sqrt(pivot) : 0.0;
    matrix[j * n + j] = pivot;
    for (size_t i = j + 1; i < n; ++i) {
      double sum = matrix[i * n + j];
      for (size_t k = 0; k < j; ++k) {
        sum -= matrix[i * n + k] * matrix[j * n + k];
      }
      matrix[i * n + j] = pivot > 0 ? sum / pivot : 0.0;
    }
  }
}

// Takes the experts outside the best groups out of the choice: a group is
// judged by its two best experts (arXiv:2412.19437, section 2.1.2).
void DropGroups(const RouterRule& rule, std::vector<double>& scores) {
  if (rule.groups <= 1 || rule.kept_groups >= rule.groups) return;
  const size_t width = scores.size() / rule.groups;
  std::vector<std::pair<double, size_t>> order;
  for (size_t g = 0; g < rule.groups; ++g) {
    std::vector<double> group(
        scores.begin() + static_cast<std::ptrdiff_t>(g * width),
        scores.begin() + static_cast<std::ptrdiff_t>((g + 1) * width));
    std::sort(group.begin(), group.end(), std::greater<>());
    order.emplace_back(-(group[0] + (width > 1 ? group[1] : 0.0)), g);
  }
  std::sort(order.begin(), order.end());
  for (size_t i = rule.kept_groups; i < order.size(); ++i) {
    const size_t begin = order[i].second * width;
    std::fill_n(scores.begin() + static_cast<std::ptrdiff_t>(begin), width,
                -1e300);
  }
}

std::vector<float> ReadAll(const Checkpoint& checkpoint, uint32_t index) {
  const TensorInfo& tensor = checkpoint.model().tensors[index];
  if (!tensor.storage.dense()) return {};
  std::vector<std::byte> bytes(tensor.bytes());
  checkpoint.ReadTensor(index, 0, bytes);
  std::vector<float> values(tensor.elements());
  ToFloat(tensor.dtype, bytes.data(), values);
  for (float& value : values) value += tensor.storage.shift;
  return values;
}

// Empty when there is none of this name and size.
std::vector<float> ReadNamed(const Checkpoint& checkpoint,
                             const std::string& name, uint64_t size) {
  const auto& tensors = checkpoint.model().tensors;
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].name == name && tensors[i].elements() == size) {
      return ReadAll(checkpoint, i);
    }
  }
  return {};
}

// These families multiply with 1 + weight.
float NormOffset(const Model& model) {
  const std::string& type = model.model_type;
  return type.starts_with("qwen3_next") || type.starts_with("qwen3_5") ||
                 type.starts_with("gemma")
             ? 1.0f
             : 0.0f;
}

std::vector<float> InputRms(const Checkpoint& checkpoint, const Matrix& router,
                            std::span<const float> embedding) {
  std::vector<float> gamma = ReadNamed(checkpoint, router.norm, router.cols);
  const float offset = NormOffset(checkpoint.model());
  for (float& value : gamma) value += offset;
  if (gamma.empty()) gamma.assign(router.cols, 1.0f);
  if (embedding.size() != router.cols) return gamma;
  double mean = 0;
  for (const float moment : embedding) mean += static_cast<double>(moment);
  mean /= static_cast<double>(embedding.size());
  if (!(mean > 0) || !std::isfinite(mean)) return gamma;
  for (size_t j = 0; j < gamma.size(); ++j) {
    const double rms = std::sqrt(static_cast<double>(embedding[j]) / mean);
    gamma[j] *= static_cast<float>(rms);
  }
  return gamma;
}

// Unset where the config does not fit the router.
std::optional<RouterRule> RuleOf(const Checkpoint& checkpoint,
                                 const Matrix& router) {
  const Model& model = checkpoint.model();
  auto per_token = model.ConfigUint("num_experts_per_tok");
  if (!per_token) per_token = model.ConfigUint("moe_top_k");  // DBRX
  if (!per_token || *per_token == 0 || *per_token > router.rows) {
    return std::nullopt;
  }
  RouterRule rule;
  rule.per_token = *per_token;
  std::string bias = router.name;
  const size_t at = bias.rfind("weight");
  if (at != std::string::npos) {
    bias.replace(at, std::string::npos, "e_score_correction_bias");
    rule.bias = ReadNamed(checkpoint, bias, router.rows);
    rule.sigmoid = !rule.bias.empty();
  }
  const uint64_t groups = model.ConfigUint("n_group").value_or(1);
  const uint64_t kept = model.ConfigUint("topk_group").value_or(groups);
  if (groups > 1 && router.rows % groups == 0 && kept > 0 && kept <= groups &&
      kept * (router.rows / groups) >= *per_token) {
    rule.groups = groups;
    rule.kept_groups = kept;
  }
  return rule;
}

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

}  // namespace

std::vector<float> SimulateRouterLoad(std::span<const float> weights,
                                      std::span<const float> input_rms,
                                      const RouterRule& rule, uint64_t seed,
                                      std::string_view name) {
  const size_t experts = weights.size() / input_rms.size();
  std::vector<double> factor = LogitCovariance(weights, input_rms);
  Cholesky(factor, experts);
  const CounterRandom random(seed, fmt::format("router load {}", name));
  std::vector<double> normal(experts), scores(experts);
  std::vector<uint32_t> order(experts);
  std::vector<uint64_t> chosen(experts);
  for (size_t token = 0; token < kSimulatedTokens; ++token) {
    for (size_t i = 0; i < experts; ++i) {
      normal[i] = random.Normal(token * experts + i);
    }
    for (size_t i = 0; i < experts; ++i) {
      double logit = 0;
      for (size_t k = 0; k <= i; ++k) {
        logit += factor[i * experts + k] * normal[k];
      }
      scores[i] = rule.sigmoid ? 1.0 / (1.0 + std::exp(-logit)) : logit;
      if (!rule.bias.empty()) scores[i] += static_cast<double>(rule.bias[i]);
    }
    DropGroups(rule, scores);
    std::iota(order.begin(), order.end(), 0u);
    const auto end =
        order.begin() + static_cast<std::ptrdiff_t>(rule.per_token);
    std::partial_sort(
        order.begin(), end, order.end(), [&](uint32_t a, uint32_t b) {
          return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
        });
    for (auto i = order.begin(); i != end; ++i) ++chosen[*i];
  }
  std::vector<float> load;
  for (const uint64_t count : chosen) {
    load.push_back(static_cast<float>(count) /
                   static_cast<float>(kSimulatedTokens));
  }
  return load;
}

std::vector<float> RouterLoadOf(const Checkpoint& checkpoint,
                                const Matrix& router,
                                std::span<const float> embedding,
                                uint64_t seed) {
  const std::optional<RouterRule> rule = RuleOf(checkpoint, router);
  if (!rule) return {};
  std::vector<float> weights(router.weights());
  checkpoint.ReadRows(router, 0, weights);
  const std::vector<float> rms = InputRms(checkpoint, router, embedding);
  if (!AllFinite(weights) || !AllFinite(rms) || !AllFinite(rule->bias)) {
    return {};
  }
  return SimulateRouterLoad(weights, rms, *rule, seed, router.name);
}

}  // namespace ram
