#include "ram/evaluation/arc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "ram/base/temporary_directory.h"
#include "ram/evaluation/few_shot.h"
#include "ram/evaluation/test_shared.h"

namespace ram {
namespace {

constexpr char kTwo[] =
    R"({"id": "a", "question": "Why?", "choices": ["x", "y", "z"], "answer_index": 2})"
    "\n"
    R"({"id": "b", "question": "Who?", "choices": ["p", "q"], "answer_index": 0})"
    "\n";

TEST(ArcTest, AsksAsTheHarnessDoes) {
  const TemporaryDirectory directory;
  const auto items = ReadArc(directory.Write("a.jsonl", kTwo));
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0].id, "a");
  EXPECT_EQ(items[0].context, "Question: Why?\nAnswer:");
  EXPECT_EQ(items[0].answer, 2u);
}

TEST(ArcTest, ShotsAreQuestionAndAnswerWithABlankLineBetween) {
  const TemporaryDirectory directory;
  const auto items = ReadArc(directory.Write("a.jsonl", kTwo));
  const auto prompts = PromptsWithShots(items, items, {.shots = 2}, "a.jsonl");
  EXPECT_EQ(prompts[1],
            "Question: Why?\nAnswer: z\n\nQuestion: Who?\nAnswer: p\n\n"
            "Question: Who?\nAnswer:");
  EXPECT_EQ(PromptsWithShots(items, items, {}, "a.jsonl")[0],
            "Question: Why?\nAnswer:");
}

TEST(ArcTest, ShotsPerItemAreDrawnItemByItem) {
  std::vector<ChoiceItem> pool;
  for (int i = 0; i < 14; ++i) {
    pool.push_back({"", "q" + std::to_string(i), {"a", "b"}, 0});
  }
  const auto prompts = PromptsWithShots(std::span(pool).first(2), pool,
                                        {.shots = 3, .per_item = true}, "pool");
  // CPython: random.Random(1234).sample(range(14), 3), twice.
  EXPECT_EQ(prompts[0], "q12 a\n\nq7 a\n\nq1 a\n\nq0");
  EXPECT_EQ(prompts[1], "q0 a\n\nq1 a\n\nq9 a\n\nq1");
}

TEST(ArcTest, MoreShotsThanExamplesAreAnError) {
  const TemporaryDirectory directory;
  const auto items = ReadArc(directory.Write("a.jsonl", kTwo));
  EXPECT_EQ(ErrorMessage([&] {
              PromptsWithShots(items, items, {.shots = 3}, "train.jsonl");
            }),
            "train.jsonl: examples: found 2, expected at least the 3 shots "
            "wanted (--shot-count)");
}

std::string MessageOf(std::string_view contents) {
  const TemporaryDirectory directory;
  const auto path = directory.Write("a.jsonl", contents);
  std::string message = ErrorMessage([&] { ReadArc(path); });
  message.erase(0, directory.path().string().size() + 1);
  return message;
}

TEST(ArcTest, NamesLineAndFieldOfWhatIsMissing) {
  EXPECT_EQ(MessageOf(R"({"id": "a", "choices": ["x", "y"]})"),
            "a.jsonl line 1: question: found nothing, expected a string");
  EXPECT_EQ(MessageOf(R"({"id": "a", "question": "w", "choices": ["x", 3]})"),
            "a.jsonl line 1: choices[1]: found number, expected a text");
  EXPECT_EQ(
      MessageOf(
          R"({"id": "a", "question": "w", "choices": ["x", "y"], "answer_index": 2})"),
      "a.jsonl line 1: answer_index: found 2, expected one of 2 choices");
  EXPECT_EQ(MessageOf("[1]\n"),
            "a.jsonl line 1: found array, expected a JSON object");
  EXPECT_EQ(MessageOf("\n\n"),
            "a.jsonl: found no question, expected one a line");
}

TEST(ArcTest, ReadsThePublishedFiles) {
  const auto test =
      SharedFile(RAM_SOURCE_DIR, "data/arc/ARC-Challenge-test.jsonl");
  if (!std::filesystem::exists(test)) GTEST_SKIP() << test << " is not there";
  EXPECT_EQ(ReadArc(test).size(), 1172u);
  EXPECT_EQ(
      ReadArc(SharedFile(RAM_SOURCE_DIR, "data/arc/ARC-Challenge-train.jsonl"))
          .size(),
      1119u);
}

}  // namespace
}  // namespace ram
