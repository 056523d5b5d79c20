#include "ram/evaluation/hellaswag.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "ram/base/error.h"
#include "ram/base/temporary_directory.h"
#include "ram/evaluation/few_shot.h"
#include "ram/evaluation/test_shared.h"

namespace ram {
namespace {

using ::testing::ElementsAre;

// Expected: lm-evaluation-harness 0.4.13, tasks/hellaswag/utils.py.
TEST(HellaSwagTest, CleansAsTheHarnessDoes) {
  EXPECT_EQ(
      CleanHellaSwag("  [header] How to [title] Go. [step] Run ] now [a[b]c]"),
      " How to. Go. Run ] now c]");
  EXPECT_EQ(CleanHellaSwag("x [substeps]   y"), "x  y");
  EXPECT_EQ(CleanHellaSwag("open [never\n] closed ["),
            "open [never\n] closed [");
  EXPECT_EQ(CleanHellaSwag("[title] Begin"), " Begin");
}

TEST(HellaSwagTest, ContextLowersAllOfCtxBButItsFirstLetter) {
  EXPECT_EQ(HellaSwagContext("Roof", "A man sits.", "he Is USING tools."),
            "Roof: A man sits. He is using tools.");
  EXPECT_EQ(HellaSwagContext("Health", "Go out.", ""), "Health: Go out.");
}

TEST(HellaSwagTest, ReadsTheDataSetsOwnLines) {
  const TemporaryDirectory directory;
  const auto items = ReadHellaSwag(directory.Write(
      "a.jsonl",
      R"({"ind": 24, "activity_label": "Roof", "ctx_a": "A man.", "ctx_b": "he", "endings": ["is [x] here.", "b", "c", "d"], "label": "3"})"
      "\n\n"
      R"({"activity_label": "Roof", "ctx_a": "A", "ctx_b": "", "endings": ["a", "b"], "label": 0})"));
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0].id, "24");
  EXPECT_EQ(items[0].context, "Roof: A man. He");
  EXPECT_THAT(items[0].choices, ElementsAre("is here.", "b", "c", "d"));
  EXPECT_EQ(items[0].answer, 3u);
  EXPECT_EQ(items[1].answer, 0u);
}

TEST(HellaSwagTest, ReadsRequestsOfTheHarnessOncePerItem) {
  const TemporaryDirectory directory;
  const std::string line =
      R"({"doc": {"ind": 1, "query": "q", "choices": ["a", "b"], "gold": 1}, "idx": 0})"
      "\n";
  const auto items = ReadHellaSwag(directory.Write("a.jsonl", line + line));
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0].context, "q");
  EXPECT_EQ(items[0].answer, 1u);
}

TEST(HellaSwagTest, ReadsSixLinesAnItem) {
  const TemporaryDirectory directory;
  const auto items =
      ReadHellaSwag(directory.Write("a.txt", "ctx\n2\na\nb\nc\nd\n"));
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0].context, "ctx");
  EXPECT_THAT(items[0].choices, ElementsAre("a", "b", "c", "d"));
  EXPECT_EQ(items[0].answer, 2u);
}

std::string HellaSwagMessage(std::string_view contents) {
  const TemporaryDirectory directory;
  const auto path = directory.Write("a.jsonl", contents);
  std::string message = ErrorMessage([&] { ReadHellaSwag(path); });
  const size_t at = message.find(directory.path().string());
  if (at == 0) message.erase(0, directory.path().string().size() + 1);
  return message;
}

TEST(HellaSwagTest, NamesLineAndFieldOfWhatIsMissing) {
  EXPECT_EQ(HellaSwagMessage(
                R"({"activity_label": "R", "ctx_a": "A", "endings": []})"),
            "a.jsonl line 1: ctx_b: found nothing, expected a string");
  EXPECT_EQ(HellaSwagMessage(R"({"query": "q", "choices": ["a"], "gold": 0})"),
            "a.jsonl line 1: choices: found array, expected two texts or more");
  EXPECT_EQ(
      HellaSwagMessage("\n{\"query\": \"q\", \"choices\": [\"a\", \"b\"]}"),
      "a.jsonl line 2: gold: found nothing, expected a whole number, "
      "zero or more");
  EXPECT_EQ(
      HellaSwagMessage(R"({"query": "q", "choices": ["a", "b"], "gold": 2})"),
      "a.jsonl line 1: gold: found 2, expected one of 2 choices");
  EXPECT_EQ(
      HellaSwagMessage(R"({"query": "q", "choices": ["a", "b"], "gold": "x"})"),
      "a.jsonl line 1: gold: found \"x\", expected a number");
  EXPECT_EQ(HellaSwagMessage("context\nlabel\n"),
            "a.jsonl line 1: item: found something else, expected six lines: "
            "context, label, four endings");
  EXPECT_EQ(HellaSwagMessage(""),
            "a.jsonl: found no item, expected one or more");
}

// The harness's requests, unpacked to a file that goes away with the test.
class HellaSwagRequestsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto packed = SharedFile(
        RAM_SOURCE_DIR, "data/hellaswag/requests_1000_5shot.jsonl.gz");
    if (!std::filesystem::exists(packed)) {
      GTEST_SKIP() << packed << " is not there";
    }
    const std::string command = "gzip -dc '" + packed.string() + "' > '" +
                                (directory_ / "requests.jsonl").string() + "'";
    ASSERT_EQ(std::system(command.c_str()), 0);
  }

  TemporaryDirectory directory_;
};

TEST_F(HellaSwagRequestsTest, ReadsThousandItems) {
  EXPECT_EQ(ReadHellaSwag(directory_ / "requests.jsonl").size(), 1000u);
}

// The five shots of these requests are items 0 to 4 of the pool. Whoever made
// the requests had other brackets in the second and fifth ("[step]" where the
// pool has "[title]"), so that these two have no "..": their text is taken
// from the requests. All else is ours: the cleaning of the other three, what
// stands between shots, the context, the choices.
TEST_F(HellaSwagRequestsTest, PromptsAreThoseOfThousandHarnessRequests) {
  const auto pool_path =
      SharedFile(RAM_SOURCE_DIR, "data/hellaswag/fewshot14.jsonl");
  std::vector<ChoiceItem> pool = ReadHellaSwag(pool_path);
  pool.resize(5);
  for (const size_t index : {size_t{1}, size_t{4}}) {
    ChoiceItem& shot = pool[index];
    for (std::string* text : {&shot.context, &shot.choices[shot.answer]}) {
      for (size_t at; (at = text->find("..")) != std::string::npos;) {
        text->erase(at, 1);
      }
    }
  }
  const auto items = ReadHellaSwag(directory_ / "requests.jsonl");
  const auto prompts = PromptsWithShots(items, pool, {.shots = 5}, "pool");
  size_t compared = 0;
  ForEachJsonLine(directory_ / "requests.jsonl", [&](const Json& line,
                                                     std::string_view source) {
    // The second half are the same items without context ("Answer:").
    const uint64_t doc = UintField(line, "doc_id", source);
    if (doc >= items.size()) return;
    const Json& request = line.at("request");
    const auto choice = UintField(line, "idx", source);
    EXPECT_EQ(request.at("context").get<std::string>(), prompts[doc]);
    EXPECT_EQ(request.at("continuation").get<std::string>(),
              " " + items[doc].choices[choice]);
    ++compared;
  });
  EXPECT_EQ(compared, 4000u);
}

}  // namespace
}  // namespace ram
