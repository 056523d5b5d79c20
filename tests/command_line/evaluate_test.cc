// `ram evaluate` as its user meets it. The tiny model's tokenizer has one token
// a letter.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "command_line/program.h"
#include "command_line/tiny_model.h"
#include "command_line/tiny_tokenizer.h"
#include "ram/base/json.h"

namespace ram {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr char kText[] = "the quick brown fox jumps over the lazy dog. ";
constexpr char kQuestions[] =
    R"({"id": "a", "question": "what is wet", "choices": ["stone", "water"], "answer_index": 1})"
    "\n"
    R"({"id": "b", "question": "who barks", "choices": ["a dog", "a cat", "an ant"], "answer_index": 0})"
    "\n";

class EvaluateTest : public ProgramTest {
 protected:
  EvaluateTest() {
    WriteModel("model");
    std::string text;
    for (int i = 0; i < 8; ++i) text += kText;  // 360 letters
    directory_.Write("text", text);
    directory_.Write("questions", kQuestions);
  }

  void WriteModel(const std::string& name) {
    model_.Write(directory_ / name);
    WriteTinyTokenizer(directory_ / name);
  }

  // Runs `ram evaluate ARGUMENTS` in the test's own directory. `prefix` goes
  // before the program.
  Outcome Evaluate(const std::string& arguments,
                   const std::string& prefix = "") {
    return Ram("evaluate " + arguments + " --threads 1", prefix);
  }

  void ExpectRefusal(const std::string& arguments, int code,
                     const std::string& message) {
    const Outcome outcome = Evaluate(arguments);
    EXPECT_EQ(outcome.err, message);
    EXPECT_EQ(outcome.code, code);
  }

  // The models of the report that `ram evaluate ARGUMENTS` writes.
  Json Report(const std::string& arguments) {
    const Outcome outcome = Evaluate(arguments + " --json report.json");
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(outcome.code, 0);
    const Json report = ReadJsonFile((directory_ / "report.json").string());
    fs::remove(directory_ / "report.json");
    return report;
  }

  TinyModel model_;
};

TEST_F(EvaluateTest, ReportsPerplexityOfWindows) {
  const Json report =
      Report("perplexity model --data text --window 50 --windows 100");
  EXPECT_EQ(report["version"], 1);
  EXPECT_EQ(report["protocol"]["windows_available"], 7);
  EXPECT_EQ(report["protocol"]["windows"], 7);
  const Json& model = report["models"][0];
  EXPECT_EQ(model["tokens"], 7 * 49);
  EXPECT_EQ(model["window_nll"].size(), 7u);
  double sum = 0;
  for (const Json& nll : model["window_nll"]) sum += nll.get<double>();
  EXPECT_NEAR(model["ppl"].get<double>(), std::exp(sum / 7), 1e-9);
  EXPECT_THAT(report["warnings"][0].get<std::string>(),
              HasSubstr("fewer than the 100 wanted"));
}

TEST_F(EvaluateTest, AModelIsAtNoDistanceFromItself) {
  WriteModel("copy");
  const Json report =
      Report("perplexity model copy --data text --window 50 --dtype f32");
  const Json& copy = report["models"][1];
  EXPECT_EQ(copy["kl"]["mean"], 0);
  EXPECT_EQ(copy["top1_agreement"], 1);
  EXPECT_EQ(copy["ppl_ratio"]["value"], 1);
  EXPECT_EQ(copy["ppl"], report["models"][0]["ppl"]);
}

TEST_F(EvaluateTest, PrefixTokensChangeWindowsButNotTargets) {
  std::vector<double> perplexities;
  for (const char* prefix : {"all", "first", "none"}) {
    const Json report =
        Report(std::string("perplexity model --data text --window 50 "
                           "--prefix-tokens ") +
               prefix);
    EXPECT_EQ(report["models"][0]["tokens"], 7 * 49);
    EXPECT_EQ(report["protocol"]["prefix"], prefix);
    perplexities.push_back(report["models"][0]["window_nll"][0]);
    perplexities.push_back(report["models"][0]["window_nll"][1]);
  }
  EXPECT_EQ(perplexities[0], perplexities[2]);  // first window: all, first
  EXPECT_NE(perplexities[0], perplexities[4]);
  EXPECT_EQ(perplexities[3], perplexities[5]);  // second: first, none
  EXPECT_NE(perplexities[1], perplexities[3]);
}

TEST_F(EvaluateTest, TableNamesEveryModel) {
  WriteModel("copy");
  const Outcome outcome =
      Evaluate("perplexity model copy --data text --window 50");
  EXPECT_EQ(outcome.code, 0);
  for (const char* text :
       {"against model", "copy", "PPL ± s.e.", "KL mean", "no difference"}) {
    EXPECT_THAT(outcome.out, HasSubstr(text));
  }
}

TEST_F(EvaluateTest, AnswersQuestions) {
  WriteModel("copy");
  const Json report = Report(
      "arc model copy --data questions --shots-from questions --shot-count 1");
  EXPECT_EQ(report["protocol"]["shots"], 1);
  EXPECT_EQ(report["protocol"]["items"], 2);
  EXPECT_EQ(report["models"][0]["items"].size(), 2u);
  EXPECT_EQ(report["models"][0]["items"], report["models"][1]["items"]);
  EXPECT_EQ(report["models"][1]["acc_against_baseline"]["mcnemar_p"], 1);
}

TEST_F(EvaluateTest, ResumeTakesTheScoresOfFinishedModels) {
  WriteModel("copy");
  const std::string command =
      "perplexity model copy --data text --window 50 --work kept --resume";
  const Json first = Report(command);
  EXPECT_TRUE(fs::exists(directory_ / "kept"));
  EXPECT_EQ(Report(command), first);  // seconds of the first run included
}

TEST_F(EvaluateTest, KeepsNoScoresOfAFinishedRun) {
  WriteModel("copy");
  Report("perplexity model copy --data text --window 50");
  EXPECT_FALSE(fs::exists(directory_ / "report.json.scores"));
}

TEST_F(EvaluateTest, GoesOnWhereItWasInterrupted) {
  // Enough layers and text to be caught at work.
  std::string text;
  for (int i = 0; i < 300; ++i) text += kText;
  directory_.Write("text", text);
  model_.config["num_hidden_layers"] = 24;
  for (int layer = 2; layer < 24; ++layer) {
    for (const char* part :
         {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
          "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
          "input_layernorm", "post_attention_layernorm"}) {
      const auto name = [&](int of) {
        return "model.layers." + std::to_string(of) + "." + part + ".weight";
      };
      model_.Add(name(layer), model_.tensors[name(1)].shape);
    }
  }
  WriteModel("deep");
  const std::string command =
      "perplexity model deep --data text --window 500 --work kept --keep-every "
      "0 --dtype f32";
  Json whole = Report(command);
  EXPECT_FALSE(fs::exists(directory_ / "kept"));

  // Waits for a state of the second model, then sends Ctrl-C.
  directory_.Write("interrupt.sh",
                   "\"$@\" &\n"
                   "for i in $(seq 3000); do\n"
                   "  [ $(ls kept 2>/dev/null | grep -c 'layers$') = 2 ] && "
                   "break\n"
                   "  sleep 0.01\n"
                   "done\n"
                   "kill -INT $!\n"
                   "wait $!\n");
  const Outcome outcome = Evaluate(command, "sh interrupt.sh");
  EXPECT_EQ(outcome.code, 130);
  EXPECT_THAT(outcome.err,
              MatchesRegex("ram: interrupted: 0 of 2 models finished, "
                           "[0-9]+ of 24 layers of deep computed; all of it is "
                           "kept in kept, and the same command with --resume "
                           "goes on from there\n"));

  Json resumed = Report(command + " --resume");
  for (Json* report : {&whole, &resumed}) {
    for (Json& model : (*report)["models"]) model.erase("seconds");
  }
  EXPECT_EQ(resumed, whole);
  const auto files = fs::directory_iterator(directory_ / "kept");
  EXPECT_TRUE(std::all_of(begin(files), end(files), [](const auto& entry) {
    return entry.path().extension() == ".scores";
  }));
}

TEST_F(EvaluateTest, RefusesATextShorterThanAWindow) {
  ExpectRefusal("perplexity model --data text --window 361", 2,
                "ram: text: text: found 360 tokens, expected at least 361 for "
                "one window (a longer text or a smaller --window)\n");
}

TEST_F(EvaluateTest, RefusesTextThatIsNotUtf8) {
  directory_.Write("broken", "good \xff text");
  const Outcome outcome = Evaluate("perplexity model --data broken --window 4");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_EQ(
      outcome.err,
      "ram: broken: text: byte 5: found 0xFF, which is not UTF-8 there\n");
}

TEST_F(EvaluateTest, RefusesAModelWithoutTokenizer) {
  fs::remove(directory_ / "model" / "tokenizer.json");
  const Outcome outcome = Evaluate("perplexity model --data text --window 4");
  EXPECT_EQ(outcome.code, 5);
  EXPECT_EQ(outcome.err,
            "ram: model: tokenizer: found neither tokenizer.json nor "
            "tokenizer.model, expected one\n");
}

TEST_F(EvaluateTest, RefusesTokensWithoutARowInTheEmbedding) {
  WriteTinyTokenizer(directory_ / "model", 61);
  ExpectRefusal("perplexity model --data text --window 50", 3,
                "ram: model: tokenizer: found token 80 in the text, expected "
                "less than the 64 rows of the embedding (the tokenizer has 117 "
                "tokens)\n");
}

TEST_F(EvaluateTest, RefusesModelsWhoseTokenizersDiffer) {
  WriteModel("other");
  WriteTinyTokenizer(directory_ / "other", 2);
  ExpectRefusal("perplexity model other --data text --window 50", 2,
                "ram: other: tokenizer: found another encoding of the text "
                "than that of model (from token 0 on), expected the same: "
                "models are compared token by token\n");
}

TEST_F(EvaluateTest, RefusesAWindowLargerThanTheContext) {
  model_.config["max_position_embeddings"] = 40;
  WriteModel("short");
  ExpectRefusal("perplexity short --data text --window 50", 2,
                "ram: --window: found 50, expected at most 40, the context of "
                "short (max_position_embeddings in its config.json)\n");
}

TEST_F(EvaluateTest, CutsQuestionsLongerThanTheContextAndSaysSo) {
  model_.config["max_position_embeddings"] = 20;
  WriteModel("short");
  const Json report = Report("arc short --data questions --shot-count 0");
  EXPECT_EQ(report["protocol"]["truncated_choices"], 5);
  EXPECT_EQ(report["warnings"][0],
            "5 of 5 prompts are longer than the context of short, 20 tokens, "
            "and lose their beginning, as in lm-evaluation-harness");
}

TEST_F(EvaluateTest, NamesWindowAndLayerOfNaN) {
  model_.tensors["model.layers.1.mlp.down_proj.weight"].values[3] =
      std::numeric_limits<float>::quiet_NaN();
  WriteModel("broken");
  const Outcome outcome = Evaluate("perplexity broken --data text --window 50");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_EQ(outcome.err,
            "ram: broken: found NaN in layer 1 of window 0, expected finite "
            "numbers\n");
}

TEST_F(EvaluateTest, RefusesAnUnknownArchitecture) {
  model_.config["architectures"] = {"NobodyForCausalLM"};
  model_.config["model_type"] = "nobody";
  WriteModel("unknown");
  const Outcome outcome =
      Evaluate("perplexity unknown --data text --window 50");
  EXPECT_EQ(outcome.code, 4);
  EXPECT_EQ(outcome.err,
            "ram: unknown: architecture: found NobodyForCausalLM (model_type "
            "'nobody'), expected one that can be evaluated: Llama, Mistral, "
            "Qwen2, Qwen3, Phi-3, Qwen3-MoE, Mixtral, GLM-4, GLM-4-MoE, "
            "GLM-4-MoE-Lite, Gemma-3, DeepSeek-V3 (this model can be analysed "
            "and compressed, but not evaluated)\n");
}

TEST_F(EvaluateTest, RefusesDataWithMissingFields) {
  directory_.Write("broken", R"({"id": "a", "choices": ["x", "y"]})");
  ExpectRefusal("arc model --data broken --shot-count 0", 3,
                "ram: broken line 1: question: found nothing, expected a "
                "string\n");
}

TEST_F(EvaluateTest, NeedsExamplesForItsShots) {
  ExpectRefusal("arc model --data questions", 2,
                "ram: --shots-from: found none, expected the file that the 25 "
                "examples come from (or --shot-count 0)\n");
}

TEST_F(EvaluateTest, RefusesAnExistingReport) {
  directory_.Write("old.json", "{}");
  ExpectRefusal("perplexity model --data text --json old.json", 5,
                "ram: old.json: found an existing file, expected none (choose "
                "another --json)\n");
}

TEST_F(EvaluateTest, RefusesTheSameModelTwice) {
  ExpectRefusal("perplexity model model --data text", 2,
                "ram: MODEL: found model twice, expected every model once\n");
}

}  // namespace
}  // namespace ram
