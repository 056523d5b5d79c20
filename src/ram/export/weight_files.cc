#include "ram/export/weight_files.h"

#include <utility>

namespace ram {
namespace {

size_t PartOf(StoredTensor::Kind kind) {
  switch (kind) {
    case StoredTensor::Kind::kScales:
      return 1;
    case StoredTensor::Kind::kBiases:
    case StoredTensor::Kind::kShape:
      return 2;
    default:
      return 0;
  }
}

}  // namespace

WeightFiles::WeightFiles(std::vector<OutputFileLayout> files,
                         const TargetLayout& layout, OutputDirectory& out)
    : layouts_(std::move(files)), open_(layouts_.size()) {
  FindPlaces(layout);
  for (size_t f = 0; f < layouts_.size(); ++f) {
    const auto& tensors = layouts_[f].tensors;
    Open& open = open_[f];
    open.file = &out.Create(layouts_[f].name, layouts_[f].file_bytes);
    open.missing_bytes =
        std::make_unique<std::atomic<uint64_t>[]>(tensors.size());
    std::vector<ByteRange> ranges;
    for (size_t t = 0; t < tensors.size(); ++t) {
      open.missing_bytes[t] = tensors[t].bytes;
      ranges.push_back(
          {tensors[t].offset, tensors[t].offset + tensors[t].bytes});
    }
    open.hashes = std::make_unique<TensorHashes>(std::move(ranges));
  }
  for (size_t f = 0; f < layouts_.size(); ++f) {
    open_[f].file->WriteAt(0, std::as_bytes(std::span(layouts_[f].prefix)));
  }
}

void WeightFiles::FindPlaces(const TargetLayout& layout) {
  first_module_.assign(1, 0);
  for (const Unit& unit : layout.units) {
    first_module_.push_back(first_module_.back() + unit.module_count());
  }
  modules_.resize(first_module_.back());
  plain_.resize(layout.plain.size());
  for (uint32_t f = 0; f < layouts_.size(); ++f) {
    const auto& tensors = layouts_[f].tensors;
    for (uint32_t t = 0; t < tensors.size(); ++t) {
      const StoredTensor& tensor = tensors[t];
      if (tensor.kind == StoredTensor::Kind::kPlain) {
        plain_[tensor.index] = {f, t};
      } else {
        const size_t module = first_module_[tensor.index] + tensor.module;
        modules_[module][PartOf(tensor.kind)] = {f, t};
      }
    }
  }
}

void WeightFiles::Write(const Place& place, uint64_t offset,
                        std::span<const std::byte> bytes) {
  Open& open = open_[place.file];
  open.file->WriteAt(layouts_[place.file].tensors[place.tensor].offset + offset,
                     bytes);
  open.missing_bytes[place.tensor].fetch_sub(bytes.size());
}

void WeightFiles::WriteUnit(uint32_t unit, uint32_t module, size_t part,
                            uint64_t offset, std::span<const std::byte> bytes) {
  Write(modules_[first_module_[unit] + module][part], offset, bytes);
}

void WeightFiles::WritePlain(uint32_t plain, uint64_t offset,
                             std::span<const std::byte> bytes) {
  Write(plain_[plain], offset, bytes);
}

uint64_t WeightFiles::FinalBytes(size_t file) {
  Open& open = open_[file];
  const auto& tensors = layouts_[file].tensors;
  while (open.final_tensors < tensors.size() &&
         open.missing_bytes[open.final_tensors] == 0) {
    ++open.final_tensors;
  }
  return open.final_tensors == tensors.size()
             ? layouts_[file].file_bytes
             : tensors[open.final_tensors].offset;
}

void WeightFiles::AddChains(DigestChains& chains) {
  for (size_t f = 0; f < layouts_.size(); ++f) {
    DigestChains::Source source;
    source.bytes = layouts_[f].file_bytes;
    source.read = [file = open_[f].file](uint64_t offset,
                                         std::span<std::byte> bytes) {
      file->ReadAt(offset, bytes);
    };
    source.limit = [this, f] { return FinalBytes(f); };
    source.see = [hashes = open_[f].hashes.get()](
                     uint64_t offset, std::span<const std::byte> bytes) {
      hashes->Update(offset, bytes);
    };
    chains.Add(std::move(source));
  }
}

std::vector<ExportedFile> WeightFiles::Files(const DigestChains& chains,
                                             size_t first_chain) const {
  std::vector<ExportedFile> files;
  for (size_t f = 0; f < layouts_.size(); ++f) {
    files.push_back({layouts_[f].name, layouts_[f].file_bytes,
                     chains.HexDigest(first_chain + f)});
  }
  return files;
}

std::vector<uint64_t> WeightFiles::UnitHashes(uint32_t unit) const {
  std::vector<uint64_t> hashes;
  for (size_t module = first_module_[unit]; module < first_module_[unit + 1];
       ++module) {
    for (const Place& place : modules_[module]) {
      if (place.file == kNowhere) continue;
      hashes.push_back(open_[place.file].hashes->hashes()[place.tensor]);
    }
  }
  return hashes;
}

uint64_t WeightFiles::PlainHash(uint32_t plain) const {
  const Place& place = plain_[plain];
  return open_[place.file].hashes->hashes()[place.tensor];
}

}  // namespace ram
