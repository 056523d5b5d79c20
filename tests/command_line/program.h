// Runs the built `ram` as a user would.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <string>

#include "ram/base/file.h"
#include "ram/base/temporary_directory.h"

namespace ram {

struct Outcome {
  int code = 0;  // -1: it did not exit by itself
  std::string out;
  std::string err;
};

// Each test has a directory of its own, and runs `ram` in it, so that messages
// name relative paths.
class ProgramTest : public testing::Test {
 protected:
  // `arguments` is shell text. `prefix` goes before the program.
  Outcome Ram(const std::string& arguments, const std::string& prefix = "") {
    const std::string command = "cd '" + directory_.path().string() + "' && " +
                                prefix + " '" + RAM_PROGRAM + "' " + arguments +
                                " >.out 2>.err </dev/null";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            ReadTextFile(directory_ / ".out"),
            ReadTextFile(directory_ / ".err")};
  }

  TemporaryDirectory directory_;
};

}  // namespace ram
