// The wire format of protocol buffers, read field by field.
// https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ram {

class ProtobufReader {
 public:
  struct Field {
    uint64_t number = 0;
    // Which of these holds the value follows from the wire type; the others
    // are zero and empty.
    uint64_t integer = 0;    // varint, or the bits of a fixed-width number
    std::string_view bytes;  // strings, bytes, messages
  };

  // `message` must outlive this; `source` names it in messages.
  ProtobufReader(std::string_view message, std::string source);

  // The next field; false: the end. Throws kCorrupt when a field does not fit
  // or has a wire type that is not in use any more.
  bool Next(Field& field);

 private:
  uint64_t Varint();
  uint64_t Fixed(size_t bytes);
  [[noreturn]] void FailHere(std::string_view what) const;

  std::string_view message_;
  std::string source_;
  size_t at_ = 0;
};

}  // namespace ram
