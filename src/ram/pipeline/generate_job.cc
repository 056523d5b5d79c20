#include "ram/pipeline/generate_job.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/base/output.h"
#include "ram/base/stopwatch.h"
#include "ram/tokenizer/chat_template.h"
#include "ram/tokenizer/tokenizer.h"
#include "ram/tokenizer/unicode.h"

namespace ram {
namespace {

// How much of `text` ends with a whole character.
size_t WholeCharacters(const std::string& text) {
  size_t lead = text.size();
  while (lead > 0 && text.size() - lead < 4) {
    const auto byte = static_cast<unsigned char>(text[--lead]);
    if ((byte & 0xC0) == 0x80) continue;
    const size_t length = byte < 0xC0   ? 1
                          : byte < 0xE0 ? 2
                          : byte < 0xF0 ? 3
                                        : 4;
    return text.size() - lead < length ? lead : text.size();
  }
  return text.size();
}

// The text of tokens that come one by one. A token's text may depend on the
// one before it, so the end of the prompt is decoded with them.
class TextStream {
 public:
  TextStream(const Tokenizer& tokenizer, const std::vector<TokenId>& prompt)
      : tokenizer_(tokenizer) {
    constexpr size_t kContext = 8;
    const size_t count = std::min(kContext, prompt.size());
    tokens_.assign(prompt.end() - static_cast<std::ptrdiff_t>(count),
                   prompt.end());
    done_ = tokenizer_.Decode(tokens_).size();
    start_ = done_;
  }

  // The whole characters that this token completes.
  std::string Add(TokenId token) {
    tokens_.push_back(token);
    const std::string all = tokenizer_.Decode(tokens_);
    const size_t whole = WholeCharacters(all);
    if (whole <= done_) return {};
    std::string out = all.substr(done_, whole - done_);
    done_ = whole;
    return out;
  }
  // Everything after the prompt, with what is not a whole character.
  std::string Text() const {
    const std::string all = tokenizer_.Decode(tokens_);
    return all.substr(std::min(start_, all.size()));
  }

 private:
  const Tokenizer& tokenizer_;
  std::vector<TokenId> tokens_;
  size_t start_ = 0;
  size_t done_ = 0;
};

// What templates call bos_token and so on: from tokenizer_config.json, else
// by the tokenizer.
OrderedJson SpecialTokens(const std::filesystem::path& model,
                          const Tokenizer& tokenizer) {
  OrderedJson out = OrderedJson::object();
  const auto spell = [&](const char* name, const std::vector<TokenId>& ids) {
    if (!ids.empty()) {
      out[name] = tokenizer.Decode({ids.data(), 1}, /*skip_special=*/false);
    }
  };
  spell("bos_token", tokenizer.StartTokens());
  spell("eos_token", tokenizer.EndTokens());
  const std::filesystem::path path = model / "tokenizer_config.json";
  if (!std::filesystem::exists(path)) return out;
  const Json config = ReadJsonFile(path.string());
  for (const char* name :
       {"bos_token", "eos_token", "unk_token", "pad_token"}) {
    const auto token = config.find(name);
    if (token == config.end()) continue;
    if (token->is_string()) out[name] = token->get<std::string>();
    if (token->is_object() && token->contains("content")) {
      out[name] = StringField(*token, "content", path.string());
    }
  }
  return out;
}

// The prompt as the model reads it.
void MakePrompt(const std::filesystem::path& model, const std::string& prompt,
                const GenerateJobOptions& options, const Tokenizer& tokenizer,
                GenerateJobResult& result) {
  const std::string source = tokenizer.ChatTemplate();
  result.chat = options.chat.value_or(!source.empty());
  result.prompt = prompt;
  if (!result.chat) return;
  if (source.empty()) {
    Fail(ErrorKind::kUsage,
         "{}: found no chat template, expected one (leave --chat out)",
         model.string());
  }
  std::vector<ChatMessage> messages;
  if (!options.system.empty()) messages.push_back({"system", options.system});
  messages.push_back({"user", prompt});
  result.prompt = ChatTemplate(source, model.string() + ": chat template")
                      .Render(messages, /*add_generation_prompt=*/true,
                              SpecialTokens(model, tokenizer));
}

}  // namespace

GenerateJobResult RunGenerate(
    const std::filesystem::path& model, const std::string& prompt,
    const GenerateJobOptions& options,
    const std::function<void(std::string_view)>& on_text) {
  CheckSampling(options.sampling);
  Stopwatch watch;
  const Checkpoint checkpoint = Checkpoint::Open(model);
  const std::unique_ptr<Tokenizer> tokenizer =
      Tokenizer::Open(checkpoint.path());
  GenerateJobResult result;
  MakePrompt(model, prompt, options, *tokenizer, result);
  // A template writes the start tokens itself.
  std::vector<TokenId> tokens = tokenizer->Encode(
      result.prompt, {.add_special = false, .parse_special = result.chat});
  if (!result.chat) {
    const std::vector<TokenId> start = tokenizer->StartTokens();
    tokens.insert(tokens.begin(), start.begin(), start.end());
  }
  if (tokens.empty()) {
    Fail(ErrorKind::kUsage, "prompt: found no token, expected some text");
  }
  LanguageModel language_model(checkpoint, options.threads,
                               tokens.size() + options.max_tokens);
  result.weight_bytes = language_model.weight_bytes();
  result.load_seconds = watch.Lap();
  TextStream stream(*tokenizer, tokens);
  result.generated =
      Generate(language_model, tokens,
               {.sampling = options.sampling,
                .seed = options.seed,
                .max_tokens = options.max_tokens,
                .end_tokens = tokenizer->EndTokens()},
               [&](TokenId token) { on_text(stream.Add(token)); });
  result.text = stream.Text();
  return result;
}

CorpusJobResult RunCorpus(const std::filesystem::path& model,
                          const std::filesystem::path& out,
                          const CorpusJobOptions& options, Progress& progress) {
  CheckSampling(options.sampling);
  if (std::filesystem::exists(out)) {
    Fail(ErrorKind::kIo, "{}: found a file, expected none", out.string());
  }
  const Checkpoint checkpoint = Checkpoint::Open(model);
  const std::unique_ptr<Tokenizer> tokenizer =
      Tokenizer::Open(checkpoint.path());
  CorpusOptions corpus;
  corpus.sampling = options.sampling;
  corpus.seed = options.seed;
  corpus.tokens = options.tokens;
  corpus.text_tokens = options.text_tokens;
  corpus.end_tokens = tokenizer->EndTokens();
  corpus.start = tokenizer->StartTokens();
  // Texts that were trained on one after the other begin behind an end.
  if (corpus.start.empty() && !corpus.end_tokens.empty()) {
    corpus.start = {corpus.end_tokens.front()};
  }
  if (corpus.start.empty()) {
    Fail(ErrorKind::kUnsupported,
         "{}: tokenizer: found neither a start nor an end token, expected one "
         "to begin texts with",
         model.string());
  }
  LanguageModel language_model(checkpoint, options.threads,
                               corpus.start.size() + options.text_tokens);
  progress.Begin("write", options.tokens);
  Stopwatch watch;
  const auto texts = WriteCorpus(language_model, corpus, [&](uint64_t tokens) {
    progress.Advance(tokens);
  });
  CorpusJobResult result;
  result.seconds = watch.Lap();
  progress.End();
  OrderedJson list = OrderedJson::array();
  std::string plain;
  for (const std::vector<int32_t>& text : texts) {
    result.tokens += text.size();
    const std::string words = ReplaceInvalidUtf8(tokenizer->Decode(text));
    list.push_back(words);
    plain += plain.empty() ? "" : "\n\n";
    plain += words;
  }
  result.texts = texts.size();
  if (out.extension() == ".json") {
    plain = OrderedJson({{"version", 1},
                         {"model", model.string()},
                         {"seed", options.seed},
                         {"temperature", options.sampling.temperature},
                         {"top_k", options.sampling.top_k},
                         {"top_p", options.sampling.top_p},
                         {"min_p", options.sampling.min_p},
                         {"tokens", result.tokens},
                         {"texts", list}})
                .dump(1, ' ', false, OrderedJson::error_handler_t::replace);
  }
  WriteNewFile(out, plain + "\n");
  return result;
}

}  // namespace ram
