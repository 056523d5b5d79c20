#include "ram/tokenizer/pipeline_tokenizer.h"

#include <algorithm>
#include <utility>

#include "ram/base/error.h"
#include "ram/tokenizer/unicode.h"

namespace ram {
namespace {

// Positions within a word are 32-bit numbers.
constexpr size_t kMaxTextBytes = size_t{1} << 30;

void CheckText(std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    Fail(ErrorKind::kUnsupported, "text: found {} bytes, expected at most {}",
         text.size(), kMaxTextBytes);
  }
  if (const auto at = FindInvalidUtf8(text)) {
    Fail(ErrorKind::kCorrupt,
         "text: byte {}: found 0x{:02X}, which is not UTF-8 there", *at,
         static_cast<uint8_t>(text[*at]));
  }
}

}  // namespace

PipelineTokenizer::PipelineTokenizer(TokenizerParts parts)
    : parts_(std::move(parts)) {
  vocabulary_size_ = parts_.model->vocabulary().id_limit();
  PlaceAddedTokens();
  MakeFinders();
  CheckKnown(parts_.surrounding.before, "post_processor");
  CheckKnown(parts_.surrounding.after, "post_processor");
}

// The model's own vocabulary decides about ids, as in `tokenizers`.
void PipelineTokenizer::PlaceAddedTokens() {
  const Vocabulary& vocabulary = parts_.model->vocabulary();
  for (size_t i = 0; i < parts_.added_tokens.size(); ++i) {
    AddedToken& token = parts_.added_tokens[i];
    token.id = vocabulary.Find(token.text).value_or(token.id);
    const std::string* other = vocabulary.Text(token.id);
    const auto earlier = added_by_id_.find(token.id);
    if (!other && earlier != added_by_id_.end()) {
      other = &parts_.added_tokens[earlier->second].text;
    }
    if (other && *other != token.text) {
      Fail(ErrorKind::kCorrupt,
           "{}: added token '{}': found id {}, which is that of '{}'",
           parts_.source, token.text.substr(0, 80), token.id,
           other->substr(0, 80));
    }
    added_by_text_.insert_or_assign(token.text, i);
    added_by_id_.insert_or_assign(token.id, i);
    vocabulary_size_ =
        std::max(vocabulary_size_, static_cast<uint64_t>(token.id) + 1);
  }
}

void PipelineTokenizer::MakeFinders() {
  std::vector<AddedTokenFinder::Pattern> raw;
  std::vector<AddedTokenFinder::Pattern> normalized;
  for (const auto& [id, index] : added_by_id_) {
    const AddedToken& token = parts_.added_tokens[index];
    if (!token.normalized) {
      raw.push_back(
          {token.looked_for.empty() ? token.text : token.looked_for, &token});
      continue;
    }
    std::string text = parts_.normalizer->Apply(token.text);
    if (text.empty()) continue;
    normalized_texts_[id] = text;
    normalized.push_back({std::move(text), &token});
  }
  raw_finder_ = AddedTokenFinder(std::move(raw));
  normalized_finder_ = AddedTokenFinder(std::move(normalized));
}

void PipelineTokenizer::CheckKnown(std::span<const TokenId> ids,
                                   std::string_view what) const {
  for (const TokenId id : ids) {
    if (!parts_.model->vocabulary().Text(id) && !added_by_id_.contains(id)) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found token {}, which has no text",
           parts_.source, what, id);
    }
  }
}

std::vector<TokenId> PipelineTokenizer::Encode(
    std::string_view text, const EncodeOptions& options) const {
  CheckText(text);
  std::vector<TokenId> ids;
  if (options.add_special) ids = parts_.surrounding.before;
  for (const auto& section : raw_finder_.Cut(text, options.parse_special)) {
    if (section.token) {
      ids.push_back(section.token->id);
    } else {
      EncodeNormalized(section.text, section.text.data() == text.data(),
                       options.parse_special, ids);
    }
  }
  if (options.add_special) {
    ids.insert(ids.end(), parts_.surrounding.after.begin(),
               parts_.surrounding.after.end());
  }
  return ids;
}

void PipelineTokenizer::EncodeNormalized(std::string_view text, bool at_start,
                                         bool special,
                                         std::vector<TokenId>& ids) const {
  const std::string normalized = parts_.normalizer->Apply(std::string(text));
  for (const auto& section : normalized_finder_.Cut(normalized, special)) {
    if (section.token) {
      ids.push_back(section.token->id);
      continue;
    }
    Words words;
    words.text = section.text;
    const bool first = section.text.data() == normalized.data();
    words.words.push_back({0, words.text.size(), at_start && first});
    parts_.pre_tokenizer->Apply(words);
    parts_.model->Encode(words, ids);
  }
}

std::string PipelineTokenizer::Decode(std::span<const TokenId> ids,
                                      bool skip_special) const {
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (const TokenId id : ids) {
    const auto added = added_by_id_.find(id);
    if (added != added_by_id_.end()) {
      const AddedToken& token = parts_.added_tokens[added->second];
      if (skip_special && token.special) continue;
      const auto normalized = normalized_texts_.find(id);
      texts.push_back(normalized == normalized_texts_.end()
                          ? token.text
                          : normalized->second);
    } else if (const std::string* text = parts_.model->vocabulary().Text(id)) {
      texts.push_back(*text);
    }
  }
  parts_.decoder->Apply(texts);
  std::string result;
  for (const std::string& text : texts) result += text;
  return result;
}

std::optional<TokenId> PipelineTokenizer::FindToken(
    std::string_view text) const {
  const auto added = added_by_text_.find(text);
  if (added != added_by_text_.end()) {
    return parts_.added_tokens[added->second].id;
  }
  return parts_.model->vocabulary().Find(text);
}

}  // namespace ram
