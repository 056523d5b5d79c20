// The one exception type that ends a job. It is caught once, in main.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace ram {

// The values are the process exit codes.
enum class ErrorKind {
  kUsage = 2,          // the caller asked for something that makes no sense
  kCorrupt = 3,        // the input contradicts itself or its format
  kUnsupported = 4,    // valid input that this program does not handle
  kIo = 5,             // the operating system said no; an existing output
  kGate = 6,           // a check refused the result (audit, reproduce)
  kInterrupted = 130,  // Ctrl-C
};

// what() reads "file: thing: found, expected (what to do)".
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message)
      : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }
  int exit_code() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
};

// Throws Error with a message formatted by fmt.
template <typename... Args>
[[noreturn]] void Fail(ErrorKind kind, fmt::format_string<Args...> format,
                       Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace ram
