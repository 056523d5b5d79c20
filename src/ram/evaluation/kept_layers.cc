#include "ram/evaluation/kept_layers.h"

#include <fcntl.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/interrupt.h"
#include "ram/base/output.h"
#include "ram/evaluation/kept_identity.h"

namespace ram {
namespace {

static_assert(std::endian::native == std::endian::little,
              "activations are kept as they lie in memory");

constexpr char kPartial[] = ".partial";
constexpr double kWorkPerWriting = 20;
constexpr uint64_t kBlockBytes = uint64_t{4} << 20;  // read or written at once

// What stands before the rows.
struct RowsHeader {
  uint64_t layers = 0;
  double seconds = 0;
  uint64_t rows = 0;
  uint64_t width = 0;
};

uint64_t BlockRows(const RowStore& rows) {
  return std::max<uint64_t>(kBlockBytes / sizeof(float) / rows.width(), 1);
}

std::span<std::byte> BytesOf(RowsHeader& head) {
  return std::as_writable_bytes(std::span(&head, 1));
}

void CreateFolder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    Fail(ErrorKind::kIo, "{}: cannot create: {}", folder.string(),
         error.message());
  }
}

int CreateFile(const std::filesystem::path& path) {
  const int fd =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) {
    Fail(ErrorKind::kIo, "{}: cannot create: {}", path.string(),
         std::strerror(errno));
  }
  return fd;
}

}  // namespace

KeptLayers::KeptLayers(std::filesystem::path folder,
                       std::span<const Segment> segments, ComputeType compute,
                       double seconds, bool resume)
    : folder_(std::move(folder)),
      least_seconds_(seconds),
      resume_(resume),
      common_({{"version", 1},
               {"segments_sha256", DigestOf(segments)},
               {"numbers", ComputeName(compute)}}) {}

std::string KeptLayers::KeyOf(const Checkpoint& model) const {
  OrderedJson key = common_;
  key["model"] = IdentityOf(model);
  return KeyText(key) + "\n";
}

std::filesystem::path KeptLayers::FileOf(const std::string& key) const {
  return folder_ / KeptFileName(key, "layers");
}

LayerState KeptLayers::Begin(const Checkpoint& model, uint64_t layers,
                             RowStore& rows) {
  LayerState state;
  if (resume_) state = Read(model, layers, rows);
  if (state.layers > 0) last_ = {model.path().string(), state.layers, layers};
  worked_ = Stopwatch();
  return state;
}

LayerState KeptLayers::Read(const Checkpoint& model, uint64_t layers,
                            RowStore& rows) const {
  const std::string key = KeyOf(model);
  const std::filesystem::path path = FileOf(key);
  if (!std::filesystem::exists(path)) return {};
  const File file = File::Open(path);
  RowsHeader head;
  const uint64_t row_bytes = rows.width() * sizeof(float);
  const uint64_t before = key.size() + sizeof(head);
  if (file.size_bytes() != before + rows.rows() * row_bytes) return {};
  std::string found(key.size(), '\0');
  file.ReadAt(0, std::as_writable_bytes(std::span(found)));
  file.ReadAt(key.size(), BytesOf(head));
  if (found != key || head.rows != rows.rows() || head.width != rows.width() ||
      head.layers == 0 || head.layers > layers ||
      !std::isfinite(head.seconds)) {
    return {};
  }
  const uint64_t step = BlockRows(rows);
  std::vector<float> block(step * rows.width());
  for (uint64_t row = 0; row < rows.rows(); row += step) {
    ThrowIfInterrupted();
    const uint64_t count = std::min(step, rows.rows() - row);
    file.ReadAt(
        before + row * row_bytes,
        std::as_writable_bytes(std::span(block).first(count * rows.width())));
    rows.Write(row, count, block.data());
  }
  return {head.layers, head.seconds};
}

void KeptLayers::Offer(const Checkpoint& model, uint64_t layers,
                       const LayerState& state, const RowStore& rows) {
  const double worked = worked_.Seconds();
  if (worked < least_seconds_ ||
      worked < kWorkPerWriting * last_write_seconds_) {
    return;
  }
  const Stopwatch writing;
  Write(model, state, rows);
  last_write_seconds_ = writing.Seconds();
  last_ = {model.path().string(), state.layers, layers};
  worked_ = Stopwatch();
}

void KeptLayers::Write(const Checkpoint& model, const LayerState& state,
                       const RowStore& rows) const {
  CreateFolder(folder_);
  const std::string key = KeyOf(model);
  const std::filesystem::path path = FileOf(key);
  std::filesystem::path partial = path;
  partial += kPartial;
  std::error_code error;
  try {
    OutputFile file(CreateFile(partial), partial);
    RowsHeader head = {state.layers, state.seconds, rows.rows(), rows.width()};
    file.WriteAt(0, std::as_bytes(std::span(key)));
    file.WriteAt(key.size(), BytesOf(head));
    const uint64_t step = BlockRows(rows);
    std::vector<float> block(step * rows.width());
    for (uint64_t row = 0; row < rows.rows(); row += step) {
      ThrowIfInterrupted();
      const uint64_t count = std::min(step, rows.rows() - row);
      rows.Read(row, count, block.data());
      file.WriteAt(
          key.size() + sizeof(head) + row * rows.width() * sizeof(float),
          std::as_bytes(std::span(block).first(count * rows.width())));
    }
    file.Sync();
    std::filesystem::rename(partial, path, error);
  } catch (...) {
    std::filesystem::remove(partial, error);
    throw;
  }
  if (error) {
    Fail(ErrorKind::kIo, "{}: cannot move the finished file there: {}",
         path.string(), error.message());
  }
}

void KeptLayers::Discard(const Checkpoint& model) {
  std::error_code ignored;
  std::filesystem::path path = FileOf(KeyOf(model));
  std::filesystem::remove(path, ignored);
  std::filesystem::remove(path += kPartial, ignored);  // of a killed process
  std::filesystem::remove(folder_, ignored);           // only if empty
  if (last_ && last_->model == model.path().string()) last_.reset();
}

}  // namespace ram
