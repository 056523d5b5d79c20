#include "ram/export/digest_chains.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <atomic>
#include <cstring>
#include <limits>

#include "ram/base/parallel.h"
#include "ram/export/sums.h"
#include "ram/export/tensor_hashes.h"

namespace ram {
namespace {

DigestChains::Source SourceOf(const std::string& text) {
  DigestChains::Source source;
  source.bytes = text.size();
  source.read = [&text](uint64_t offset, std::span<std::byte> out) {
    std::memcpy(out.data(), text.data() + offset, out.size());
  };
  return source;
}

TEST(DigestChainsTest, GivesThePublishedDigest) {
  const std::string text = "abc";
  DigestChains chains;
  chains.Add(SourceOf(text));
  chains.Finish(1);
  // FIPS 180-4, appendix.
  EXPECT_EQ(chains.HexDigest(0),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(DigestChainsTest, GivesTheSameDigestWhenPumpedByManyThreads) {
  const std::string text(5'000'000, 'x');
  std::atomic<uint64_t> final_bytes = 0;
  DigestChains chains;
  chains.Add(SourceOf(text));
  chains.Add(SourceOf(text));
  chains.Finish(2);
  DigestChains pumped;
  for (int i = 0; i < 2; ++i) {
    auto source = SourceOf(text);
    source.limit = [&] { return final_bytes.load(); };
    pumped.Add(std::move(source));
  }
  ParallelFor(40, 4, [&](uint64_t, int) {
    final_bytes += 100'000;
    pumped.Pump();
  });
  pumped.Finish(4);
  EXPECT_EQ(pumped.HexDigest(0), chains.HexDigest(0));
  EXPECT_EQ(pumped.HexDigest(1), chains.HexDigest(0));
}

TEST(DigestChainsTest, ReadsNothingBeyondTheLimit) {
  const std::string text(1000, 'x');
  uint64_t seen = 0;
  auto source = SourceOf(text);
  source.limit = [] { return uint64_t{600}; };
  source.see = [&](uint64_t offset, std::span<const std::byte> chunk) {
    seen = offset + chunk.size();
  };
  DigestChains chains;
  chains.Add(std::move(source));
  chains.Pump();
  EXPECT_EQ(seen, 600u);
}

TEST(TensorHashesTest, HashesEachRangeHoweverTheBytesArrive) {
  std::string text(1000, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7);
  const std::vector<ByteRange> ranges = {
      {8, 8}, {8, 300}, {300, 301}, {400, 1000}};
  for (size_t step : {1u, 7u, 100u, 1000u}) {
    TensorHashes hashes(ranges);
    for (size_t at = 0; at < text.size(); at += step) {
      hashes.Update(at, std::as_bytes(std::span(text).subspan(
                            at, std::min(step, text.size() - at))));
    }
    for (size_t i = 0; i < ranges.size(); ++i) {
      EXPECT_EQ(hashes.hashes()[i],
                XXH3_64bits(text.data() + ranges[i].begin,
                            ranges[i].end - ranges[i].begin))
          << step << " " << i;
    }
  }
}

TEST(SumsTest, AddsSquares) {
  std::vector<float> values(37, 2.0f);
  EXPECT_EQ(SumOfSquares(values), 148.0);
  EXPECT_EQ(SumOfSquaredDifferences(values, std::vector<float>(37, -1.0f)),
            333.0);
}

TEST(SumsTest, LeavesOutWhatIsNotFinite) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {3, inf, 4,
                                     std::numeric_limits<float>::quiet_NaN()};
  const FiniteSums sums = SumFinite(values, std::vector<float>{2, 0, 4, 0});
  EXPECT_EQ(sums.squared_norm, 25.0);
  EXPECT_EQ(sums.squared_error, 1.0);
  EXPECT_EQ(sums.nonfinite, 2u);
}

TEST(SumsTest, FindsTheFirstThatIsNotFinite) {
  const std::vector<float> values = {
      1, 2, std::numeric_limits<float>::quiet_NaN(), 4};
  EXPECT_EQ(FindNonfinite(values), 2u);
  EXPECT_EQ(FindNonfinite(std::span(values).first(2)), std::nullopt);
}

}  // namespace
}  // namespace ram
