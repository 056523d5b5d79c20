#include "ram/checkpoint/tensor_name.h"

#include <algorithm>
#include <array>

namespace ram {
namespace {

// -1 when `text` is not a plain decimal.
int AsIndex(std::string_view text) {
  if (text.empty() || text.size() > 8) return -1;
  if (text.size() > 1 && text[0] == '0') return -1;
  int value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

bool IsLayersWord(std::string_view word) {
  static constexpr std::array<std::string_view, 6> kWords = {
      "layers", "layer", "blocks", "block", "h", "decoder_layers"};
  return std::find(kWords.begin(), kWords.end(), word) != kWords.end();
}

bool IsVisionWord(std::string_view word) {
  static constexpr std::array<std::string_view, 12> kWords = {
      "visual",
      "vision_tower",
      "vision_model",
      "vision_encoder",
      "vision_embedder",
      "image_tower",
      "mm_projector",
      "vision_proj",
      "multi_modal_projector",
      "vit",
      "patch_embedding",
      "multimodal_projector"};
  return std::find(kWords.begin(), kWords.end(), word) != kWords.end();
}

// Up to `count` leading components hold a word for which `is` holds.
template <typename Predicate>
bool EarlyComponent(std::string_view name, int count, const Predicate& is) {
  for (; count > 0; --count) {
    const size_t dot = name.find('.');
    if (is(name.substr(0, dot))) return true;
    if (dot == name.npos) return false;
    name.remove_prefix(dot + 1);
  }
  return false;
}

std::string_view TextPrefix(std::string_view name) {
  static constexpr std::array<std::string_view, 8> kPrefixes = {
      "model.language_model.",
      "language_model.model.",
      "language_model.",
      "model.text_model.",
      "model.mtp.",
      "model.",
      "transformer.",
      "mtp."};
  for (std::string_view prefix : kPrefixes) {
    if (name.starts_with(prefix)) return prefix;
  }
  return {};
}

// The first "experts.N." of `path` becomes "experts.*."; returns N or -1.
int TakeExpert(std::string& path) {
  constexpr std::string_view kWord = "experts.";
  size_t at = path.find(kWord);
  for (; at != path.npos; at = path.find(kWord, at + 1)) {
    const size_t begin = at + kWord.size();
    const size_t end = path.find('.', begin);
    if (end == path.npos) return -1;
    const int expert =
        AsIndex(std::string_view(path).substr(begin, end - begin));
    if (expert < 0) continue;
    path.replace(begin, end - begin, "*");
    return expert;
  }
  return -1;
}

}  // namespace

TensorName ParseTensorName(std::string_view name) {
  TensorName parsed;
  if (EarlyComponent(name, 3, IsVisionWord)) {
    parsed.section = Section::kVision;
  } else if (EarlyComponent(name, 2, [](std::string_view word) {
               return word == "mtp";
             })) {
    parsed.section = Section::kMtp;
  }
  // The first number that follows a word for layers.
  std::string_view before;
  for (size_t begin = 0; begin < name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const std::string_view component = name.substr(begin, end - begin);
    const int index = IsLayersWord(before) ? AsIndex(component) : -1;
    if (index >= 0 && end < name.size()) {
      parsed.layer = index;
      parsed.layers = before;
      parsed.prefix = name.substr(0, begin - before.size() - 1);
      parsed.path = name.substr(end + 1);
      parsed.expert = TakeExpert(parsed.path);
      return parsed;
    }
    before = component;
    begin = end + 1;
  }
  parsed.prefix = TextPrefix(name);
  parsed.path = name.substr(parsed.prefix.size());
  parsed.expert = TakeExpert(parsed.path);
  return parsed;
}

}  // namespace ram
