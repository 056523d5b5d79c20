#include "ram/tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <utility>

#include "ram/base/error.h"
#include "ram/tokenizer/unicode.h"

namespace ram {
namespace {

// The patterns of real tokenizers take a few steps per character and have a
// few hundred characters.
constexpr uint32_t kMatchLimit = 50'000'000;
constexpr size_t kMaxPatternBytes = 16384;
constexpr size_t kJitStackMinBytes = size_t{32} << 10;
constexpr size_t kJitStackMaxBytes = size_t{64} << 20;

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* pointer) const {
    kFree(pointer);
  }
};
using CompileContext =
    std::unique_ptr<pcre2_compile_context, Free<pcre2_compile_context_free>>;
using MatchContext =
    std::unique_ptr<pcre2_match_context, Free<pcre2_match_context_free>>;
using MatchData =
    std::unique_ptr<pcre2_match_data, Free<pcre2_match_data_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Free<pcre2_jit_stack_free>>;

std::string PcreMessage(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

PCRE2_SPTR Bytes(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

}  // namespace

struct Regex::Code {
  std::unique_ptr<pcre2_code, Free<pcre2_code_free>> compiled;
  bool jit = false;
  std::string source;
};

Regex::Regex(std::unique_ptr<Code> code) : code_(std::move(code)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Regex::Regex(std::string_view pattern, std::string_view source)
    : code_(std::make_unique<Code>()) {
  const std::string shown(pattern.substr(0, 200));
  code_->source = fmt::format("{}: regular expression '{}'", source, shown);
  if (pattern.size() > kMaxPatternBytes) {
    Fail(ErrorKind::kUnsupported, "{}: found {} bytes, expected at most {}",
         code_->source, pattern.size(), kMaxPatternBytes);
  }
  const std::string translated = TranslateRegex(pattern, source);
  const CompileContext context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_->compiled.reset(pcre2_compile(
      Bytes(translated), translated.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error,
      &offset, context.get()));
  if (!code_->compiled) {
    Fail(ErrorKind::kUnsupported, "{}: found what PCRE2 does not take: {}",
         code_->source, PcreMessage(error));
  }
  // Without a compiler for this machine, the interpreter runs the pattern.
  code_->jit =
      pcre2_jit_compile(code_->compiled.get(), PCRE2_JIT_COMPLETE) == 0;
}

Regex Regex::Literal(std::string_view text, std::string_view source) {
  std::string pattern;
  for (const char c : text) {
    // Escaping a letter or a digit would give it a meaning.
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                       (c >= 'A' && c <= 'Z') || static_cast<uint8_t>(c) >= 128;
    if (!plain) pattern += '\\';
    pattern += c;
  }
  return Regex(pattern, source);
}

struct Regex::Matcher::State {
  const Code* code = nullptr;
  MatchContext context;
  MatchData data;
  JitStack stack;
  std::string_view text;
  size_t from = 0;
  size_t last_end = 0;
  bool matched_before = false;
};

Regex::Matcher::Matcher(const Regex& regex)
    : state_(std::make_unique<State>()) {
  state_->code = regex.code_.get();
  state_->context.reset(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(state_->context.get(), kMatchLimit);
  state_->data.reset(pcre2_match_data_create_from_pattern(
      state_->code->compiled.get(), nullptr));
  if (state_->code->jit) {
    state_->stack.reset(
        pcre2_jit_stack_create(kJitStackMinBytes, kJitStackMaxBytes, nullptr));
    pcre2_jit_stack_assign(state_->context.get(), nullptr, state_->stack.get());
  }
}

Regex::Matcher::~Matcher() = default;

void Regex::Matcher::Start(std::string_view text) {
  state_->text = text;
  state_->from = 0;
  state_->matched_before = false;
}

bool Regex::Matcher::Next(size_t& begin, size_t& end) {
  State& state = *state_;
  while (state.from <= state.text.size()) {
    const int result = pcre2_match(
        state.code->compiled.get(), Bytes(state.text), state.text.size(),
        state.from, PCRE2_NO_UTF_CHECK, state.data.get(), state.context.get());
    if (result == PCRE2_ERROR_NOMATCH) return false;
    if (result < 0) {
      Fail(ErrorKind::kUnsupported, "{}: gave up at byte {} of a text: {}",
           state.code->source, state.from, PcreMessage(result));
    }
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(state.data.get());
    begin = range[0];
    end = range[1];
    if (begin != end || !state.matched_before || state.last_end != end) {
      state.from = end;
      state.last_end = end;
      state.matched_before = true;
      return true;
    }
    state.from += state.from < state.text.size()
                      ? FirstCodePoint(state.text.substr(state.from)).bytes
                      : 1;
  }
  return false;
}

std::string ReplaceMatches(const Regex& regex, std::string_view text,
                           std::string_view content) {
  std::string result;
  if (text.empty()) return result;
  Regex::Matcher matcher(regex);
  matcher.Start(text);
  size_t previous = 0;
  size_t begin = 0;
  size_t end = 0;
  while (matcher.Next(begin, end)) {
    result += text.substr(previous, begin - previous);
    result += content;
    previous = end;
  }
  result += text.substr(previous);
  return result;
}

}  // namespace ram
