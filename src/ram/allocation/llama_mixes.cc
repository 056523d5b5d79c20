#include "ram/allocation/llama_mixes.h"

#include <algorithm>
#include <array>
#include <map>

#include "ram/base/error.h"

namespace ram {
namespace {

using enum GgmlType;

struct Mix {
  std::string_view name;
  GgmlType base;  // of whatever no rule names
};

constexpr std::array<Mix, 17> kMixes = {{{"Q2_K", kQ2_K},
                                         {"Q2_K_S", kQ2_K},
                                         {"Q3_K_S", kQ3_K},
                                         {"Q3_K_M", kQ3_K},
                                         {"Q3_K_L", kQ3_K},
                                         {"IQ4_XS", kIQ4_XS},
                                         {"IQ4_NL", kIQ4_NL},
                                         {"Q4_0", kQ4_0},
                                         {"Q4_1", kQ4_1},
                                         {"Q4_K_S", kQ4_K},
                                         {"Q4_K_M", kQ4_K},
                                         {"Q5_0", kQ5_0},
                                         {"Q5_1", kQ5_1},
                                         {"Q5_K_S", kQ5_K},
                                         {"Q5_K_M", kQ5_K},
                                         {"Q6_K", kQ6_K},
                                         {"Q8_0", kQ8_0}}};

const Mix* FindMix(std::string_view name) {
  const auto same = [&](const Mix& mix) {
    return std::equal(name.begin(), name.end(), mix.name.begin(),
                      mix.name.end(), [](char a, char b) {
                        return (a >= 'a' && a <= 'z' ? a - 'a' + 'A' : a) == b;
                      });
  };
  const auto found = std::find_if(kMixes.begin(), kMixes.end(), same);
  return found == kMixes.end() ? nullptr : found;
}

// The first and last eighth of the layers, and every third between them.
bool UsesMoreBits(int layer, int layers) {
  return layer < layers / 8 || layer >= 7 * layers / 8 ||
         (layer - layers / 8) % 3 == 2;
}

bool IsOneOf(std::string_view mix, std::initializer_list<const char*> names) {
  return std::find(names.begin(), names.end(), mix) != names.end();
}

GgmlType HeadType(GgmlType base, uint64_t cols) {
  if (cols % FactsOf(base).block_weights != 0 || base == kQ8_0) return kQ8_0;
  return kQ6_K;
}

GgmlType ValueType(std::string_view mix, const LlamaModelFacts& facts,
                   GgmlType base, int place) {
  const bool shared = facts.heads_per_kv >= 4;
  const bool five = mix == "Q3_K_L" || (mix == "Q3_K_M" && place < 2) ||
                    (mix == "Q4_K_S" && place < 4) ||
                    (IsOneOf(mix, {"IQ4_NL", "IQ4_XS"}) && shared);
  const bool four =
      mix == "Q3_K_M" || (IsOneOf(mix, {"Q2_K", "Q2_K_S"}) && shared);
  GgmlType type = base;
  if (five) {
    type = kQ5_K;
  } else if (four) {
    type = kQ4_K;
  } else if (mix == "Q2_K") {
    type = kQ3_K;
  } else if (IsOneOf(mix, {"Q4_K_M", "Q5_K_M"}) &&
             UsesMoreBits(place, facts.attention_values)) {
    type = kQ6_K;
  }
  // What it takes for a model of 70 B: these are small there.
  if (facts.layers == 80 && facts.heads_per_kv > 1 &&
      (type == kQ3_K || type == kQ4_K)) {
    type = kQ5_K;
  }
  return facts.experts == 8 ? kQ8_0 : type;
}

GgmlType DownType(std::string_view mix, const LlamaModelFacts& facts,
                  GgmlType base, int layer) {
  const int layers = facts.layers;
  const bool early = layer < layers / 8;
  if (mix == "Q2_K") return kQ3_K;
  if (mix == "Q2_K_S") return early ? kQ4_K : base;
  if (mix == "Q3_K_M") return layer < layers / 16 ? kQ5_K : kQ4_K;
  if (mix == "Q3_K_L") return kQ5_K;
  if (IsOneOf(mix, {"Q4_K_M", "Q5_K_M"})) {
    return UsesMoreBits(layer, layers) ? kQ6_K : base;
  }
  if (IsOneOf(mix, {"IQ4_NL", "IQ4_XS", "Q4_K_S"})) return early ? kQ5_K : base;
  return base;
}

GgmlType OutputProjectionType(std::string_view mix,
                              const LlamaModelFacts& facts, GgmlType base) {
  if (facts.experts == 8) {
    return IsOneOf(mix, {"Q2_K", "Q3_K_S", "Q3_K_M", "IQ4_NL", "IQ4_XS",
                         "Q4_K_S", "Q4_K_M"})
               ? kQ5_K
               : base;
  }
  if (mix == "Q2_K") return kQ3_K;
  if (mix == "Q3_K_M") return kQ4_K;
  if (mix == "Q3_K_L") return kQ5_K;
  return base;
}

bool IsValue(std::string_view name) {
  return name.ends_with(".attn_v") || name.ends_with(".attn_qkv") ||
         name.ends_with(".attn_kv_b");
}

// llama-quantize's choice for rows that are no whole blocks of 256; the other
// types are those of Target::Closest.
GgmlType InsteadOf(GgmlType type, uint64_t cols) {
  const bool few = type == kQ2_K || type == kQ3_K;
  return few && cols % FactsOf(type).block_weights != 0 ? kQ4_0 : type;
}

LlamaModelFacts FactsOfModel(const Problem& problem) {
  const Model& model = problem.model();
  const auto number = [&](std::initializer_list<const char*> keys) {
    for (const char* key : keys) {
      if (const auto value = model.ConfigUint(key)) {
        return static_cast<int>(std::min<uint64_t>(*value, 1 << 20));
      }
    }
    return 0;
  };
  LlamaModelFacts facts;
  facts.layers = number({"num_hidden_layers"});
  const int heads = number({"num_attention_heads"});
  const int kv_heads = number({"num_key_value_heads"});
  if (kv_heads > 0) facts.heads_per_kv = heads / kv_heads;
  facts.experts =
      number({"num_experts", "num_local_experts", "n_routed_experts"});
  facts.tied_head = model.tied_head;
  for (const Unit& unit : problem.layout.units) {
    if (IsValue(unit.name)) ++facts.attention_values;
  }
  return facts;
}

}  // namespace

std::string_view ParseLlamaMix(std::string_view name) {
  if (const Mix* mix = FindMix(name)) return mix->name;
  std::string names;
  for (const Mix& mix : kMixes) {
    if (!names.empty()) names += &mix == &kMixes.back() ? " or " : ", ";
    names += mix.name;
  }
  Fail(ErrorKind::kUsage, "--like: found '{}', expected {}", name, names);
}

GgmlType LlamaMixType(std::string_view mix, const LlamaModelFacts& facts,
                      std::string_view name, int place, uint64_t cols) {
  const GgmlType base = FindMix(mix)->base;
  if (name == "output" || (facts.tied_head && name == "token_embd")) {
    return HeadType(base, cols);
  }
  if (IsValue(name)) return ValueType(mix, facts, base, place);
  if (name.ends_with(".attn_k")) return facts.experts == 8 ? kQ8_0 : base;
  if (name.ends_with(".attn_output")) {
    return OutputProjectionType(mix, facts, base);
  }
  if (name.find(".ffn_down") != name.npos) {
    return DownType(mix, facts, base, place);
  }
  return base;
}

std::vector<Choice> DecideLike(Problem& problem) {
  if (problem.target.kind() != SchemeKind::kBlocks) {
    Fail(
        ErrorKind::kUsage,
        "--like {}: found target {}, expected gguf: llama-quantize's mixes are "
        "of its types",
        problem.options.like, problem.target.name());
  }
  const std::string_view mix = ParseLlamaMix(problem.options.like);
  const LlamaModelFacts facts = FactsOfModel(problem);
  std::vector<Choice> choices;
  uint64_t fallbacks = 0;
  int values = 0;
  for (size_t u = 0; u < problem.layout.units.size(); ++u) {
    const Unit& unit = problem.layout.units[u];
    const int place = IsValue(unit.name) ? values++ : unit.layer;
    const GgmlType type = LlamaMixType(mix, facts, unit.name, place, unit.cols);
    const Scheme wanted = Blocks(type);
    const Scheme fitting = Blocks(InsteadOf(type, unit.cols));
    Choice choice{unit.legal.size() > 1 ? problem.target.Closest(unit, fitting)
                                        : kFloat16Scheme,
                  std::nullopt, fmt::format("as in llama-quantize's {}", mix)};
    if (choice.scheme != wanted) {
      choice.reason += fmt::format(": {} does not fit rows of {} weights",
                                   SchemeLabel(wanted), unit.cols);
      ++fallbacks;
    }
    choices.push_back(std::move(choice));
  }
  if (fallbacks > 0) {
    problem.notes.push_back(
        fmt::format("{} units take another type than {} has, for their shape",
                    fallbacks, mix));
  }
  return choices;
}

}  // namespace ram
