// make_checkpoint CONFIG_JSON OUT: a sharded Hugging Face checkpoint of the
// shape that a config.json describes, with BF16 weights as heavy-tailed as
// those of trained models. Same bytes for the same arguments.
//
// A weight is gain x t, where t has Student's distribution with 5 to 8 degrees
// of freedom by role, and the gain varies by column (log-normal, a few columns
// far out) and a little by row. The variates come from one table, read at a
// random place, direction and gain for every run of 256 columns, so that no
// two rows are alike and making them costs little more than writing them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "ram/base/byte_size.h"
#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/base/output.h"
#include "ram/base/parallel.h"
#include "ram/base/random.h"
#include "ram/checkpoint/expected_tensors.h"
#include "ram/container/safetensors.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

constexpr uint64_t kShardBytes = 5'000'000'000;
constexpr uint64_t kChunkBytes = uint64_t{4} << 20;
constexpr uint64_t kTableSize = uint64_t{1} << 20;
constexpr uint64_t kRun = 256;  // columns between two draws
constexpr int kLeastFreedom = 5;
constexpr int kMostFreedom = 8;

struct Options {
  std::string config;
  std::string out;
  uint64_t layers = 0;
  uint64_t seed = 42;
  int threads = 0;
  bool headers_only = false;
};

// Student's t with `freedom` degrees, scaled to variance one.
std::vector<float> StudentTable(uint64_t seed, int freedom) {
  const CounterRandom random(seed, fmt::format("student {}", freedom));
  std::vector<float> table(kTableSize + kRun);
  const uint64_t stride = static_cast<uint64_t>(freedom) + 1;
  for (uint64_t i = 0; i < kTableSize; ++i) {
    double chi2 = 0;
    for (uint64_t k = 1; k < stride; ++k) {
      const double normal = random.Normal(i * stride + k);
      chi2 += normal * normal;
    }
    const double t = random.Normal(i * stride) / std::sqrt(chi2 / (freedom));
    table[i] = static_cast<float>(t * std::sqrt((freedom - 2.0) / freedom));
  }
  std::copy_n(table.begin(), kRun, table.begin() + kTableSize);
  return table;
}

// The name without numbers: tensors of one role share it.
std::string RoleOf(const std::string& name) {
  std::string role;
  for (const char c : name) {
    if (c < '0' || c > '9') role += c;
  }
  return role;
}

bool IsNorm(const std::string& name) {
  return name.find("norm") != std::string::npos;
}

// Writes the rows of one tensor.
class Generator {
 public:
  Generator(const std::vector<std::vector<float>>& tables, uint64_t seed,
            const TensorInfo& tensor)
      : random_(seed, tensor.name), norm_(IsNorm(tensor.name)) {
    cols_ = tensor.shape.empty() ? 1 : tensor.shape.back();
    const CounterRandom role(seed, RoleOf(tensor.name));
    table_ = &tables[role.Bits(0) % tables.size()];
    const double deviation =
        (0.6 + 0.8 * role.Uniform(1)) / std::sqrt(static_cast<double>(cols_));
    const double column_spread = 0.05 + 0.30 * role.Uniform(2);
    const double outlier_share = 0.002 * role.Uniform(3);
    column_gain_.resize(cols_);
    for (uint64_t j = 0; j < cols_; ++j) {
      double gain = deviation * std::exp(column_spread * random_.Normal(j));
      if (random_.Uniform(kOutlierKey + j) < outlier_share) {
        gain *= 3.0 + 5.0 * random_.Uniform(kOutlierKey * 2 + j);
      }
      column_gain_[j] = static_cast<float>(gain);
    }
  }

  // Elements [first, first + out.size()) of the flattened tensor.
  void Fill(uint64_t first, std::span<float> out) const {
    uint64_t done = 0;
    while (done < out.size()) {
      const uint64_t element = first + done;
      const uint64_t row = element / cols_;
      const uint64_t col = element % cols_;
      const uint64_t in_run = col % kRun;
      const uint64_t n = std::min({kRun - in_run, cols_ - col,
                                   static_cast<uint64_t>(out.size()) - done});
      const uint64_t runs = (cols_ + kRun - 1) / kRun;
      const uint64_t draw = random_.Bits(kRunKey + row * runs + col / kRun);
      // Gain in +-[0.8, 1.2), offset anywhere in the table.
      const float size =
          0.8f + 0.4f * static_cast<float>(draw >> 40) * 0x1p-24f;
      const float gain = (draw & 1) != 0 ? size : -size;
      const uint64_t offset = (draw >> 1) % kTableSize;
      const float* t = table_->data() + offset + in_run;
      const float* scale = column_gain_.data() + col;
      float* to = out.data() + done;
      for (uint64_t j = 0; j < n; ++j) to[j] = gain * t[j] * scale[j];
      if (norm_) {
        for (uint64_t j = 0; j < n; ++j) to[j] = 1.0f + 2.0f * to[j];
      }
      done += n;
    }
  }

 private:
  static constexpr uint64_t kOutlierKey = uint64_t{1} << 40;
  static constexpr uint64_t kRunKey = uint64_t{1} << 50;

  CounterRandom random_;
  const std::vector<float>* table_;
  std::vector<float> column_gain_;
  uint64_t cols_ = 1;
  bool norm_;
};

struct Shard {
  std::string name;
  std::vector<TensorInfo> tensors;
};

std::vector<Shard> CutIntoShards(std::vector<TensorInfo> tensors) {
  std::vector<Shard> shards(1);
  uint64_t bytes = 0;
  for (TensorInfo& tensor : tensors) {
    if (bytes > 0 && bytes + tensor.bytes() > kShardBytes) {
      shards.emplace_back();
      bytes = 0;
    }
    bytes += tensor.bytes();
    shards.back().tensors.push_back(std::move(tensor));
  }
  for (size_t i = 0; i < shards.size(); ++i) {
    shards[i].name = shards.size() == 1
                         ? std::string("model.safetensors")
                         : fmt::format("model-{:05}-of-{:05}.safetensors",
                                       i + 1, shards.size());
    // The reference writer orders tensors of one type by name.
    std::sort(shards[i].tensors.begin(), shards[i].tensors.end(),
              [](const TensorInfo& a, const TensorInfo& b) {
                return a.name < b.name;
              });
  }
  return shards;
}

SafetensorsLayout LayOut(const Shard& shard) {
  std::vector<SafetensorsTensor> tensors;
  for (const TensorInfo& tensor : shard.tensors) {
    tensors.push_back({tensor.name, tensor.dtype, tensor.shape});
  }
  return LayOutSafetensors(tensors, {{"format", "pt"}});
}

void WriteHeaderOnly(OutputDirectory& out, const Shard& shard,
                     const SafetensorsLayout& layout) {
  // Not OutputDirectory::Create, which reserves the space.
  const std::filesystem::path path = out.path() / shard.name;
  std::ofstream file(path, std::ios::binary);
  file.write(layout.prefix.data(),
             static_cast<std::streamsize>(layout.prefix.size()));
  file.close();
  if (!file) Fail(ErrorKind::kIo, "{}: cannot write", path.string());
  std::filesystem::resize_file(path, layout.file_bytes);
}

void WriteWeights(OutputDirectory& out, const Shard& shard,
                  const SafetensorsLayout& layout,
                  const std::vector<std::vector<float>>& tables,
                  const Options& options) {
  OutputFile& file = out.Create(shard.name, layout.file_bytes);
  file.WriteAt(0, std::as_bytes(std::span(layout.prefix)));
  struct Chunk {
    size_t tensor;
    uint64_t first;
    uint64_t elements;
  };
  std::vector<Chunk> chunks;
  for (size_t i = 0; i < shard.tensors.size(); ++i) {
    const uint64_t elements = shard.tensors[i].elements();
    const uint64_t step = kChunkBytes / sizeof(uint16_t);
    for (uint64_t first = 0; first < elements; first += step) {
      chunks.push_back({i, first, std::min(step, elements - first)});
    }
  }
  const int threads = ResolveThreads(options.threads);
  struct Buffers {
    std::vector<float> floats;
    std::vector<std::byte> stored;
  };
  std::vector<Buffers> buffers(static_cast<size_t>(threads));
  ParallelFor(chunks.size(), threads, [&](uint64_t item, int worker) {
    const Chunk& chunk = chunks[item];
    Buffers& mine = buffers[static_cast<size_t>(worker)];
    mine.floats.resize(chunk.elements);
    mine.stored.resize(chunk.elements * sizeof(uint16_t));
    const Generator generator(tables, options.seed,
                              shard.tensors[chunk.tensor]);
    generator.Fill(chunk.first, mine.floats);
    FromFloat(DType::kBF16, mine.floats, mine.stored.data());
    file.WriteAt(layout.offsets[chunk.tensor] + chunk.first * sizeof(uint16_t),
                 mine.stored);
  });
}

void Make(const Options& options) {
  Json config = ReadJsonFile(options.config);
  if (options.layers > 0) {
    Json& text =
        config.contains("text_config") ? config["text_config"] : config;
    text["num_hidden_layers"] = options.layers;
    if (text.contains("layer_types") && text["layer_types"].is_array() &&
        text["layer_types"].size() > options.layers) {
      text["layer_types"].erase(text["layer_types"].begin() +
                                    static_cast<std::ptrdiff_t>(options.layers),
                                text["layer_types"].end());
    }
  }
  std::vector<TensorInfo> tensors = ExpectedTensors(config);
  uint64_t weights = 0;
  for (TensorInfo& tensor : tensors) {
    tensor.dtype = DType::kBF16;
    weights += tensor.elements();
  }
  const size_t count = tensors.size();
  std::vector<std::vector<float>> tables;
  if (!options.headers_only) {
    tables.resize(kMostFreedom - kLeastFreedom + 1);
    ParallelFor(tables.size(), ResolveThreads(options.threads),
                [&](uint64_t item, int) {
                  tables[item] = StudentTable(
                      options.seed, kLeastFreedom + static_cast<int>(item));
                });
  }

  OutputDirectory out(options.out);
  OrderedJson index = {{"metadata", {{"total_size", weights * 2}}},
                       {"weight_map", OrderedJson::object()}};
  const std::vector<Shard> shards = CutIntoShards(std::move(tensors));
  for (const Shard& shard : shards) {
    const SafetensorsLayout layout = LayOut(shard);
    if (options.headers_only) {
      WriteHeaderOnly(out, shard, layout);
    } else {
      WriteWeights(out, shard, layout, tables, options);
    }
    for (const TensorInfo& tensor : shard.tensors) {
      index["weight_map"][tensor.name] = shard.name;
    }
  }
  out.Write("config.json", config.dump(2) + "\n");
  if (shards.size() > 1) {
    out.Write("model.safetensors.index.json", index.dump(2) + "\n");
  }
  if (!options.headers_only) out.Sync();
  out.Commit();
  fmt::print("{}: {} tensors, {} weights, {} shards, {}\n", options.out,
             FormatCount(count), FormatCount(weights), shards.size(),
             FormatByteSize(weights * 2));
}

}  // namespace
}  // namespace ram

int main(int argc, char** argv) {
  ram::Options options;
  CLI::App app("Makes a BF16 checkpoint of the shape of a config.json");
  app.add_option("config", options.config, "config.json")->required();
  app.add_option("out", options.out, "directory to create")->required();
  app.add_option("--layers", options.layers, "instead of num_hidden_layers");
  app.add_option("--seed", options.seed);
  app.add_option("--threads", options.threads);
  app.add_flag("--headers-only", options.headers_only,
               "sparse files that hold zeros and take no space");
  CLI11_PARSE(app, argc, argv);
  try {
    ram::Make(options);
  } catch (const ram::Error& error) {
    fmt::print(stderr, "make_checkpoint: {}\n", error.what());
    return error.exit_code();
  }
  return 0;
}
