// Names and options of the policies.
#include <array>
#include <charconv>
#include <utility>

#include "ram/allocation/allocate.h"
#include "ram/base/error.h"

namespace ram {
namespace {

constexpr std::array<std::pair<Policy, std::string_view>, 6> kNames = {
    {{Policy::kUniform, "uniform"},
     {Policy::kRamV1, "ram-v1"},
     {Policy::kRamV2, "ram-v2"},
     {Policy::kRamV3, "ram-v3"},
     {Policy::kOptimal, "optimal"},
     {Policy::kLike, "like"}}};

std::optional<int> ParseInt(std::string_view text) {
  int value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::string_view PolicyName(Policy policy) {
  for (const auto& [value, name] : kNames) {
    if (value == policy) return name;
  }
  return "";
}

Policy ParsePolicy(std::string_view name) {
  for (const auto& [value, known] : kNames) {
    if (known == name && value != Policy::kLike) return value;
  }
  Fail(ErrorKind::kUsage,
       "--policy: found '{}', expected uniform, ram-v1, ram-v2, ram-v3 or "
       "optimal",
       name);
}

bool PolicyNeedsSpectra(Policy policy) {
  return policy == Policy::kRamV1 || policy == Policy::kRamV2 ||
         policy == Policy::kRamV3;
}

Override ParseOverride(const std::string& text) {
  const auto fail = [&text] {
    Fail(ErrorKind::kUsage,
         "--set: found '{}', expected 'PATTERN=BITS' or 'PATTERN=BITS:GROUP' "
         "with 2, 3, 4, 5, 6, 8 or 16 bits and group size 32, 64 or 128, or "
         "'PATTERN=TYPE' with a type of GGUF such as Q4_K",
         text);
  };
  Override result;
  const size_t equals = text.rfind('=');
  if (equals == text.npos || equals == 0) fail();
  result.pattern = text.substr(0, equals);
  const std::string_view value = std::string_view(text).substr(equals + 1);
  if (const auto type = ParseBlockType(value)) {
    result.type = *type;
    result.bits = Blocks(*type).bits;
    return result;
  }
  const size_t colon = value.find(':');
  const auto bits = ParseInt(value.substr(0, colon));
  if (!bits) fail();
  result.bits = *bits;
  if (colon != value.npos) {
    result.group_size = ParseInt(value.substr(colon + 1));
    if (!result.group_size) fail();
  }
  const bool legal =
      result.bits == 16
          ? !result.group_size
          : AffineSchemeIndex(
                Affine(result.bits, result.group_size.value_or(64))) >= 0;
  if (!legal) fail();
  return result;
}

std::string Override::Text() const {
  if (type) return fmt::format("{}={}", pattern, FactsOf(*type).name);
  return fmt::format("{}={}{}", pattern, bits,
                     group_size ? fmt::format(":{}", *group_size) : "");
}

RamRule::RamRule()
    : protected_names({"embed_tokens", "lm_head", "layernorm", "layer_norm",
                       "norm.weight", "router.weight", "vision_model",
                       "multi_modal_projector", "positional_embedding",
                       "class_embedding", "patch_embedding"}) {}

}  // namespace ram
