// How a tokenizer.json rewrites a text before it is cut into words.
// https://huggingface.co/docs/tokenizers/components
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ram/base/json.h"

namespace ram {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // `text` is well-formed UTF-8, and so is the result.
  virtual std::string Apply(std::string text) const = 0;
};

// Of the "normalizer" of a tokenizer.json; null: changes nothing. Throws
// kCorrupt or kUnsupported, naming `source` and the type.
std::unique_ptr<Normalizer> MakeNormalizer(const Json& description,
                                           std::string_view source);

}  // namespace ram
