// config.json read the way one family's own code reads it: under its names,
// with its defaults, with what follows from other keys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/json.h"
#include "ram/checkpoint/architecture.h"

namespace ram {

// Layers and experts beyond these are taken for a mistake in the file.
inline constexpr uint64_t kMaxLayers = 10'000;
inline constexpr uint64_t kMaxExperts = 65'536;

// The value of `key` ("a.b" looks into a) in config, or in its text_config
// where that has it; null when there is none.
const Json* FindConfig(const Json& config, std::string_view key);

// object[key] where that is a string, else empty.
std::string TextOf(const Json& object, const char* key);

// tie_word_embeddings, where config.json says.
std::optional<bool> TiedByConfig(const Json& config);

class ModelConfig {
 public:
  // Keeps references. `source` names the checkpoint. Throws kCorrupt where the
  // config makes no model: no layers, zero experts, numbers out of range.
  ModelConfig(const Json& config, const Architecture& architecture,
              std::string_view source);

  // "DIR/config.json"
  const std::string& file() const { return file_; }
  const Architecture& architecture() const { return architecture_; }

  uint64_t layers() const { return layers_; }
  uint64_t mtp_layers() const { return mtp_layers_; }
  uint64_t experts() const { return experts_; }  // 0: the family has none
  // LayerTrait bits. Layers from layers() on are for multi-token prediction.
  uint32_t Traits(uint64_t layer) const;

  // By the pattern's key. Get throws kCorrupt "FILE: NAME: found nothing, ..."
  std::optional<uint64_t> Find(std::string_view key) const;
  uint64_t Get(std::string_view key) const;
  bool Flag(std::string_view key) const;

  // A sum of products of keys and numbers; throws kCorrupt on overflow.
  uint64_t Evaluate(std::string_view formula) const;
  std::vector<uint64_t> Shape(const TensorPattern& pattern) const;
  // The formula with the names config.json uses.
  std::string Spell(std::string_view formula) const;

 private:
  std::string_view NameOf(std::string_view key) const;
  const Json* Value(std::string_view key) const;
  bool IsMoe(uint64_t layer) const;
  bool IsLinear(uint64_t layer) const;

  const Json& config_;
  const Architecture& architecture_;
  std::string file_;
  uint64_t layers_ = 0;
  uint64_t mtp_layers_ = 0;
  uint64_t experts_ = 0;
};

}  // namespace ram
