#include "ram/evaluation/generate.h"

#include <algorithm>
#include <string>

#include "ram/base/interrupt.h"
#include "ram/base/random.h"
#include "ram/base/stopwatch.h"
#include "ram/evaluation/packed_linear.h"

namespace ram {
namespace {

bool Holds(const std::vector<int32_t>& tokens, int32_t token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

CounterRandom RandomOfText(uint64_t seed, uint64_t text) {
  return {seed, "generate/" + std::to_string(text)};
}

// A text of a corpus while it is written.
struct Draft {
  Draft(const LanguageModel& model, const CorpusOptions& options, uint64_t text)
      : number(text),
        state(model.NewText()),
        random(RandomOfText(options.seed, text)),
        input(options.start) {}

  uint64_t number;
  TextState state;
  CounterRandom random;
  std::vector<int32_t> input;  // to be read next
  std::vector<int32_t> tokens;
  bool ended = false;
};

// Tokens of texts 0, 1, 2... up to the first that is not finished; that one's
// so far count, too.
uint64_t TokensInOrder(const std::vector<std::vector<int32_t>>& texts,
                       const std::vector<bool>& finished,
                       const std::vector<Draft>& drafts) {
  uint64_t sum = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (finished[i]) {
      sum += texts[i].size();
      continue;
    }
    for (const Draft& draft : drafts) {
      if (draft.number == i) sum += draft.tokens.size();
    }
    break;
  }
  return sum;
}

}  // namespace

GeneratedText Generate(LanguageModel& model, std::span<const int32_t> prompt,
                       const GenerateOptions& options,
                       const std::function<void(int32_t)>& on_token) {
  CheckSampling(options.sampling);
  Sampler sampler(options.sampling);
  const CounterRandom random = RandomOfText(options.seed, 0);
  TextState state = model.NewText();
  GeneratedText out;
  out.prompt_tokens = prompt.size();
  Stopwatch stopwatch;
  TextInput input{&state, prompt};
  std::span<const float> logits = model.Read({&input, 1});
  out.prompt_seconds = stopwatch.Lap();
  while (out.tokens.size() < options.max_tokens) {
    ThrowIfInterrupted();
    const int32_t token =
        sampler.Choose(logits, random.Uniform(out.tokens.size()));
    out.ended = Holds(options.end_tokens, token);
    if (out.ended) break;
    out.tokens.push_back(token);
    on_token(token);
    if (out.tokens.size() == options.max_tokens) break;
    input.tokens = {&out.tokens.back(), 1};
    logits = model.Read({&input, 1});
    ++out.steps;
  }
  out.decode_seconds = stopwatch.Seconds();
  return out;
}

std::vector<std::vector<int32_t>> WriteCorpus(
    LanguageModel& model, const CorpusOptions& options,
    const std::function<void(uint64_t)>& on_tokens) {
  CheckSampling(options.sampling);
  Sampler sampler(options.sampling);
  std::vector<std::vector<int32_t>> texts;
  std::vector<bool> finished;
  std::vector<Draft> drafts;
  while (TokensInOrder(texts, finished, drafts) < options.tokens) {
    ThrowIfInterrupted();
    while (drafts.size() < kFewVectors) {
      drafts.emplace_back(model, options, texts.size());
      texts.emplace_back();
      finished.push_back(false);
    }
    std::vector<TextInput> inputs;
    for (Draft& draft : drafts) inputs.push_back({&draft.state, draft.input});
    const std::span<const float> logits = model.Read(inputs);
    for (size_t i = 0; i < drafts.size(); ++i) {
      Draft& draft = drafts[i];
      const int32_t token = sampler.Choose(
          logits.subspan(i * model.vocabulary(), model.vocabulary()),
          draft.random.Uniform(draft.tokens.size()));
      draft.ended = Holds(options.end_tokens, token);
      if (!draft.ended) draft.tokens.push_back(token);
      draft.ended = draft.ended || draft.tokens.size() >= options.text_tokens;
      draft.input = {token};
    }
    on_tokens(drafts.size());
    for (Draft& draft : drafts) {
      if (!draft.ended) continue;
      texts[draft.number] = std::move(draft.tokens);
      finished[draft.number] = true;
    }
    std::erase_if(drafts, [](const Draft& draft) { return draft.ended; });
  }
  for (Draft& draft : drafts) texts[draft.number] = std::move(draft.tokens);
  uint64_t left = options.tokens;
  for (size_t i = 0; i < texts.size(); ++i) {
    texts[i].resize(std::min<uint64_t>(left, texts[i].size()));
    left -= texts[i].size();
    if (left == 0) texts.resize(i + 1);
  }
  return texts;
}

}  // namespace ram
