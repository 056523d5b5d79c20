#include "ram/analysis/file_digests.h"

#include <gtest/gtest.h>

#include "ram/base/parallel.h"
#include "ram/base/temporary_directory.h"

namespace ram {
namespace {

TEST(FileDigestsTest, AreThoseOfTheWholeFiles) {
  const TemporaryDirectory directory;
  std::vector<File> files;
  std::vector<std::string> expected;
  for (const size_t bytes : {0u, 3u, 20'000'000u, 9'000'000u}) {
    std::string text(bytes, 'x');
    for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i % 251);
    expected.push_back(Sha256Hex(text));
    files.push_back(File::Open(directory.Write(std::to_string(bytes), text)));
  }
  std::vector<const File*> pointers;
  for (const File& file : files) pointers.push_back(&file);
  FileDigests digests(pointers, 4);
  ParallelFor(8, 4, [&](uint64_t i, int) { digests.Step(i * 3'000'000); });
  digests.Finish();
  EXPECT_EQ(digests.Take(), expected);
}

}  // namespace
}  // namespace ram
