// The program as its user meets it: what it prints, its exit codes, and what it
// leaves on disk. RAM_PROGRAM is the built `ram`.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <limits>
#include <regex>
#include <string>
#include <vector>

#include "command_line/program.h"
#include "command_line/tiny_model.h"
#include "ram/base/file.h"
#include "ram/base/json.h"

namespace ram {
namespace {

namespace fs = std::filesystem;

class CommandLineTest : public ProgramTest {
 protected:
  // With the process number taken out.
  static std::string Normalized(const std::string& text) {
    return std::regex_replace(text, std::regex("partial-[0-9]+"),
                              "partial-PID");
  }

  // Names in the directory, but for the captured output.
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_.path())) {
      const std::string name = entry.path().filename().string();
      if (name != ".out" && name != ".err") names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  // `ram compress model -o out ARGUMENTS` fails so, and leaves only the model.
  void ExpectRefusal(int code, const std::string& message,
                     const std::string& arguments = "",
                     const std::string& prefix = "") {
    const Outcome outcome = Ram("compress model -o out " + arguments, prefix);
    EXPECT_EQ(Normalized(outcome.err), message);
    EXPECT_EQ(outcome.code, code);
    EXPECT_EQ(Names(), std::vector<std::string>{"model"});
  }

  TinyModel model_;
};

TEST_F(CommandLineTest, PrintsItsVersion) {
  const Outcome outcome = Ram("--version");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "ram " RAM_VERSION "\n");
}

TEST_F(CommandLineTest, ExplainsEveryCommandWithAnExample) {
  for (const char* command : {"inspect", "analyze", "allocate", "compress",
                              "audit", "explain", "reproduce"}) {
    const Outcome outcome = Ram(std::string(command) + " --help");
    EXPECT_EQ(outcome.code, 0) << command;
    EXPECT_NE(outcome.out.find(std::string("ram ") + command + " "),
              std::string::npos)
        << command;
  }
}

TEST_F(CommandLineTest, ExitsWithTwoOnWrongUsage) {
  EXPECT_EQ(Ram("").code, 2);
  EXPECT_EQ(Ram("frobnicate").code, 2);
  EXPECT_EQ(Ram("compress").code, 2);
  EXPECT_EQ(Ram("compress model --bits 4 --policy optimal -o out").code, 2);
}

TEST_F(CommandLineTest, GoesFromCheckpointToReproducedOutput) {
  model_.Write(directory_ / "model");
  EXPECT_EQ(Ram("inspect model").code, 0);
  EXPECT_EQ(Ram("analyze model -o analysis --spectra").code, 0);
  EXPECT_EQ(Ram("allocate analysis/manifest.json --bpw 5 -o plan.json").code,
            0);
  const Outcome compress = Ram("compress model -o out --plan plan.json");
  EXPECT_EQ(compress.code, 0) << compress.err;
  const Outcome audit = Ram("audit out --source model");
  EXPECT_EQ(audit.code, 0) << audit.out << audit.err;
  EXPECT_EQ(Ram("explain out model.layers.1.mlp.down_proj").code, 0);
  const Outcome reproduce = Ram("reproduce out --source model");
  EXPECT_EQ(reproduce.code, 0) << reproduce.err;
}

TEST_F(CommandLineTest, CompressesWithEveryPolicyAndTarget) {
  model_.Write(directory_ / "model");
  for (const char* target : {"mlx", "native", "vllm"}) {
    for (const char* policy :
         {"uniform", "ram-v1", "ram-v2", "ram-v3", "optimal"}) {
      const std::string out = std::string(target) + "-" + policy;
      const Outcome outcome =
          Ram(std::string("compress model --target ") + target + " --policy " +
              policy + " -o " + out);
      EXPECT_EQ(outcome.code, 0) << out << ": " << outcome.err;
      EXPECT_EQ(Ram("audit " + out + " --source model").code, 0) << out;
    }
  }
}

TEST_F(CommandLineTest, HoldsWidthsWithoutKernelsOnlyWhenAllowed) {
  model_.Write(directory_ / "model");
  const std::string three =
      "compress model --target vllm --policy uniform "
      "--bits 3 -o out ";
  const Outcome refused = Ram(three);
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("--bits 3: found what target vllm cannot hold, "
                             "expected int4 g128, int4 g32, int8 g128 or "
                             "int8 g32"),
            std::string::npos)
      << refused.err;
  EXPECT_EQ(Ram("compress model --allow-unportable -o out").code, 2);
  EXPECT_EQ(Names(), std::vector<std::string>{"model"});

  const Outcome allowed = Ram(three + "--allow-unportable");
  EXPECT_EQ(allowed.code, 0) << allowed.err;
  EXPECT_EQ(Ram("audit out --source model").code, 0);
  EXPECT_EQ(Ram("reproduce out --source model").code, 0);
  EXPECT_NE(Ram("inspect out").out.find("int3 g128"), std::string::npos);
  EXPECT_EQ(Ram("compress out -o again").code, 0);
}

TEST_F(CommandLineTest, SaysInAdvanceWhatItWillWrite) {
  model_.Write(directory_ / "model");
  const Outcome dry =
      Ram("compress model -o out --policy uniform --dry-run --json");
  ASSERT_EQ(dry.code, 0) << dry.err;
  EXPECT_FALSE(fs::exists(directory_ / "out"));
  ASSERT_EQ(Ram("compress model -o out --policy uniform").code, 0);
  const Json files = Json::parse(dry.out)["files"];
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(
      files[0]["bytes"].get<uint64_t>(),
      fs::file_size(directory_ / "out" / files[0]["name"].get<std::string>()));
}

TEST_F(CommandLineTest, GivesTheSameBytesForAnyThreadCount) {
  model_.Write(directory_ / "model");
  for (const char* threads : {"1", "2", "5"}) {
    const std::string n = threads;
    ASSERT_EQ(Ram("analyze model --spectra -o a" + n + " --threads " + n).code,
              0);
    ASSERT_EQ(Ram("compress model -o c" + n + " --threads " + n).code, 0);
    for (const char* file : {"manifest.json", "profile.safetensors"}) {
      EXPECT_EQ(ReadTextFile(directory_ / "a1" / file),
                ReadTextFile(directory_ / ("a" + n) / file))
          << file << " with " << n;
    }
    for (const char* file : {"model.safetensors", "plan.json", "config.json",
                             "model.safetensors.index.json"}) {
      EXPECT_EQ(ReadTextFile(directory_ / "c1" / file),
                ReadTextFile(directory_ / ("c" + n) / file))
          << file << " with " << n;
    }
  }
}

TEST_F(CommandLineTest, NeverTouchesAnExistingOutput) {
  model_.Write(directory_ / "model");
  fs::create_directory(directory_ / "out");
  directory_.Write("out/precious", "text");
  const Outcome outcome = Ram("compress model -o out");
  EXPECT_EQ(outcome.code, 5);
  EXPECT_EQ(outcome.err,
            "ram: out: found an existing output, expected a new name (nothing "
            "was changed; remove it or choose another)\n");
  EXPECT_EQ(ReadTextFile(directory_ / "out" / "precious"), "text");
  EXPECT_EQ(Names(), (std::vector<std::string>{"model", "out"}));
}

TEST_F(CommandLineTest, RefusesATruncatedFile) {
  model_.Write(directory_ / "model");
  const fs::path weights = directory_ / "model" / "model.safetensors";
  fs::resize_file(weights, fs::file_size(weights) - 100);
  const Outcome outcome = Ram("compress model -o out");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.err.find("(is it truncated?)\n"), std::string::npos)
      << outcome.err;
  EXPECT_EQ(Names(), std::vector<std::string>{"model"});
}

TEST_F(CommandLineTest, NamesTheWeightThatIsNaN) {
  model_.tensors["model.layers.1.mlp.up_proj.weight"].values[12345] =
      std::numeric_limits<float>::quiet_NaN();
  model_.Write(directory_ / "model");
  const std::string message =
      "ram: model/model.safetensors: model.layers.1.mlp.up_proj.weight: found "
      "NaN at index 12345, expected finite weights (--allow-nonfinite keeps "
      "the tensor at 16 bits)\n";
  ExpectRefusal(3, message);
  ExpectRefusal(3, message, "--policy uniform");
}

TEST_F(CommandLineTest, NamesTheWeightThatIsInfinite) {
  model_.tensors["model.layers.0.self_attn.q_proj.weight"].values[7] =
      -std::numeric_limits<float>::infinity();
  model_.Write(directory_ / "model");
  ExpectRefusal(
      3,
      "ram: model/model.safetensors: model.layers.0.self_attn.q_proj.weight: "
      "found -infinity at index 7, expected finite weights (--allow-nonfinite "
      "keeps "
      "the tensor at 16 bits)\n");
}

TEST_F(CommandLineTest, NamesANormThatIsNaN) {
  model_.tensors["model.norm.weight"].values[3] =
      std::numeric_limits<float>::quiet_NaN();
  model_.Write(directory_ / "model");
  ExpectRefusal(3,
                "ram: model/model.safetensors: model.norm.weight: found NaN at "
                "index 3, expected finite weights (--allow-nonfinite keeps the "
                "tensor at 16 bits)\n");
}

TEST_F(CommandLineTest, KeepsATensorWithNaNAt16BitsWhenAllowed) {
  model_.tensors["model.layers.1.mlp.up_proj.weight"].values[12345] =
      std::numeric_limits<float>::quiet_NaN();
  model_.Write(directory_ / "model");
  for (const char* policy : {"uniform", "ram-v1", "optimal"}) {
    const std::string out = std::string("out-") + policy;
    const Outcome outcome = Ram(std::string("compress model --policy ") +
                                policy + " --allow-nonfinite -o " + out);
    ASSERT_EQ(outcome.code, 0) << policy << ": " << outcome.err;
    const Json plan = Json::parse(ReadTextFile(directory_ / out / "plan.json"));
    for (const Json& unit : plan["units"]) {
      const bool broken = unit["unit"] == "model.layers.1.mlp.up_proj";
      if (broken) {
        EXPECT_EQ(unit["bits"], 16) << policy;
      }
    }
  }
}

TEST_F(CommandLineTest, CompressesAllZeroTensors) {
  for (float& value :
       model_.tensors["model.layers.0.mlp.down_proj.weight"].values) {
    value = 0;
  }
  model_.Write(directory_ / "model");
  const Outcome outcome = Ram("compress model -o out");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(Ram("audit out --source model").code, 0);
}

TEST_F(CommandLineTest, RefusesEmptyTensors) {
  model_.tensors["model.layers.0.mlp.down_proj.weight"] = {{0, 256}, {}};
  model_.Write(directory_ / "model");
  const Outcome outcome = Ram("compress model -o out");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.err.find("model.layers.0.mlp.down_proj.weight"),
            std::string::npos)
      << outcome.err;
}

TEST_F(CommandLineTest, CompressesAnUnknownArchitectureAndSaysSo) {
  model_.config["model_type"] = "never_seen";
  model_.config["architectures"] = {"NeverSeenForCausalLM"};
  model_.Write(directory_ / "model");
  const Outcome outcome = Ram("compress model -o out");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("unknown"), std::string::npos) << outcome.out;
}

// A compressed model is inspected, analyzed, planned from its manifest alone,
// compressed and audited like any other, and said to be what it is.
TEST_F(CommandLineTest, TakesItsOwnOutputAsInput) {
  model_.Write(directory_ / "model");
  for (const std::string target : {"mlx", "native"}) {
    SCOPED_TRACE(target);
    ASSERT_EQ(Ram("compress model -o " + target + " --target " + target +
                  " --policy uniform --bits 4 --group-size 32")
                  .code,
              0);
    const Outcome inspect = Ram("inspect " + target);
    EXPECT_EQ(inspect.code, 0) << inspect.err;
    EXPECT_TRUE(std::regex_search(
        inspect.out, std::regex("q_proj +2 +2 +- +128 x 128 +32,768 +[0-9.]+ % "
                                "+4-bit g32\n")))
        << inspect.out;
    const std::string analysis = "analysis-" + target;
    const Outcome analyze = Ram("analyze " + target + " -o " + analysis);
    EXPECT_EQ(analyze.code, 0) << analyze.err;
    EXPECT_NE(analyze.out.find("% of the weights are quantized already"),
              std::string::npos)
        << analyze.out;
    EXPECT_EQ(Ram("allocate " + analysis + "/manifest.json -o plan-" + target +
                  ".json --policy optimal --bpw 4")
                  .code,
              0);
    const std::string again = target + "-again";
    const Outcome compress = Ram("compress " + target + " -o " + again +
                                 " --plan plan-" + target + ".json");
    EXPECT_EQ(compress.code, 0) << compress.err;
    EXPECT_EQ(Ram("audit " + again + " --source " + target).code, 0);
    EXPECT_EQ(Ram("reproduce " + again + " --source " + target).code, 0);
  }
}

TEST_F(CommandLineTest, RefusesASchemeThatItsTensorsContradict) {
  model_.Write(directory_ / "model");
  ASSERT_EQ(
      Ram("compress model -o out --policy uniform --bits 4 --group-size 32")
          .code,
      0);
  Json config = ReadJsonFile((directory_ / "out/config.json").string());
  config["quantization"]["bits"] = 8;
  directory_.Write("out/config.json", config.dump());
  const Outcome outcome = Ram("inspect out");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_EQ(
      outcome.err,
      "ram: out/config.json: quantization.model.embed_tokens: found 8-bit "
      "g32, but model.embed_tokens.weight is U32 [64, 16] (expected a "
      "scheme with bits x group size = 32 x columns of codes / columns of "
      "model.embed_tokens.scales [64, 4])\n");
}

TEST_F(CommandLineTest, NeedsAConfig) {
  model_.Write(directory_ / "model");
  fs::remove(directory_ / "model" / "config.json");
  const Outcome outcome = Ram("compress model -o out");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.err.find("model/config.json"), std::string::npos)
      << outcome.err;
}

TEST_F(CommandLineTest, PlansButDoesNotCompressABareFile) {
  model_.Write(directory_ / "model");
  fs::rename(directory_ / "model" / "model.safetensors",
             directory_ / "bare.safetensors");
  EXPECT_EQ(Ram("inspect bare.safetensors").code, 0);
  EXPECT_EQ(Ram("analyze bare.safetensors -o analysis").code, 0);
  EXPECT_EQ(
      Ram("allocate analysis/manifest.json --target native -o plan.json").code,
      0);
  const Outcome outcome = Ram("compress bare.safetensors -o out");
  EXPECT_EQ(outcome.code, 4);
  EXPECT_EQ(outcome.err,
            "ram: bare.safetensors: found a single file, expected a model "
            "directory with config.json (a bare file can be inspected, "
            "analyzed and planned)\n");
}

// A limit on the size of files, as a full disk cannot be had without
// privileges.
TEST_F(CommandLineTest, SaysWhenTheOutputCannotGrow) {
  model_.Write(directory_ / "model");
  ExpectRefusal(5,
                "ram: .out.partial-PID/model.safetensors: cannot reserve "
                "176864 bytes: File too large\n",
                "--policy uniform", "ulimit -f 64;");
}

// A real full disk: a file system of one megabyte in a mount namespace.
TEST_F(CommandLineTest, SaysWhenThereIsNoSpaceLeft) {
  if (std::system("unshare -rm true 2>/dev/null") != 0) {
    std::puts("not run: this machine allows no mount namespaces");
    return;
  }
  model_.Add("model.embed_tokens.weight", {16384, 128});
  model_.config["vocab_size"] = 16384;
  model_.Write(directory_ / "model");
  fs::create_directory(directory_ / "disk");
  const Outcome outcome =
      Ram("compress model -o disk/out --policy uniform; code=$?; ls -A disk "
          ">&2; exit $code'",
          "unshare -rm sh -c 'mount -t tmpfs -o size=1m tmpfs disk;");
  EXPECT_EQ(Normalized(outcome.err),
            "ram: disk/.out.partial-PID/model.safetensors: cannot reserve "
            "1352080 bytes: No space left on device\n");
  EXPECT_EQ(outcome.code, 5);
}

TEST_F(CommandLineTest, LeavesNothingWhenInterrupted) {
  // Two sparse gigabytes of zeros: long enough to be caught at work.
  model_.config["vocab_size"] = 8'000'000;
  model_.tensors.erase("model.embed_tokens.weight");
  model_.Write(directory_ / "model");
  fs::remove(directory_ / "model" / "model.safetensors");
  std::vector<SafetensorsTensor> list;
  for (const auto& [name, tensor] : model_.tensors) {
    list.push_back({name, DType::kBF16, tensor.shape});
  }
  list.push_back({"model.embed_tokens.weight", DType::kBF16, {8'000'000, 128}});
  const SafetensorsLayout layout = LayOutSafetensors(list, {});
  directory_.Write("model/model.safetensors", layout.prefix);
  fs::resize_file(directory_ / "model" / "model.safetensors",
                  layout.file_bytes);
  // Waits until it writes, then sends what Ctrl-C under `timeout` sends: two
  // signals at once.
  directory_.Write("interrupt.sh",
                   "\"$@\" &\n"
                   "for i in $(seq 3000); do\n"
                   "  ls -d .out.partial-* >.listing 2>&1 && break\n"
                   "  sleep 0.01\n"
                   "done\n"
                   "kill -INT $! && kill -INT $!\n"
                   "wait $!\n");
  const Outcome outcome = Ram(
      "compress model -o out --threads 1 --policy uniform", "sh interrupt.sh");
  fs::remove(directory_ / "interrupt.sh");
  fs::remove(directory_ / ".listing");
  EXPECT_EQ(outcome.err, "ram: interrupted: nothing was left behind\n");
  EXPECT_EQ(outcome.code, 130);
  EXPECT_EQ(Names(), std::vector<std::string>{"model"});
}

TEST_F(CommandLineTest, NamesTheSmallestSizeThatCanBe) {
  model_.Write(directory_ / "model");
  const Outcome outcome = Ram("compress model -o out --size 10kB");
  EXPECT_EQ(outcome.code, 6);
  EXPECT_NE(outcome.err.find("cannot be met: the smallest"), std::string::npos)
      << outcome.err;
  EXPECT_EQ(Names(), std::vector<std::string>{"model"});
}

TEST_F(CommandLineTest, FollowsAnOverride) {
  model_.Write(directory_ / "model");
  ASSERT_EQ(Ram("compress model -o out --set '*.v_proj=8:32'").code, 0);
  const Outcome outcome =
      Ram("explain out model.layers.0.self_attn.v_proj --json");
  const Json story = Json::parse(outcome.out);
  EXPECT_EQ(story["bits"], 8);
  EXPECT_EQ(story["group_size"], 32);
}

TEST_F(CommandLineTest, NamesTheClosestTensorWhenThereIsNone) {
  model_.Write(directory_ / "model");
  ASSERT_EQ(Ram("compress model -o out --policy uniform").code, 0);
  const Outcome outcome = Ram("explain out model.layers.0.mlp.dwn_proj");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.err,
            "ram: out: model.layers.0.mlp.dwn_proj: found no such tensor, "
            "expected a name in the model (closest: "
            "model.layers.0.mlp.down_proj)\n");
}

TEST_F(CommandLineTest, DrawsNoProgressWhenPiped) {
  model_.Write(directory_ / "model");
  EXPECT_EQ(Ram("compress model -o out").err, "");
}

}  // namespace
}  // namespace ram
