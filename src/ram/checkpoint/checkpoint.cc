#include "ram/checkpoint/checkpoint.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <optional>
#include <utility>

#include "ram/base/error.h"
#include "ram/checkpoint/read_tensor.h"
#include "ram/checkpoint/weight_index.h"
#include "ram/container/gguf.h"
#include "ram/container/safetensors.h"

namespace ram {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigName = "config.json";
constexpr uint64_t kMaxJsonBytes = uint64_t{256} << 20;

std::vector<TensorInfo> TensorsOf(const File& file, const std::string& name) {
  std::vector<TensorInfo> tensors;
  for (SafetensorsEntry& entry : ReadSafetensorsHeader(file).entries) {
    tensors.push_back({std::move(entry.name), name, entry.dtype,
                       std::move(entry.shape), entry.begin});
  }
  return tensors;
}

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// The regular files in `directory`, sorted.
std::vector<std::string> FileNames(const fs::path& directory) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator entry(directory, error), end;
       !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_regular_file(ignored)) {
      names.push_back(entry->path().filename());
    }
  }
  if (error) {
    Fail(ErrorKind::kIo, "{}: cannot list: {}", directory.string(),
         error.message());
  }
  std::sort(names.begin(), names.end());
  return names;
}

[[noreturn]] void FailNoWeights(const fs::path& directory) {
  for (const std::string& name : FileNames(directory)) {
    const bool gguf = name.ends_with(".gguf");
    if (!gguf && !name.ends_with(".bin") && !name.ends_with(".pth")) continue;
    Fail(ErrorKind::kUnsupported, "{}: found {}, expected {} or {}{}",
         directory.string(), name, kSingleName, kIndexName,
         gguf ? " (name the GGUF file itself)"
              : " (only safetensors and GGUF can be read)");
  }
  Fail(ErrorKind::kCorrupt, "{}: found no weights, expected {} or {}",
       directory.string(), kSingleName, kIndexName);
}

// "m-00002-of-00003.gguf": found by way of the first.
bool IsLaterPart(std::string_view name) {
  constexpr std::string_view kFirst = "-00001-of-";
  constexpr size_t kLength = std::string_view("-00001-of-00003.gguf").size();
  if (name.size() < kLength) return false;
  const std::string_view suffix = name.substr(name.size() - kLength);
  return suffix[0] == '-' && suffix.substr(6, 4) == kFirst.substr(6) &&
         !suffix.starts_with(kFirst);
}

// The only GGUF model in a directory that is no model directory itself.
std::optional<fs::path> OnlyGgufIn(const fs::path& directory) {
  if (Exists(directory / kConfigName)) return std::nullopt;
  std::optional<fs::path> found;
  for (const std::string& name : FileNames(directory)) {
    if (!name.ends_with(".gguf") || IsLaterPart(name)) continue;
    if (found) return std::nullopt;
    found = directory / name;
  }
  return found;
}

// The tensors of all shards agree with the index, name by name.
void CheckIndex(const std::map<std::string, std::string>& index,
                const std::vector<TensorInfo>& tensors,
                const fs::path& directory) {
  std::map<std::string_view, std::string_view> found;
  for (const TensorInfo& tensor : tensors) {
    const auto [other, fresh] = found.emplace(tensor.name, tensor.file);
    if (!fresh) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found in {} and in {}, expected it once",
           directory.string(), tensor.name, other->second, tensor.file);
    }
    if (index.contains(tensor.name)) continue;
    Fail(ErrorKind::kCorrupt, "{}: {}: found a tensor that {} does not name",
         (directory / tensor.file).string(), tensor.name, kIndexName);
  }
  for (const auto& [name, file] : index) {
    const auto stored = found.find(name);
    if (stored != found.end() && stored->second == file) continue;
    Fail(ErrorKind::kCorrupt, "{}: {}: found it in {}, expected it in {}",
         (directory / kIndexName).string(), name,
         stored == found.end() ? "no shard" : stored->second, file);
  }
}

}  // namespace

Checkpoint Checkpoint::Open(const fs::path& path) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  std::error_code error;
  const bool directory = fs::is_directory(path, error);
  if (directory) checkpoint.path_ = OnlyGgufIn(path).value_or(path);
  if (directory && checkpoint.path_ == path) {
    checkpoint.OpenDirectory();
  } else {
    checkpoint.OpenBareFile();
  }
  return checkpoint;
}

const File& Checkpoint::OpenFile(const std::string& name) {
  auto& slot = files_[name];
  if (!slot) slot = std::make_unique<File>(File::Open(path_ / name));
  return *slot;
}

void Checkpoint::OpenBareFile() {
  const std::string name = path_.filename();
  auto& file = files_[name];
  file = std::make_unique<File>(File::Open(path_));
  if (IsGguf(*file)) {
    OpenGguf();
    return;
  }
  bare_file_ = true;
  file_names_ = {name};
  model_ = DescribeModel(Json(), TensorsOf(*file, name), path_.string());
}

void Checkpoint::OpenDirectory() {
  if (!Exists(path_ / kConfigName)) {
    Fail(ErrorKind::kCorrupt,
         "{}: found nothing, expected the model's configuration",
         (path_ / kConfigName).string());
  }
  const auto read = [&](const std::string& name) {
    const File& file = OpenFile(name);
    if (file.size_bytes() > kMaxJsonBytes) {
      Fail(ErrorKind::kCorrupt, "{}: found {} bytes, expected at most {}",
           file.path().string(), file.size_bytes(), kMaxJsonBytes);
    }
    std::string text(file.size_bytes(), '\0');
    file.ReadAt(0, std::as_writable_bytes(std::span(text)));
    return text;
  };
  config_text_ = read(kConfigName);
  Json config = ParseJson(config_text_, (path_ / kConfigName).string());

  std::map<std::string, std::string> index;
  const bool sharded = Exists(path_ / kIndexName);
  if (sharded) {
    const std::string name(kIndexName);
    index = ParseWeightIndex(read(name), (path_ / name).string());
  } else if (!Exists(path_ / kSingleName)) {
    FailNoWeights(path_);
  }
  file_names_ = sharded ? ShardsOf(index)
                        : std::vector<std::string>{std::string(kSingleName)};
  std::vector<TensorInfo> tensors;
  for (const std::string& name : file_names_) {
    for (TensorInfo& tensor : TensorsOf(OpenFile(name), name)) {
      tensors.push_back(std::move(tensor));
    }
  }
  if (sharded) CheckIndex(index, tensors, path_);
  model_ = DescribeModel(std::move(config), std::move(tensors), path_.string());
}

std::vector<std::string> Checkpoint::ShardsOf(
    const std::map<std::string, std::string>& index) const {
  std::vector<std::string> shards;
  for (const auto& [tensor, file] : index) {
    if (std::find(shards.begin(), shards.end(), file) != shards.end()) continue;
    if (!Exists(path_ / file)) {
      Fail(ErrorKind::kCorrupt, "{}: weight_map: {}: found no file {}",
           (path_ / kIndexName).string(), tensor, (path_ / file).string());
    }
    shards.push_back(file);
  }
  std::sort(shards.begin(), shards.end());
  return shards;
}

const File& Checkpoint::file(const std::string& name) const {
  return *files_.at(name);
}

std::vector<std::string> Checkpoint::CompanionFiles() const {
  std::vector<std::string> names;
  std::error_code error;
  if (!fs::is_directory(path_, error)) return names;
  static constexpr std::array<std::string_view, 9> kBeginnings = {
      "tokenizer",
      "vocab",
      "merges.txt",
      "generation_config.json",
      "chat_template",
      "special_tokens_map",
      "preprocessor_config.json",
      "added_tokens.json",
      "processor_config.json"};
  for (std::string& name : FileNames(path_)) {
    const bool wanted = name.ends_with(".model") ||
                        std::any_of(kBeginnings.begin(), kBeginnings.end(),
                                    [&](std::string_view word) {
                                      return name.starts_with(word);
                                    });
    if (wanted) names.push_back(std::move(name));
  }
  return names;
}

void Checkpoint::ReadTensor(uint32_t tensor, uint64_t byte_offset,
                            std::span<std::byte> out) const {
  const TensorInfo& info = model_.tensors[tensor];
  assert(byte_offset + out.size() <= info.bytes());
  ReadStored(file(info.file), info, byte_offset, out);
}

void Checkpoint::CheckUnchanged() const {
  for (const auto& [name, file] : files_) file->CheckUnchanged();
}

}  // namespace ram
