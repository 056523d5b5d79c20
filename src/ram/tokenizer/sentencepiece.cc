#include "ram/tokenizer/sentencepiece.h"

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ram/base/error.h"
#include "ram/tokenizer/charsmap.h"
#include "ram/tokenizer/protobuf_reader.h"
#include "ram/tokenizer/score_bpe.h"
#include "ram/tokenizer/unicode.h"
#include "ram/tokenizer/unigram.h"
#include "ram/tokenizer/word_cache.h"

namespace ram {
namespace {

using Piece = SentencePiece;
using Model = SentencePieceFile;
using enum SentencePieceType;

Piece ReadPiece(std::string_view message, const std::string& source) {
  Piece piece;
  ProtobufReader reader(message, source);
  for (ProtobufReader::Field field; reader.Next(field);) {
    if (field.number == 1) piece.text = field.bytes;
    if (field.number == 2) {
      piece.score = std::bit_cast<float>(static_cast<uint32_t>(field.integer));
    }
    if (field.number == 3) {
      piece.type = static_cast<SentencePieceType>(field.integer);
    }
  }
  if (piece.text.empty() || FindInvalidUtf8(piece.text)) {
    Fail(ErrorKind::kCorrupt, "{}: found a text that is empty or not UTF-8",
         source);
  }
  return piece;
}

void ReadTrainer(std::string_view message, const std::string& source,
                 Model& model) {
  ProtobufReader reader(message, source + ": trainer_spec");
  for (ProtobufReader::Field field; reader.Next(field);) {
    if (field.number == 3) model.model_type = field.integer;
    if (field.number == 24) model.space_is_suffix = field.integer != 0;
    if (field.number == 35) model.byte_fallback = field.integer != 0;
    if (field.number == 41) model.start = field.integer;
    if (field.number == 42) model.end = field.integer;
  }
}

void ReadNormalizer(std::string_view message, const std::string& source,
                    Model& model) {
  ProtobufReader reader(message, source + ": normalizer_spec");
  for (ProtobufReader::Field field; reader.Next(field);) {
    if (field.number == 2) model.charsmap = field.bytes;
    if (field.number == 3) model.add_prefix = field.integer != 0;
    if (field.number == 4) model.remove_extra_spaces = field.integer != 0;
    if (field.number == 5) model.escape_spaces = field.integer != 0;
  }
}

}  // namespace

SentencePieceFile ReadSentencePieceFile(std::string_view bytes,
                                        const std::string& source) {
  Model model;
  ProtobufReader reader(bytes, source);
  for (ProtobufReader::Field field; reader.Next(field);) {
    if (field.number == 1) {
      model.pieces.push_back(
          ReadPiece(field.bytes,
                    fmt::format("{}: piece {}", source, model.pieces.size())));
    }
    if (field.number == 2) ReadTrainer(field.bytes, source, model);
    if (field.number == 3) ReadNormalizer(field.bytes, source, model);
  }
  if (model.pieces.empty()) {
    Fail(ErrorKind::kCorrupt, "{}: found no pieces", source);
  }
  if (model.space_is_suffix || !model.escape_spaces) {
    Fail(ErrorKind::kUnsupported,
         "{}: found spaces that are suffixes or not escaped, expected U+2581 "
         "before words",
         source);
  }
  return model;
}

namespace {

class Chain : public Normalizer {
 public:
  void Add(std::unique_ptr<Normalizer> step) {
    steps_.push_back(std::move(step));
  }
  std::string Apply(std::string text) const override {
    for (const auto& step : steps_) text = step->Apply(std::move(text));
    return text;
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

std::unique_ptr<Normalizer> MakeChain(const Model& model,
                                      const std::string& source) {
  auto chain = std::make_unique<Chain>();
  if (!model.charsmap.empty()) {
    chain->Add(std::make_unique<Charsmap>(model.charsmap, source));
  }
  if (model.remove_extra_spaces) {
    for (const auto& [pattern, content] :
         {std::pair("\\A +|[ \u2581]+\\z", ""), std::pair(" {2,}", " ")}) {
      chain->Add(MakeNormalizer({{"type", "Replace"},
                                 {"pattern", {{"Regex", pattern}}},
                                 {"content", content}},
                                source));
    }
  }
  return chain;
}

// U+2581 for spaces, and one more in front of the text.
class EscapeSpaces : public PreTokenizer {
 public:
  explicit EscapeSpaces(bool add_prefix) : add_prefix_(add_prefix) {}
  void Apply(Words& words) const override {
    RewriteWords(
        [&](std::string_view word, bool at_start, std::string& out) {
          if (at_start && add_prefix_) out += kSpaceMark;
          for (const char c : word) {
            if (c == ' ') {
              out += kSpaceMark;
            } else {
              out += c;
            }
          }
        },
        words);
  }

 private:
  bool add_prefix_;
};

std::unique_ptr<TokenModel> MakeModel(const Model& model,
                                      const std::string& source) {
  std::vector<Vocabulary::Entry> entries;
  std::vector<bool> is_text;
  std::optional<TokenId> unknown;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const Piece& piece = model.pieces[i];
    entries.push_back({piece.text, i});
    is_text.push_back(piece.type == kNormal);
    if (piece.type == kUnknown) unknown = static_cast<TokenId>(i);
  }
  Vocabulary vocabulary(std::move(entries), source);
  if (model.model_type == 2) {
    std::vector<float> scores;
    for (const Piece& piece : model.pieces) scores.push_back(piece.score);
    return std::make_unique<ScoreBpe>(std::move(vocabulary), std::move(scores),
                                      is_text, unknown, source);
  }
  if (model.model_type != 1) {
    Fail(ErrorKind::kUnsupported,
         "{}: trainer_spec: model_type: found {}, expected 1 (unigram) or 2 "
         "(BPE)",
         source, model.model_type);
  }
  std::vector<double> scores;
  for (const Piece& piece : model.pieces) scores.push_back(piece.score);
  return std::make_unique<Unigram>(std::move(vocabulary), std::move(scores),
                                   is_text, unknown, model.byte_fallback,
                                   /*single_precision=*/true, source);
}

}  // namespace

SentencePieceModel ReadSentencePiece(std::string_view bytes,
                                     std::string_view source_name) {
  const std::string source(source_name);
  const Model model = ReadSentencePieceFile(bytes, source);
  SentencePieceModel result;
  TokenizerParts& parts = result.parts;
  parts.source = source;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const Piece& piece = model.pieces[i];
    if (piece.type != kControl && piece.type != kUserDefined) continue;
    parts.added_tokens.push_back({.text = piece.text,
                                  .looked_for = WithSpaces(piece.text),
                                  .id = static_cast<TokenId>(i),
                                  .special = piece.type == kControl});
  }
  parts.normalizer = MakeChain(model, source);
  parts.pre_tokenizer = std::make_unique<EscapeSpaces>(model.add_prefix);
  parts.model = MakeModel(model, source);
  parts.decoder = MakeSentencePieceDecoder(model.add_prefix);
  // -1, for none, is the largest number.
  if (model.start < model.pieces.size()) {
    result.start = static_cast<TokenId>(model.start);
  }
  if (model.end < model.pieces.size()) {
    result.end = static_cast<TokenId>(model.end);
  }
  return result;
}

}  // namespace ram
