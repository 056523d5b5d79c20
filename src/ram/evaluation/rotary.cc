#include "ram/evaluation/rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "ram/base/error.h"

namespace ram {
namespace {

const Json* Find(const Json* object, const char* key) {
  if (!object || !object->is_object()) return nullptr;
  const auto found = object->find(key);
  return found == object->end() || found->is_null() ? nullptr : &*found;
}

double Number(const RotarySource& source, const char* key) {
  const Json* value = Find(source.parameters, key);
  if (value && value->is_number() && value->get<double>() > 0) {
    return value->get<double>();
  }
  Fail(ErrorKind::kCorrupt,
       "{}: rope_scaling.{}: found {}, expected a number above zero",
       source.file, key, value ? value->dump().substr(0, 60) : "nothing");
}

double NumberOr(const Json* object, const char* key, double otherwise) {
  const Json* value = Find(object, key);
  return value && value->is_number() ? value->get<double>() : otherwise;
}

std::string TypeOf(const Json* parameters) {
  for (const char* key : {"rope_type", "type"}) {
    const Json* value = Find(parameters, key);
    if (value && value->is_string()) return value->get<std::string>();
  }
  return "default";
}

double OriginalPositions(const RotarySource& source) {
  const char* key = "original_max_position_embeddings";
  if (!Find(source.parameters, key) && source.max_positions > 0) {
    return source.max_positions;
  }
  return Number(source, key);
}

double YarnMagnitude(double factor, double weight) {
  return factor <= 1 ? 1.0 : 0.1 * weight * std::log(factor) + 1.0;
}

// Low frequencies are stretched, high ones kept, those between blended.
void ScaleAsLlama3(const RotarySource& source, std::vector<double>& inverse) {
  const double factor = Number(source, "factor");
  const double low = Number(source, "low_freq_factor");
  const double high = Number(source, "high_freq_factor");
  const double positions = OriginalPositions(source);
  for (double& frequency : inverse) {
    const double turns = positions * frequency / (2 * std::numbers::pi);
    if (turns < low) {
      frequency /= factor;
    } else if (turns <= high) {
      const double keep = (turns - low) / (high - low);
      frequency = (1 - keep) * frequency / factor + keep * frequency;
    }
  }
}

// The pair that makes `turns` turns within the original positions.
double YarnPair(const RotarySource& source, double turns, double positions) {
  return static_cast<double>(source.dims) *
         std::log(positions / (turns * 2 * std::numbers::pi)) /
         (2 * std::log(source.theta));
}

float ScaleAsYarn(const RotarySource& source, std::vector<double>& inverse) {
  const Json* parameters = source.parameters;
  const double positions = OriginalPositions(source);
  const double factor = Find(parameters, "factor")
                            ? Number(source, "factor")
                            : source.max_positions / positions;
  double low =
      YarnPair(source, NumberOr(parameters, "beta_fast", 32), positions);
  double high =
      YarnPair(source, NumberOr(parameters, "beta_slow", 1), positions);
  const Json* truncate = Find(parameters, "truncate");
  if (!truncate || !truncate->is_boolean() || truncate->get<bool>()) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(source.dims) - 1);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < inverse.size(); ++i) {
    const double stretch =
        std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    inverse[i] = inverse[i] / factor * stretch + inverse[i] * (1 - stretch);
  }
  const double given = NumberOr(parameters, "attention_factor", 0);
  const double all = NumberOr(parameters, "mscale_all_dim", 0);
  const double some = NumberOr(parameters, "mscale", 0);
  if (given > 0) return static_cast<float>(given);
  if (all == 0 || some == 0) {
    return static_cast<float>(YarnMagnitude(factor, 1));
  }
  return static_cast<float>(YarnMagnitude(factor, some) /
                            YarnMagnitude(factor, all));
}

}  // namespace

Rotary MakeRotary(const RotarySource& source) {
  Rotary rotary;
  rotary.interleaved = source.interleaved;
  std::vector<double> inverse(source.dims / 2);
  for (size_t i = 0; i < inverse.size(); ++i) {
    inverse[i] = std::pow(source.theta, -2.0 * static_cast<double>(i) /
                                            static_cast<double>(source.dims));
  }
  const std::string type = TypeOf(source.parameters);
  if (type == "linear") {
    const double factor = Number(source, "factor");
    for (double& frequency : inverse) frequency /= factor;
  } else if (type == "llama3") {
    ScaleAsLlama3(source, inverse);
  } else if (type == "yarn") {
    rotary.magnitude = ScaleAsYarn(source, inverse);
  } else if (type != "default") {
    Fail(ErrorKind::kUnsupported,
         "{}: rope_type: found '{}', expected default, linear, llama3 or yarn "
         "(the model can be analysed, but not evaluated)",
         source.file, type);
  }
  rotary.inverse_frequencies.assign(inverse.begin(), inverse.end());
  return rotary;
}

float YarnAttentionFactor(const Json* parameters) {
  const double all = NumberOr(parameters, "mscale_all_dim", 0);
  if (TypeOf(parameters) == "default" || all == 0) return 1;
  const double magnitude =
      YarnMagnitude(NumberOr(parameters, "factor", 1), all);
  return static_cast<float>(magnitude * magnitude);
}

RotaryTable::RotaryTable(const Rotary& rotary, uint64_t positions)
    : pairs_(rotary.inverse_frequencies.size()),
      interleaved_(rotary.interleaved),
      cosines_(positions * pairs_),
      sines_(positions * pairs_) {
  for (uint64_t position = 0; position < positions; ++position) {
    for (uint64_t i = 0; i < pairs_; ++i) {
      const float angle =
          static_cast<float>(position) * rotary.inverse_frequencies[i];
      cosines_[position * pairs_ + i] = std::cos(angle) * rotary.magnitude;
      sines_[position * pairs_ + i] = std::sin(angle) * rotary.magnitude;
    }
  }
}

void RotaryTable::Apply(uint64_t position, float* head) const {
  const float* cosine = cosines_.data() + position * pairs_;
  const float* sine = sines_.data() + position * pairs_;
  const uint64_t step = interleaved_ ? 2 : 1;
  float* first = head;
  float* second = head + (interleaved_ ? 1 : pairs_);
  for (uint64_t i = 0; i < pairs_; ++i) {
    float& a = first[i * step];
    float& b = second[i * step];
    const float turned = a * cosine[i] - b * sine[i];
    b = b * cosine[i] + a * sine[i];
    a = turned;
  }
}

}  // namespace ram
