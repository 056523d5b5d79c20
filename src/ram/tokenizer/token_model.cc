#include "ram/tokenizer/token_model.h"

#include <string>
#include <utility>

#include "ram/base/error.h"
#include "ram/tokenizer/bpe.h"
#include "ram/tokenizer/component_json.h"
#include "ram/tokenizer/unigram.h"

namespace ram {
namespace {

Vocabulary ReadVocabulary(const Json& description, std::string_view source) {
  const auto vocab = description.find("vocab");
  if (vocab == description.end() || !vocab->is_object()) {
    Fail(ErrorKind::kCorrupt, "{}: vocab: expected an object", source);
  }
  std::vector<Vocabulary::Entry> entries;
  entries.reserve(vocab->size());
  for (const auto& [text, value] : vocab->items()) {
    const auto id = AsUint64(value);
    if (!id) {
      Fail(ErrorKind::kCorrupt, "{}: vocab: '{}': found {}, expected an id",
           source, text.substr(0, 80), Excerpt(value));
    }
    entries.push_back({text, *id});
  }
  return Vocabulary(std::move(entries), source);
}

// "LEFT RIGHT" or ["LEFT", "RIGHT"].
Bpe::Merge ReadMerge(const Json& merge, std::string_view source) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
      merge[1].is_string()) {
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  if (merge.is_string()) {
    const auto& text = merge.get_ref<const std::string&>();
    const size_t space = text.find(' ');
    if (space != text.npos && text.find(' ', space + 1) == text.npos) {
      return {text.substr(0, space), text.substr(space + 1)};
    }
  }
  Fail(ErrorKind::kCorrupt, "{}: merges: found {}, expected two tokens", source,
       Excerpt(merge));
}

}  // namespace

std::vector<Bpe::Merge> ReadBpeMerges(const Json& description,
                                      std::string_view source) {
  std::vector<Bpe::Merge> merges;
  const Json& list = ListField(description, "merges", source);
  merges.reserve(list.size());
  for (const Json& merge : list) {
    // The first line of a merges.txt, which old files took over.
    if (merge.is_string() &&
        merge.get_ref<const std::string&>().starts_with("#version")) {
      continue;
    }
    merges.push_back(ReadMerge(merge, source));
  }
  return merges;
}

namespace {

std::unique_ptr<TokenModel> ReadBpe(const Json& description,
                                    std::string_view source) {
  const auto dropout = description.find("dropout");
  if (dropout != description.end() && !dropout->is_null() && *dropout != 0) {
    Fail(ErrorKind::kUnsupported,
         "{}: dropout: found {}, expected null (tokens would be random)",
         source, Excerpt(*dropout));
  }
  BpeOptions options;
  options.unknown_token = OptionalString(description, "unk_token", source);
  options.continuing_prefix =
      OptionalString(description, "continuing_subword_prefix", source)
          .value_or("");
  options.end_suffix =
      OptionalString(description, "end_of_word_suffix", source).value_or("");
  const auto flag = [&](const char* key) {
    return OptionalBool(description, key, source).value_or(false);
  };
  options.fuse_unknown = flag("fuse_unk");
  options.byte_fallback = flag("byte_fallback");
  options.ignore_merges = flag("ignore_merges");
  return std::make_unique<Bpe>(ReadVocabulary(description, source),
                               ReadBpeMerges(description, source),
                               std::move(options), source);
}

// "vocab" is a list of [text, log-probability].
std::unique_ptr<TokenModel> ReadUnigram(const Json& description,
                                        std::string_view source) {
  std::vector<Vocabulary::Entry> entries;
  std::vector<double> scores;
  for (const Json& piece : ListField(description, "vocab", source)) {
    if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() ||
        !piece[1].is_number()) {
      Fail(ErrorKind::kCorrupt, "{}: vocab: found {}, expected [text, score]",
           source, Excerpt(piece));
    }
    entries.push_back({piece[0].get<std::string>(), entries.size()});
    scores.push_back(piece[1].get<double>());
  }
  const auto unknown = OptionalUint(description, "unk_id", source);
  if (unknown && *unknown >= entries.size()) {
    Fail(ErrorKind::kCorrupt, "{}: unk_id: found {}, expected less than {}",
         source, *unknown, entries.size());
  }
  const std::vector<bool> is_text(entries.size(), true);
  return std::make_unique<Unigram>(
      Vocabulary(std::move(entries), source), std::move(scores), is_text,
      unknown ? std::optional(static_cast<TokenId>(*unknown)) : std::nullopt,
      OptionalBool(description, "byte_fallback", source).value_or(false),
      /*single_precision=*/false, std::string(source));
}

}  // namespace

std::unique_ptr<TokenModel> MakeTokenModel(const Json& description,
                                           std::string_view source) {
  if (!description.is_object()) {
    Fail(ErrorKind::kCorrupt, "{}: model: found {}, expected an object", source,
         description.type_name());
  }
  const std::string where = fmt::format("{}: model", source);
  // The oldest files have no type.
  const std::string type =
      OptionalString(description, "type", where)
          .value_or(description.contains("merges") ? "BPE" : "Unigram");
  if (type == "BPE") return ReadBpe(description, where);
  if (type == "Unigram") return ReadUnigram(description, where);
  Fail(ErrorKind::kUnsupported, "{}: found type '{}', expected BPE or Unigram",
       where, type.substr(0, 40));
}

}  // namespace ram
