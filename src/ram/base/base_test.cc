#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <set>
#include <vector>

#include "ram/base/byte_size.h"
#include "ram/base/checked.h"
#include "ram/base/digest.h"
#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/interrupt.h"
#include "ram/base/json.h"
#include "ram/base/output.h"
#include "ram/base/parallel.h"
#include "ram/base/random.h"
#include "ram/base/temporary_directory.h"

namespace ram {
namespace {

namespace fs = std::filesystem;

TEST(CheckedTest, ReportsOverflow) {
  EXPECT_EQ(CheckedMul(uint64_t{1} << 32, uint64_t{1} << 32), std::nullopt);
  EXPECT_EQ(CheckedAdd(~uint64_t{0}, 1), std::nullopt);
  EXPECT_EQ(CheckedMul(3, 4), 12u);
}

TEST(CheckedTest, RoundsUp) {
  EXPECT_EQ(RoundUp(0, 8), 0u);
  EXPECT_EQ(RoundUp(1, 8), 8u);
  EXPECT_EQ(RoundUp(8, 8), 8u);
}

TEST(ByteSizeTest, ParsesDecimalAndBinaryUnits) {
  EXPECT_EQ(ParseByteSize("16.2GiB"), 17394617548u);
  EXPECT_EQ(ParseByteSize("500MB"), 500000000u);
  EXPECT_EQ(ParseByteSize("123456B"), 123456u);
  EXPECT_EQ(ParseByteSize("123456"), 123456u);
}

TEST(ByteSizeTest, RefusesOtherText) {
  EXPECT_EQ(ErrorMessage([] { ParseByteSize("16 giga"); }),
            "size: found '16 giga', expected a number with B, kB, MB, GB, TB, "
            "KiB, MiB, GiB or TiB (for example 16.2GiB)");
  EXPECT_THROW(ParseByteSize("-1GB"), Error);
  EXPECT_THROW(ParseByteSize("1e30TiB"), Error);
}

TEST(ByteSizeTest, FormatsForPeople) {
  EXPECT_EQ(FormatByteSize(512), "512 B");
  EXPECT_EQ(FormatByteSize(uint64_t{3} << 30), "3.00 GiB");
  EXPECT_EQ(FormatCount(8190735360), "8,190,735,360");
  EXPECT_EQ(FormatCount(12), "12");
}

// FIPS 180-4, example B.1.
TEST(DigestTest, AgreesWithTheStandard) {
  EXPECT_EQ(Sha256Hex("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(FileTest, ReadsByPosition) {
  const TemporaryDirectory directory;
  const File file = File::Open(directory.Write("a", "0123456789"));
  char text[3];
  file.ReadAt(4, std::as_writable_bytes(std::span(text)));
  EXPECT_EQ(std::string(text, 3), "456");
}

TEST(FileTest, NamesWhatIsMissing) {
  EXPECT_EQ(ErrorMessage([] { File::Open("/nonexistent/file"); }),
            "/nonexistent/file: cannot open: No such file or directory");
}

TEST(FileTest, RefusesADirectory) {
  const TemporaryDirectory directory;
  EXPECT_EQ(ErrorMessage([&] { File::Open(directory.path()); }),
            directory.path().string() +
                ": found something else, expected a regular file");
}

TEST(FileTest, SaysWhenTheFileEndsEarly) {
  const TemporaryDirectory directory;
  const File file = File::Open(directory.Write("a", "0123"));
  std::vector<std::byte> buffer(8);
  EXPECT_EQ(ErrorMessage([&] { file.ReadAt(0, buffer); }),
            (directory / "a").string() +
                ": found the end of the file at byte 4, expected 4 bytes more");
}

TEST(FileTest, NoticesAnotherSize) {
  const TemporaryDirectory directory;
  const File file = File::Open(directory.Write("a", "0123"));
  file.CheckUnchanged();
  std::ofstream(directory / "a", std::ios::app) << "4";
  EXPECT_EQ(ErrorMessage([&] { file.CheckUnchanged(); }),
            (directory / "a").string() +
                ": changed while being read: found 5 bytes, expected 4 (run "
                "again when nothing writes to it)");
}

TEST(FileTest, NoticesAnotherFileInItsPlace) {
  const TemporaryDirectory directory;
  const File file = File::Open(directory.Write("a", "0123"));
  directory.Write("b", "0123");
  fs::rename(directory / "b", directory / "a");
  EXPECT_EQ(ErrorMessage([&] { file.CheckUnchanged(); }),
            (directory / "a").string() +
                ": changed while being read: another file has taken its place "
                "(run again when nothing writes to it)");
}

TEST(FileTest, NoticesAnotherTime) {
  const TemporaryDirectory directory;
  const File file = File::Open(directory.Write("a", "0123"));
  fs::last_write_time(directory / "a",
                      fs::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_EQ(ErrorMessage([&] { file.CheckUnchanged(); }),
            (directory / "a").string() +
                ": changed while being read: its modification time is another "
                "(run again when nothing writes to it)");
}

TEST(OutputDirectoryTest, AppearsOnlyOnCommit) {
  const TemporaryDirectory directory;
  {
    OutputDirectory out(directory / "model");
    out.Write("a", "text");
    EXPECT_FALSE(fs::exists(directory / "model"));
    out.Sync();
    out.Commit();
  }
  EXPECT_EQ(ReadTextFile(directory / "model" / "a"), "text");
}

TEST(OutputDirectoryTest, LeavesNothingWithoutCommit) {
  const TemporaryDirectory directory;
  {
    OutputDirectory out(directory / "model");
    out.Create("weights", 1 << 20);
  }
  EXPECT_TRUE(fs::is_empty(directory.path()));
}

TEST(OutputDirectoryTest, NeverTouchesAnExistingOutput) {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "model");
  directory.Write("model/keep", "me");
  EXPECT_EQ(ErrorMessage([&] { OutputDirectory out(directory / "model"); }),
            (directory / "model").string() +
                ": found an existing output, expected a new name (nothing was "
                "changed; remove it or choose another)");
  EXPECT_EQ(ReadTextFile(directory / "model" / "keep"), "me");
}

TEST(OutputDirectoryTest, NeverReplacesOneThatAppearsMeanwhile) {
  const TemporaryDirectory directory;
  OutputDirectory out(directory / "model");
  fs::create_directory(directory / "model");
  EXPECT_EQ(ErrorMessage([&] { out.Commit(); }),
            (directory / "model").string() +
                ": cannot move the finished output there: File exists");
}

TEST(OutputDirectoryTest, NamesAMissingParent) {
  EXPECT_EQ(ErrorMessage([] { OutputDirectory out("/nonexistent/model"); }),
            "/nonexistent: found no such directory, expected it to exist");
}

TEST(OutputDirectoryTest, AcceptsATrailingSlash) {
  const TemporaryDirectory directory;
  OutputDirectory out(directory.path().string() + "/model/");
  out.Commit();
  EXPECT_TRUE(fs::is_directory(directory / "model"));
}

TEST(WriteNewFileTest, RefusesToReplace) {
  const TemporaryDirectory directory;
  WriteNewFile(directory / "a", "one");
  EXPECT_THROW(WriteNewFile(directory / "a", "two"), Error);
  EXPECT_EQ(ReadTextFile(directory / "a"), "one");
}

TEST(ParallelForTest, VisitsEveryItemOnce) {
  std::vector<std::atomic<int>> visits(1000);
  ParallelFor(visits.size(), 5, [&](uint64_t i, int) { ++visits[i]; });
  for (const auto& count : visits) EXPECT_EQ(count, 1);
}

TEST(ParallelForTest, RethrowsTheFirstFailure) {
  EXPECT_EQ(ErrorMessage([] {
              ParallelFor(100, 1, [](uint64_t i, int) {
                if (i >= 7) Fail(ErrorKind::kCorrupt, "item {}", i);
              });
            }),
            "item 7");
}

TEST(ParallelForTest, StopsWhenInterrupted) {
  RequestInterrupt();
  std::atomic<int> ran{0};
  EXPECT_EQ(
      ErrorMessage([&] { ParallelFor(100, 2, [&](uint64_t, int) { ++ran; }); }),
      "interrupted: nothing was left behind");
  ClearInterrupt();
  EXPECT_EQ(ran, 0);
}

TEST(CounterRandomTest, DependsOnSeedNameAndIndexOnly) {
  const CounterRandom a(42, "x");
  EXPECT_EQ(a.Bits(5), CounterRandom(42, "x").Bits(5));
  EXPECT_NE(a.Bits(5), CounterRandom(43, "x").Bits(5));
  EXPECT_NE(a.Bits(5), CounterRandom(42, "y").Bits(5));
  EXPECT_NE(a.Bits(5), a.Bits(6));
}

// Mean 0 and variance 1 within five standard errors of 100,000 draws.
TEST(CounterRandomTest, DrawsStandardNormals) {
  const CounterRandom random(1, "normal");
  double sum = 0, squares = 0;
  const int n = 100000;
  for (int i = 0; i < n; ++i) {
    const double x = random.Normal(static_cast<uint64_t>(i));
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2.0 / n));
}

TEST(JsonTest, RefusesARepeatedKey) {
  EXPECT_EQ(ErrorMessage([] { ParseJson(R"({"a":1,"a":2})", "f"); }),
            "f: key 'a': found twice in one object, expected once");
}

TEST(JsonTest, AllowsOneKeyInTwoObjects) {
  EXPECT_NO_THROW(ParseJson(R"([{"a":1},{"a":2}])", "f"));
}

TEST(JsonTest, RefusesDeepNesting) {
  const std::string deep(100000, '[');
  EXPECT_EQ(ErrorMessage([&] { ParseJson(deep, "f"); }),
            "f: JSON: found nesting deeper than 64 levels, expected less");
}

TEST(JsonTest, SaysWhereTheTextBreaks) {
  EXPECT_EQ(ErrorMessage([] { ParseJson("{\"a\":", "f"); }).substr(0, 33),
            "f: JSON: found an error at byte 6");
}

TEST(JsonTest, TakesOnlyWholeNumbersAsSizes) {
  EXPECT_EQ(AsUint64(Json(-1)), std::nullopt);
  EXPECT_EQ(AsUint64(Json(1.5)), std::nullopt);
  EXPECT_EQ(AsUint64(Json(7u)), 7u);
}

TEST(JsonTest, NamesTheFieldThatIsWrong) {
  const Json object = Json::parse(R"({"bits": -4})");
  EXPECT_EQ(ErrorMessage([&] { UintField(object, "bits", "f"); }),
            "f: bits: found -4, expected a whole number, zero or more");
  EXPECT_EQ(ErrorMessage([&] { StringField(object, "name", "f"); }),
            "f: name: found nothing, expected a string");
}

}  // namespace
}  // namespace ram
