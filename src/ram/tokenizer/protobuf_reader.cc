#include "ram/tokenizer/protobuf_reader.h"

#include <utility>

#include "ram/base/error.h"

namespace ram {

ProtobufReader::ProtobufReader(std::string_view message, std::string source)
    : message_(message), source_(std::move(source)) {}

void ProtobufReader::FailHere(std::string_view what) const {
  Fail(ErrorKind::kCorrupt, "{}: byte {}: found {}", source_, at_, what);
}

uint64_t ProtobufReader::Varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (at_ == message_.size()) FailHere("the end within a number");
    const auto byte = static_cast<uint8_t>(message_[at_++]);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  FailHere("a number of more than ten bytes");
}

uint64_t ProtobufReader::Fixed(size_t bytes) {
  if (message_.size() - at_ < bytes) FailHere("the end within a number");
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) {
    const auto byte = static_cast<uint8_t>(message_[at_++]);
    value |= static_cast<uint64_t>(byte) << (8 * i);
  }
  return value;
}

bool ProtobufReader::Next(Field& field) {
  if (at_ == message_.size()) return false;
  const uint64_t key = Varint();
  field = {};
  field.number = key >> 3;
  switch (key & 7) {
    case 0:
      field.integer = Varint();
      return true;
    case 1:
      field.integer = Fixed(8);
      return true;
    case 2: {
      const uint64_t size = Varint();
      if (size > message_.size() - at_) FailHere("a length beyond the end");
      field.bytes = message_.substr(at_, size);
      at_ += size;
      return true;
    }
    case 5:
      field.integer = Fixed(4);
      return true;
    default:
      FailHere("an unknown wire type");
  }
}

}  // namespace ram
