// llama.cpp's own probabilities of a text, for test_perplexity.py, which builds
// this against the library inside the npm package of node-llama-cpp.
//
//   llama_scores float MODEL OUT
//     decodes every tensor of a GGUF file to float32
//   llama_scores score MODEL TEXT WINDOW exact|usual NUMBER...
//     cuts TEXT into windows of WINDOW tokens and prints, of each window
//     NUMBER, a line "tokens: ids" and a line "nll: mean of WINDOW - 1
//     targets"; the start token is put before a window when the model wants it.
//     exact: keys and values in float32, no flash attention; usual: llama.cpp's
//     defaults.
//   llama_scores quantize MODEL OUT MIX
//     writes the model as llama-quantize does with that number of llama_ftype
//   llama_scores tokens MODEL TEXTS
//     prints a line of ids for each of the texts, which end with NUL; special
//     tokens are looked for
//   llama_scores greedy MODEL TEXT COUNT exact|usual
//     prints the ids of at most COUNT tokens that follow TEXT, the most likely
//     one each time, until two are nearer to each other than 1e-3, as float32
//     does not tell them apart
//   llama_scores memory MODEL CONTEXT TEXTS f16|q8_0
//     prints llama.cpp's own lines about sizes when it makes room for TEXTS
//     texts of CONTEXT tokens, as its programs do (windows as long as they are)
#include <ggml-backend.h>
#include <llama.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int kThreads = 1;
constexpr int kBatch = 128;  // rows of logits that are kept at a time

void Check(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

void Quiet(ggml_log_level level, const char* text, void*) {
  if (level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
}

void PrintSizes(ggml_log_level level, const char* text, void*) {
  if (level == GGML_LOG_LEVEL_INFO && std::strstr(text, "size =")) {
    std::fputs(text, stdout);
  }
}

void Memory(const char* path, uint32_t context, uint32_t texts, bool codes) {
  llama_model* model =
      llama_model_load_from_file(path, llama_model_default_params());
  Check(model != nullptr, "cannot load the model");
  llama_context_params params = llama_context_default_params();
  params.n_ctx = context * texts;
  params.n_seq_max = texts;
  params.swa_full = false;
  if (codes) params.type_k = params.type_v = GGML_TYPE_Q8_0;
  llama_log_set(PrintSizes, nullptr);
  Check(llama_init_from_model(model, params) != nullptr, "no context");
}

void DecodeToFloat(const char* model, const char* out) {
  llama_model_quantize_params params = llama_model_quantize_default_params();
  params.nthread = kThreads;
  params.ftype = LLAMA_FTYPE_ALL_F32;
  params.allow_requantize = true;
  Check(llama_model_quantize(model, out, &params) == 0, "cannot write F32");
}

// By one of llama.cpp's mixes (a number of llama_ftype), without a matrix.
void Quantize(const char* model, const char* out, int mix) {
  llama_model_quantize_params params = llama_model_quantize_default_params();
  params.nthread = kThreads;
  params.ftype = static_cast<llama_ftype>(mix);
  Check(llama_model_quantize(model, out, &params) == 0, "cannot quantize");
}

std::string ReadFile(const char* path) {
  std::ifstream file(path, std::ios::binary);
  Check(file.good(), "cannot read the text");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<llama_token> TokensOf(const llama_vocab* vocab,
                                  std::string_view text, bool special) {
  std::vector<llama_token> tokens(text.size() + 8);
  const int count = llama_tokenize(
      vocab, text.data(), static_cast<int>(text.size()), tokens.data(),
      static_cast<int>(tokens.size()), /*add_special=*/false, special);
  Check(count >= 0, "cannot tokenize");
  tokens.resize(static_cast<size_t>(count));
  return tokens;
}

std::vector<llama_token> Tokens(const llama_vocab* vocab, const char* path) {
  return TokensOf(vocab, ReadFile(path), false);
}

void PrintTokens(const char* path, const char* texts) {
  llama_model_params params = llama_model_default_params();
  params.vocab_only = true;
  llama_model* model = llama_model_load_from_file(path, params);
  Check(model != nullptr, "cannot load the model");
  const std::string all = ReadFile(texts);
  for (size_t at = 0, end; (end = all.find('\0', at)) != all.npos;
       at = end + 1) {
    const std::string_view text = std::string_view(all).substr(at, end - at);
    for (const llama_token token :
         TokensOf(llama_model_get_vocab(model), text, true)) {
      std::printf("%d ", token);
    }
    std::printf("\n");
  }
}

// -log of the probability of `token`, in double precision.
double Nll(const float* logits, int vocabulary, llama_token token) {
  float largest = logits[0];
  for (int i = 1; i < vocabulary; ++i) largest = std::fmax(largest, logits[i]);
  double sum = 0;
  for (int i = 0; i < vocabulary; ++i) sum += std::exp(logits[i] - largest);
  return std::log(sum) + static_cast<double>(largest - logits[token]);
}

llama_context* MakeContext(llama_model* model, int positions, bool exact) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<uint32_t>(positions);
  params.n_batch = params.n_ubatch = kBatch;
  params.n_threads = params.n_threads_batch = kThreads;
  if (exact) {
    params.type_k = params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  }
  llama_context* context = llama_init_from_model(model, params);
  Check(context != nullptr, "cannot make a context");
  return context;
}

class Scorer {
 public:
  Scorer(llama_model* model, int window, bool exact)
      : vocab_(llama_model_get_vocab(model)), window_(window) {
    context_ = MakeContext(model, window + 1, exact);
  }

  double MeanNll(const llama_token* tokens) {
    std::vector<llama_token> text(tokens, tokens + window_);
    int first = 0;
    if (llama_vocab_get_add_bos(vocab_)) {
      text.insert(text.begin(), llama_vocab_bos(vocab_));
      first = 1;
    }
    llama_memory_clear(llama_get_memory(context_), true);
    double sum = 0;
    const int total = static_cast<int>(text.size());
    for (int start = 0; start < total; start += kBatch) {
      const int count = std::min(kBatch, total - start);
      sum += BatchNll(text, start, count, first);
    }
    return sum / (window_ - 1);
  }

 private:
  // Reads text[start, start + count) and sums the NLL of what follows each.
  double BatchNll(const std::vector<llama_token>& text, int start, int count,
                  int first) {
    llama_batch batch = llama_batch_init(count, 0, 1);
    batch.n_tokens = count;
    for (int i = 0; i < count; ++i) {
      batch.token[i] = text[static_cast<size_t>(start + i)];
      batch.pos[i] = start + i;
      batch.n_seq_id[i] = 1;
      batch.seq_id[i][0] = 0;
      batch.logits[i] = 1;
    }
    const int status = llama_decode(context_, batch);
    llama_batch_free(batch);
    Check(status == 0, "cannot decode");
    const int vocabulary = llama_vocab_n_tokens(vocab_);
    double sum = 0;
    for (int i = 0; i < count; ++i) {
      const size_t next = static_cast<size_t>(start + i + 1);
      if (start + i < first || next >= text.size()) continue;
      sum += Nll(llama_get_logits_ith(context_, i), vocabulary, text[next]);
    }
    return sum;
  }

  const llama_vocab* vocab_;
  int window_;
  llama_context* context_;
};

// The most likely token; -1 where another is as likely.
llama_token MostLikely(const float* logits, int vocabulary) {
  constexpr float kGap = 1e-3f;
  const float* const best = std::max_element(logits, logits + vocabulary);
  for (int i = 0; i < vocabulary; ++i) {
    if (logits + i != best && logits[i] > *best - kGap) return -1;
  }
  return static_cast<llama_token>(best - logits);
}

void Greedy(const char* path, const char* text, int count, bool exact) {
  llama_model* model =
      llama_model_load_from_file(path, llama_model_default_params());
  Check(model != nullptr, "cannot load the model");
  const llama_vocab* vocab = llama_model_get_vocab(model);
  std::vector<llama_token> tokens = Tokens(vocab, text);
  if (llama_vocab_get_add_bos(vocab)) {
    tokens.insert(tokens.begin(), llama_vocab_bos(vocab));
  }
  llama_context* context =
      MakeContext(model, static_cast<int>(tokens.size()) + count, exact);
  for (int i = 0; i < count; ++i) {
    const llama_batch batch =
        llama_batch_get_one(tokens.data(), static_cast<int>(tokens.size()));
    Check(llama_decode(context, batch) == 0, "cannot decode");
    const llama_token next = MostLikely(llama_get_logits_ith(context, -1),
                                        llama_vocab_n_tokens(vocab));
    if (next < 0) return;
    std::printf("%d ", next);
    tokens = {next};
  }
}

void Score(const char* path, const char* text, int window, bool exact,
           const std::vector<size_t>& numbers) {
  llama_model* model =
      llama_model_load_from_file(path, llama_model_default_params());
  Check(model != nullptr, "cannot load the model");
  const std::vector<llama_token> tokens =
      Tokens(llama_model_get_vocab(model), text);
  Scorer scorer(model, window, exact);
  for (const size_t number : numbers) {
    const size_t start = number * static_cast<size_t>(window);
    Check(start + static_cast<size_t>(window) <= tokens.size(),
          "the text has too few windows");
    std::printf("tokens:");
    for (int i = 0; i < window; ++i) {
      std::printf(" %d", tokens[start + static_cast<size_t>(i)]);
    }
    std::printf("\nnll: %.9f\n", scorer.MeanNll(tokens.data() + start));
    std::fflush(stdout);
  }
}

}  // namespace

int main(int count, char** arguments) {
  try {
    llama_log_set(Quiet, nullptr);
    llama_backend_init();
    if (const char* folder = std::getenv("LLAMA_BACKENDS")) {
      ggml_backend_load_all_from_path(folder);
    }
    Check(count >= 4, "too few arguments");
    if (std::strcmp(arguments[1], "float") == 0) {
      DecodeToFloat(arguments[2], arguments[3]);
      return 0;
    }
    if (std::strcmp(arguments[1], "quantize") == 0) {
      Check(count == 5, "expected MODEL OUT MIX");
      Quantize(arguments[2], arguments[3], std::atoi(arguments[4]));
      return 0;
    }
    if (std::strcmp(arguments[1], "tokens") == 0) {
      PrintTokens(arguments[2], arguments[3]);
      return 0;
    }
    if (std::strcmp(arguments[1], "greedy") == 0) {
      Check(count == 6, "expected MODEL TEXT COUNT exact|usual");
      Greedy(arguments[2], arguments[3], std::atoi(arguments[4]),
             std::strcmp(arguments[5], "exact") == 0);
      return 0;
    }
    if (std::strcmp(arguments[1], "memory") == 0) {
      Check(count >= 6, "too few arguments");
      Memory(arguments[2], static_cast<uint32_t>(std::atoi(arguments[3])),
             static_cast<uint32_t>(std::atoi(arguments[4])),
             std::strcmp(arguments[5], "q8_0") == 0);
      return 0;
    }
    Check(count >= 7, "too few arguments");
    std::vector<size_t> numbers;
    for (int i = 6; i < count; ++i) {
      numbers.push_back(std::strtoul(arguments[i], nullptr, 10));
    }
    Score(arguments[2], arguments[3], std::atoi(arguments[4]),
          std::strcmp(arguments[5], "exact") == 0, numbers);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "llama_scores: %s\n", error.what());
    return 1;
  }
}
