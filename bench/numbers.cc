// ./dev bench: the numbers this project promises, each measured by running
// the programs as a user would and printed beside its floor: a plain read,
// write or hash of the same bytes in the same run.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "measure.h"
#include "model_numbers.h"
#include "number_report.h"
#include "ram/base/byte_size.h"
#include "ram/base/digest.h"
#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/base/parallel.h"

namespace ram {
namespace {

namespace fs = std::filesystem;

constexpr double kGiB = 1073741824.0;

struct Options {
  fs::path programs;
  fs::path configs;
  fs::path work;
  fs::path model = "models/wiki-dense";
  std::string only;
  bool full = false;
  bool keep = false;
  int repeat = 2;
};

// --- the measurements --------------------------------------------------------

class Bench {
 public:
  explicit Bench(Options options) : options_(std::move(options)) {
    fs::create_directories(options_.work);
  }

  int Run() {
    if (Wanted("counting")) Counting();
    if (Wanted("compress")) SpeedsAndMemory();
    if (Wanted("bytes")) SameBytes();
    if (Wanted("model")) Running();
    return report_.Finish();
  }

 private:
  bool Wanted(const std::string& part) const {
    return options_.only.empty() || options_.only == part;
  }

  void SpeedsAndMemory() {
    const std::vector<uint64_t> layers = options_.full
                                             ? std::vector<uint64_t>{12, 24}
                                             : std::vector<uint64_t>{1, 2};
    // Speeds on what fits in the page cache.
    const fs::path small = Made("qwen3-30b-a3b", layers[0]);
    const std::vector<double> small_peaks = Speeds(small);
    if (!options_.keep && !options_.full) fs::remove_all(small);
    const fs::path large = Made("qwen3-30b-a3b", layers[1]);
    Memory(small_peaks, large, layers);
    if (options_.keep) return;
    fs::remove_all(small);
    fs::remove_all(large);
  }

  void Running() {
    const fs::path model = Made("qwen3-1.7b-mlx-bf16", 28);
    MeasureModel({options_.programs, options_.work, options_.model}, model,
                 report_);
    if (!options_.keep) fs::remove_all(model);
  }

  std::string Program(const char* name) const {
    return (options_.programs / name).string();
  }
  std::string Config(const char* model) const {
    return (options_.configs / model / "config.json").string();
  }
  // A path that does not exist.
  std::string Fresh(const char* name) const {
    const fs::path path = options_.work / name;
    fs::remove_all(path);
    return path.string();
  }

  fs::path Made(const char* model, uint64_t layers) {
    const fs::path path =
        options_.work / fmt::format("{}-{}-layers", model, layers);
    if (!fs::exists(path)) {
      const Finished made =
          RunProgram({Program("bench/make_checkpoint"), Config(model),
                      path.string(), "--layers", std::to_string(layers)});
      fmt::print("\nmade in {:.1f} s: {}", made.seconds, made.out);
    }
    return path;
  }

  void Counting() {
    report_.Heading("Counting, from headers alone");
    struct Known {
      const char* model;
      const char* tensors;
      const char* weights;
    };
    for (const Known& known :
         {Known{"qwen3-8b", "399", "8,190,735,360"},
          Known{"qwen3-30b-a3b", "18,867", "30,532,122,624"}}) {
      const std::string path = Fresh("headers-only");
      RunProgram({Program("bench/make_checkpoint"), Config(known.model), path,
                  "--headers-only"});
      Finished best;
      best.seconds = 1e9;
      for (int i = 0; i < options_.repeat; ++i) {
        Finished run = RunProgram({Program("ram"), "inspect", path, "--json"});
        if (run.seconds < best.seconds) best = std::move(run);
      }
      const Json json = best.json();
      const std::string name = known.model;
      report_.Fact(name + ": tensors",
                   FormatCount(json["tensors"].get<uint64_t>()), known.tensors);
      report_.Fact(name + ": weights",
                   FormatCount(json["weights"].get<uint64_t>()), known.weights);
      report_.Number(name + ": inspect", best.seconds, 1.0, true, "s", "");
    }
    Allocation();
    fs::remove_all(Fresh("headers-only"));
  }

  void Allocation() {
    const std::string manifest = Fresh("manifest.json");
    RunProgram(
        {Program("bench/make_manifest"), Config("qwen3-30b-a3b"), manifest});
    double seconds = 1e9;
    double peak = 0;
    for (int i = 0; i < options_.repeat; ++i) {
      const Finished run = RunProgram({Program("ram"), "allocate", manifest,
                                       "--target", "mlx", "--policy", "optimal",
                                       "-o", Fresh("plan.json"), "--json"});
      seconds = std::min(seconds, run.seconds);
      peak = std::max(peak, run.peak_bytes);
    }
    const double read = ReadSeconds({manifest});
    report_.Number("qwen3-30b-a3b: allocate optimal", seconds, 1.0, true, "s",
                   fmt::format("plain read of the {} manifest {:.3f} s",
                               FormatByteSize(fs::file_size(manifest)), read));
    report_.Number("qwen3-30b-a3b: allocate, peak memory", peak / 1048576.0,
                   300, true, "MiB", "");
    fs::remove_all(Fresh("manifest.json"));
    fs::remove_all(Fresh("plan.json"));
  }

  // Best of --repeat runs of `ram ARGUMENTS -o FRESH --json`, by the time that
  // `seconds_of` finds in a run.
  Finished Best(std::vector<std::string> arguments,
                const std::function<double(const Finished&)>& seconds_of) {
    arguments.insert(arguments.begin(), Program("ram"));
    Finished best;
    for (int i = 0; i < options_.repeat; ++i) {
      std::vector<std::string> command = arguments;
      command.insert(command.end(), {"-o", Fresh("output"), "--json"});
      Finished run = RunProgram(command);
      run.seconds = seconds_of(run);
      if (i == 0 || run.seconds < best.seconds) best = std::move(run);
    }
    return best;
  }

  // Wall time of the process without the final sync.
  static double WithoutSync(const Finished& run) {
    return run.seconds - run.json()["sync_seconds"].get<double>();
  }
  // The same without the audit's read-back.
  static double WithoutAudit(const Finished& run) {
    return WithoutSync(run) - run.json()["audit_seconds"].get<double>();
  }

  // Returns the peak memory of analyze, uniform and optimal.
  std::vector<double> Speeds(const fs::path& model) {
    const std::vector<fs::path> files = WeightFiles(model);
    const double bytes = static_cast<double>(TotalBytes(files));
    const double gb = bytes * 1e-9;
    ReadSeconds(files);  // into the page cache
    report_.Heading(fmt::format("Speed on {} ({:.2f} GB), {} threads",
                                model.filename().string(), gb,
                                ResolveThreads(0)));
    const std::string path = model.string();
    std::vector<double> peaks;

    double read = ReadSeconds(files);
    Finished run =
        Best({"analyze", path, "--no-digest", "--no-search"}, WithoutSync);
    report_.Number("analyze, 18 min-max points", gb / run.seconds, 2.0, false,
                   "GB/s", FloorText("read", bytes, read, run.seconds));
    peaks.push_back(run.peak_bytes);

    const double hash = HashSeconds(files);
    run = Best({"analyze", path, "--no-search"}, WithoutSync);
    report_.Number("analyze with SHA-256, of the hash's rate",
                   hash / run.seconds, 0.8, false, "",
                   FloorText("hash on one core", bytes, hash, run.seconds));

    read = ReadSeconds(files);
    run = Best({"analyze", path, "--no-digest", "--no-search", "--spectra"},
               WithoutSync);
    report_.Number("analyze with spectra", gb / run.seconds, 0.12, false,
                   "GB/s", FloorText("read", bytes, read, run.seconds));

    for (const bool optimal : {false, true}) {
      peaks.push_back(Compress(files, path, optimal));
    }
    return peaks;
  }

  double Compress(const std::vector<fs::path>& files, const std::string& path,
                  bool optimal) {
    std::vector<std::string> arguments = {"compress", path, "--policy"};
    if (optimal) {
      arguments.emplace_back("optimal");
    } else {
      arguments.insert(arguments.end(), {"uniform", "--bits", "4"});
    }
    const double bytes = static_cast<double>(TotalBytes(files));
    const Finished run = Best(arguments, WithoutAudit);
    const Json json = run.json();
    const uint64_t written = TotalBytes(WeightFiles(options_.work / "output"));
    fs::remove_all(Fresh("output"));
    const double floor =
        ReadSeconds(files) + WriteSeconds(options_.work, written);
    report_.Number(
        optimal ? "compress --policy optimal" : "compress --policy uniform",
        bytes * 1e-9 / run.seconds, optimal ? 0.3 : 1.0, false, "GB/s",
        fmt::format("{}; apart: sync {:.1f} s, audit {:.1f} s",
                    FloorText("read, then write", bytes, floor, run.seconds),
                    json["sync_seconds"].get<double>(),
                    json["audit_seconds"].get<double>()));
    return run.peak_bytes;
  }

  void Memory(const std::vector<double>& small_peaks, const fs::path& large,
              const std::vector<uint64_t>& layers) {
    report_.Heading(fmt::format(
        "Peak resident memory, {} and {} layers ({:.1f} GB the larger)",
        layers[0], layers[1],
        static_cast<double>(TotalBytes(WeightFiles(large))) * 1e-9));
    const int repeat = options_.repeat;
    options_.repeat = 1;
    const std::string path = large.string();
    const std::vector<std::vector<std::string>> commands = {
        {"analyze", path, "--no-digest", "--no-search"},
        {"compress", path, "--policy", "uniform", "--bits", "4"},
        {"compress", path, "--policy", "optimal"}};
    const std::vector<const char*> names = {"analyze", "compress uniform",
                                            "compress optimal"};
    for (size_t i = 0; i < commands.size(); ++i) {
      const Finished run = Best(commands[i], WithoutSync);
      fs::remove_all(Fresh("output"));
      const std::string name = names[i];
      report_.Number(
          name + ": peak", std::max(run.peak_bytes, small_peaks[i]) / kGiB, 1.0,
          true, "GiB",
          fmt::format("{:.0f} and {:.0f} MiB", small_peaks[i] / 1048576.0,
                      run.peak_bytes / 1048576.0));
      report_.Number(name + ": larger over smaller",
                     run.peak_bytes / small_peaks[i], 1.05, true, "", "");
    }
    options_.repeat = repeat;
  }

  // Manifest, profile, plan and weights do not depend on the thread count.
  void SameBytes() {
    report_.Heading("Same bytes for 1, 2 and 5 threads");
    const std::string model = options_.model.string();
    for (const char* target : {"mlx", "native"}) {
      Compare(fmt::format("compress --target {}", target),
              {"compress", model, "--target", target});
    }
    Compare("analyze --spectra", {"analyze", model, "--spectra"});
  }

  void Compare(const std::string& what,
               const std::vector<std::string>& arguments) {
    std::map<std::string, std::string> first;
    uint64_t differing = 0;
    for (const char* threads : {"1", "2", "5"}) {
      std::vector<std::string> command = arguments;
      command.insert(command.begin(), Program("ram"));
      const std::string out = Fresh("output");
      command.insert(command.end(), {"-o", out, "--threads", threads, "-q"});
      RunProgram(command);
      std::map<std::string, std::string> digests;
      for (const auto& entry : fs::directory_iterator(out)) {
        const std::string name = entry.path().filename().string();
        // ram.json also says how long the audit took.
        if (name != "ram.json") digests[name] = Sha256OfFile(entry.path());
      }
      if (first.empty()) first = digests;
      differing += digests != first ? 1 : 0;
    }
    fs::remove_all(Fresh("output"));
    report_.Fact(fmt::format("{}: {} files", what, first.size()),
                 fmt::format("{} differ", differing), "0 differ");
  }

  Options options_;
  Report report_;
};

}  // namespace
}  // namespace ram

int main(int argc, char** argv) {
  ram::Options options;
  CLI::App app("Measures what the project promises");
  app.add_option("--programs", options.programs, "the build folder")
      ->required();
  app.add_option("--configs", options.configs, "folder of MODEL/config.json")
      ->required();
  app.add_option("--work", options.work, "folder for what is made")->required();
  app.add_option("--model", options.model,
                 "for the comparison of threads, and its tokenizer");
  app.add_option("--repeat", options.repeat, "take the best of so many");
  app.add_option("--only", options.only, "one part")
      ->check(CLI::IsMember({"counting", "compress", "bytes", "model"}));
  app.add_flag("--full", options.full, "12 and 24 layers instead of 1 and 2");
  app.add_flag("--keep", options.keep, "leave the checkpoints");
  CLI11_PARSE(app, argc, argv);
  try {
    return ram::Bench(options).Run();
  } catch (const ram::Error& error) {
    fmt::print(stderr, "numbers: {}\n", error.what());
    return error.exit_code();
  }
}
