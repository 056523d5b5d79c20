// The weight files of an output while they are being written: where every
// tensor goes, which bytes are final, what they hash to.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ram/base/output.h"
#include "ram/export/digest_chains.h"
#include "ram/export/record.h"
#include "ram/export/tensor_hashes.h"
#include "ram/target/target.h"

namespace ram {

class WeightFiles {
 public:
  // Creates every file with its final size, then writes the headers. Throws
  // kIo when there is too little space.
  WeightFiles(std::vector<OutputFileLayout> files, const TargetLayout& layout,
              OutputDirectory& out);

  // The stored tensors of a module of a unit: 0 codes or 16-bit weights, 1
  // scales, 2 biases or shape. `offset` is within the tensor. Safe from several
  // threads; every byte is written once.
  void WriteUnit(uint32_t unit, uint32_t module, size_t part, uint64_t offset,
                 std::span<const std::byte> bytes);
  void WritePlain(uint32_t plain, uint64_t offset,
                  std::span<const std::byte> bytes);

  // One chain per file: hashes what is final, read back from the file.
  void AddChains(DigestChains& chains);
  // After the chains are finished; `first_chain` is the number of the first.
  std::vector<ExportedFile> Files(const DigestChains& chains,
                                  size_t first_chain) const;
  // XXH3 of the stored tensors of a unit, module by module, and of a plain
  // tensor.
  std::vector<uint64_t> UnitHashes(uint32_t unit) const;
  uint64_t PlainHash(uint32_t plain) const;

  const std::vector<OutputFileLayout>& layouts() const { return layouts_; }

 private:
  static constexpr uint32_t kNowhere = ~uint32_t{0};
  struct Place {
    uint32_t file = kNowhere;
    uint32_t tensor = 0;
  };
  struct Open {
    OutputFile* file = nullptr;
    // Per tensor: bytes still to be written.
    std::unique_ptr<std::atomic<uint64_t>[]> missing_bytes;
    size_t final_tensors = 0;  // tensors before this one are final
    std::unique_ptr<TensorHashes> hashes;
  };

  void FindPlaces(const TargetLayout& layout);
  void Write(const Place& place, uint64_t offset,
             std::span<const std::byte> bytes);
  uint64_t FinalBytes(size_t file);

  std::vector<OutputFileLayout> layouts_;
  std::vector<Open> open_;
  std::vector<size_t> first_module_;  // of each unit, and their number
  std::vector<std::array<Place, 3>> modules_;
  std::vector<Place> plain_;
};

}  // namespace ram
