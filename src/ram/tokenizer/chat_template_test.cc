#include "ram/tokenizer/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/file.h"

namespace ram {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string Render(const std::string& source,
                   const OrderedJson& variables = OrderedJson::object()) {
  return ChatTemplate(source, "t").Render(variables);
}

// The kind and words of the error.
std::pair<ErrorKind, std::string> Failure(const std::string& source) {
  try {
    Render(source);
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  }
  ADD_FAILURE() << "no error: " << source;
  return {ErrorKind::kIo, ""};
}

void ExpectUnsupported(const std::string& source, const std::string& named) {
  const auto [kind, words] = Failure(source);
  EXPECT_EQ(kind, ErrorKind::kUnsupported) << words;
  EXPECT_THAT(words, StartsWith("t: line 2: ")) << source;
  EXPECT_THAT(words, HasSubstr(named)) << source;
}

void ExpectWrong(const std::string& source, const std::string& words) {
  const auto [kind, found] = Failure(source);
  EXPECT_EQ(kind, ErrorKind::kCorrupt) << found;
  EXPECT_THAT(found, HasSubstr(words)) << source;
}

// tests/peers/make_chat_golden.py asked Jinja2 3.1.6.
TEST(ChatTemplateTest, RendersAsJinja2Does) {
  const auto golden = OrderedJson::parse(
      ReadTextFile(RAM_SOURCE_DIR "/tests/data/chat_templates.json"));
  ASSERT_GE(golden["cases"].size(), 50u);
  for (const OrderedJson& item : golden["cases"]) {
    const std::string source = item["template"].get<std::string>();
    SCOPED_TRACE(source);
    if (item.contains("text")) {
      EXPECT_EQ(Render(source, golden["variables"]),
                item["text"].get<std::string>());
    } else {
      ASSERT_TRUE(item.contains("raised"));
      try {
        Render(source, golden["variables"]);
        ADD_FAILURE() << "nothing raised";
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kUsage);
        EXPECT_EQ(error.what(), "t: " + item["raised"].get<std::string>());
      }
    }
  }
}

TEST(ChatTemplateTest, RendersMessages) {
  const ChatTemplate chat(
      "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}"
      "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
      "t");
  EXPECT_EQ(chat.Render({{"system", "a"}, {"user", "b"}}, true,
                        {{"bos_token", "<s>"}}),
            "<s><system>a<user>b<assistant>");
}

TEST(ChatTemplateTest, TakesBytesThatAreNoTextAsTheyAre) {
  EXPECT_EQ(Render("{{ 'a \x80 b'.split()|join('|') }}"), "a|\x80|b");
  EXPECT_EQ(Render("{{ ' \x80'|trim }}{{ '\xC3 '.strip() }}"), "\x80\xC3");
}

TEST(ChatTemplateTest, NamesWhatItDoesNotSupport) {
  ExpectUnsupported("\n{% include 'x' %}", "'include'");
  ExpectUnsupported("\n{% call f() %}{% endcall %}", "'call'");
  ExpectUnsupported("\n{{ 'a'|wordcount }}", "'wordcount'");
  ExpectUnsupported("\n{{ 1 is divisibleby 2 }}", "'divisibleby'");
  ExpectUnsupported("\n{{ cycler(1) }}", "'cycler'");
  ExpectUnsupported("\n{{ 'a'.center(3) }}", "'center'");
  ExpectUnsupported("\n{{ 2 ** 3 }}", "'**'");
  ExpectUnsupported("\n{{ f(*x) }}", "unpacked arguments");
  ExpectUnsupported("\n{% for a in b recursive %}{% endfor %}", "recursive");
  ExpectUnsupported("\n{{ {1: 2} }}", "keys");
}

TEST(ChatTemplateTest, SaysWhatIsWrong) {
  ExpectWrong("{{ a", "t: line 1: a tag without its end");
  ExpectWrong("{% if a %}", "found the end, expected 'endif'");
  ExpectWrong("x\n{{ 'a }}", "line 2: a string without its end");
  ExpectWrong("{% for in x %}", "expected 'in'");
  ExpectWrong("{{ a. }}", "expected a name");
  ExpectWrong("{{ 1 + 'a' }}", "int + str");
  ExpectWrong("{{ missing.field }}", "'missing', undefined, has no 'field'");
  ExpectWrong("{{ 1 // 0 }}", "division by zero");
  ExpectWrong("{{ 9223372036854775807 + 1 }}", "64 bits");
}

// Templates come with models that nobody vouches for.
TEST(ChatTemplateTest, StopsWhatDoesNotEnd) {
  ExpectWrong(
      "{% for i in range(100000) %}{% for j in range(100000) %}"
      "{% endfor %}{% endfor %}",
      "a million steps");
  ExpectWrong("{{ 'x' * 99999999999 }}", "16 MiB");
  ExpectWrong("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "32 at most");
  ExpectWrong(
      "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}"
      "{% set ns.x = [ns.x] %}{% endfor %}",
      "deeper than 100");
  ExpectWrong("{% set a = namespace() %}{% set a.x = a %}", "namespace");
  EXPECT_EQ(Failure("{{" + std::string(5000, '(') + "1" +
                    std::string(5000, ')') + "}}")
                .first,
            ErrorKind::kUnsupported);
  EXPECT_EQ(Failure("{{ a" + std::string(5000, '~') + "a }}").first,
            ErrorKind::kCorrupt);
  std::string chain = "{{ a";
  for (int i = 0; i < 5000; ++i) chain += " ~ a";
  EXPECT_EQ(Failure(chain + " }}").first, ErrorKind::kUnsupported);
}

}  // namespace
}  // namespace ram
