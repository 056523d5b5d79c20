// config.json as the keys with which llama.cpp builds a model ("qwen3.*").
// Sources: llama.cpp's src/models/*.cpp (load_arch_hparams) and its converter
// (conversion/*.py). The inverse of checkpoint/gguf_config.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ram/checkpoint/model.h"
#include "ram/container/gguf_writer.h"
#include "ram/target/gguf_names.h"

namespace ram {

// Of the text model without its layers for multi-token prediction. Throws
// kUnsupported, naming the key, where llama.cpp would compute something else
// than the model, and kCorrupt for values that make no model; `source` names
// the checkpoint.
//
// Windows of attention are written for Gemma-3 and Phi-3: see GgufWindowNote.
GgufPairs GgufHyperparameters(const Model& model,
                              const GgufTargetFamily& family,
                              std::string_view source);

// What is to be said where the model looks back over a window and llama.cpp,
// for this family, over the whole text; nullopt: they do the same.
std::optional<std::string> GgufWindowNote(const Model& model,
                                          const GgufTargetFamily& family);

}  // namespace ram
