// manifest.json, read event by event: a manifest of 18,867 matrices would be
// hundreds of MiB as a JSON value.
#include "ram/analysis/manifest_fields.h"
#include "ram/analysis/parsed_manifest.h"
#include "ram/base/error.h"

namespace ram {
namespace {

constexpr size_t kMaxDepth = 64;

// Builds one JSON value from events.
class JsonBuilder {
 public:
  void Open(Json&& container) {
    Json& placed = Place(std::move(container));
    open_.push_back(&placed);
  }
  void Close() { open_.pop_back(); }
  void Key(const std::string& key) { key_ = key; }
  Json& Place(Json&& value) {
    if (open_.empty()) return root_ = std::move(value);
    Json& parent = *open_.back();
    if (parent.is_object()) return parent[key_] = std::move(value);
    parent.push_back(std::move(value));
    return parent.back();
  }
  size_t depth() const { return open_.size(); }
  bool open() const { return !open_.empty(); }
  bool Has(const std::string& key) const { return open_.back()->contains(key); }
  Json Take() { return std::move(root_); }

 private:
  Json root_;
  std::vector<Json*> open_;
  std::string key_;
};

class ManifestReader : public nlohmann::json_sax<Json> {
 public:
  explicit ManifestReader(std::string_view source) : source_(source) {}

  ParsedManifest Take() { return std::move(manifest_); }

  bool null() override { return Scalar({}); }
  bool boolean(bool value) override {
    return Scalar({JsonScalar::Kind::kBool, value, 0, nullptr});
  }
  bool number_integer(number_integer_t value) override {
    return Scalar(
        {JsonScalar::Kind::kNumber, 0, static_cast<double>(value), nullptr});
  }
  bool number_unsigned(number_unsigned_t value) override {
    return Scalar(
        {JsonScalar::Kind::kUint, value, static_cast<double>(value), nullptr});
  }
  bool number_float(number_float_t value, const string_t&) override {
    return Scalar({JsonScalar::Kind::kNumber, 0, value, nullptr});
  }
  bool string(string_t& value) override {
    return Scalar({JsonScalar::Kind::kString, 0, 0, &value});
  }
  bool binary(binary_t&) override { return true; }

  bool start_object(std::size_t) override { return Open(true); }
  bool start_array(std::size_t) override { return Open(false); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& key) override;
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    Fail(ErrorKind::kCorrupt,
         "{}: JSON: found an error at byte {}, expected well-formed JSON",
         source_, position);
  }

 private:
  struct Frame {
    const JsonContext* context;
    const JsonField* field = nullptr;  // whose value comes next
    size_t next = 0;                   // where its successor is looked for
    uint64_t seen = 0;                 // bit per field
    uint64_t items = 0;                // of an array, so far
  };

  bool Scalar(const JsonScalar& value);
  bool Open(bool object);
  bool Close();
  // What may come now; null: a field that nobody asked for.
  const JsonSlot* NextSlot();
  void CheckComplete(const Frame& frame) const;
  std::string Path() const;
  [[noreturn]] void FailHere(std::string_view found,
                             std::string_view expected) const {
    Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected {}", source_, Path(),
         found, expected);
  }

  std::string_view source_;
  ParsedManifest manifest_;
  std::vector<Frame> frames_;
  size_t skipped_depth_ = 0;  // inside a field that nobody asked for
  JsonBuilder builder_;
};

bool ManifestReader::key(string_t& key) {
  if (skipped_depth_ > 0) return true;
  if (builder_.open()) {
    if (builder_.Has(key)) {
      FailHere(fmt::format("key '{}' twice in one object", key), "it once");
    }
    builder_.Key(key);
    return true;
  }
  Frame& frame = frames_.back();
  const auto fields = frame.context->fields;
  frame.field = nullptr;
  for (size_t i = 0; i < fields.size(); ++i) {
    const size_t at = (frame.next + i) % fields.size();
    if (fields[at].key != key) continue;
    frame.field = &fields[at];
    frame.next = at + 1;
    const uint64_t bit = uint64_t{1} << at;
    if ((frame.seen & bit) != 0) FailHere("it twice", "it once");
    frame.seen |= bit;
    break;
  }
  return true;
}

const JsonSlot* ManifestReader::NextSlot() {
  if (frames_.empty()) return &ManifestSlot();
  Frame& frame = frames_.back();
  if (frame.context->element) {
    ++frame.items;
    return frame.context->element;
  }
  return frame.field ? &frame.field->slot : nullptr;
}

std::string DescribeScalar(const JsonScalar& value) {
  switch (value.kind) {
    case JsonScalar::Kind::kNull:
      return "null";
    case JsonScalar::Kind::kBool:
      return value.uint != 0 ? "true" : "false";
    case JsonScalar::Kind::kUint:
      return fmt::format("{}", value.uint);
    case JsonScalar::Kind::kNumber:
      return fmt::format("{}", value.number);
    case JsonScalar::Kind::kString:
      return fmt::format("\"{}\"", value.string->substr(0, 60));
  }
  return "";
}

bool Accepts(FieldType type, const JsonScalar& value) {
  switch (type) {
    case FieldType::kUint:
      return value.kind == JsonScalar::Kind::kUint;
    case FieldType::kNumber:
      return value.kind == JsonScalar::Kind::kUint ||
             value.kind == JsonScalar::Kind::kNumber ||
             value.kind == JsonScalar::Kind::kNull;
    case FieldType::kString:
      return value.kind == JsonScalar::Kind::kString;
    default:
      return false;
  }
}

Json ToJson(const JsonScalar& value) {
  switch (value.kind) {
    case JsonScalar::Kind::kNull:
      return nullptr;
    case JsonScalar::Kind::kBool:
      return value.uint != 0;
    case JsonScalar::Kind::kUint:
      return value.uint;
    case JsonScalar::Kind::kNumber:
      return value.number;
    case JsonScalar::Kind::kString:
      return *value.string;
  }
  return nullptr;
}

bool ManifestReader::Scalar(const JsonScalar& value) {
  if (skipped_depth_ > 0) return true;
  if (builder_.open()) {
    builder_.Place(ToJson(value));
    return true;
  }
  const JsonSlot* slot = NextSlot();
  if (!slot) return true;
  const bool null = value.kind == JsonScalar::Kind::kNull;
  if (null && slot->type != FieldType::kNumber && !frames_.empty() &&
      frames_.back().field) {
    // null is as good as nothing
    Frame& frame = frames_.back();
    frame.seen &= ~(uint64_t{1} << (frame.next - 1));
    return true;
  }
  if (!Accepts(slot->type, value) || !slot->set(manifest_, value)) {
    FailHere(DescribeScalar(value), slot->expected);
  }
  return true;
}

bool ManifestReader::Open(bool object) {
  if (skipped_depth_ + builder_.depth() >= kMaxDepth) {
    Fail(ErrorKind::kCorrupt,
         "{}: JSON: found nesting deeper than {} levels, expected less",
         source_, kMaxDepth);
  }
  if (skipped_depth_ > 0) {
    ++skipped_depth_;
    return true;
  }
  if (builder_.open()) {
    builder_.Open(object ? Json::object() : Json::array());
    return true;
  }
  const JsonSlot* slot = NextSlot();
  if (!slot) {
    skipped_depth_ = 1;
    return true;
  }
  const bool wanted = object ? slot->type == FieldType::kObject ||
                                   slot->type == FieldType::kJson
                             : slot->type == FieldType::kArray;
  if (!wanted) FailHere(object ? "an object" : "an array", slot->expected);
  slot->set(manifest_, {});
  if (slot->type == FieldType::kJson) {
    builder_.Open(Json::object());
  } else {
    frames_.push_back({slot->child});
  }
  return true;
}

bool ManifestReader::Close() {
  if (skipped_depth_ > 0) {
    --skipped_depth_;
  } else if (builder_.open()) {
    builder_.Close();
    if (!builder_.open()) manifest_.config = builder_.Take();
  } else {
    const Frame frame = frames_.back();
    frames_.pop_back();
    CheckComplete(frame);
  }
  return true;
}

void ManifestReader::CheckComplete(const Frame& frame) const {
  for (size_t i = 0; i < frame.context->fields.size(); ++i) {
    const JsonField& field = frame.context->fields[i];
    if (!field.required || (frame.seen >> i & 1) != 0) continue;
    const std::string path = frames_.empty() ? "" : Path() + ".";
    Fail(ErrorKind::kCorrupt, "{}: {}{}: found nothing, expected {}", source_,
         path, field.key, field.slot.expected);
  }
}

std::string ManifestReader::Path() const {
  std::string path;
  for (const Frame& frame : frames_) {
    if (frame.context->element) {
      path += fmt::format("[{}]", frame.items - 1);
    } else if (frame.field) {
      if (!path.empty()) path += ".";
      path += frame.field->key;
    }
  }
  if (path.empty()) path = "JSON";
  return path;
}

}  // namespace

ParsedManifest ParseManifest(std::string_view text, std::string_view source) {
  ManifestReader reader(source);
  Json::sax_parse(text.begin(), text.end(), &reader);
  return reader.Take();
}

}  // namespace ram
