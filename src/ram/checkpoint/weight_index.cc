#include "ram/checkpoint/weight_index.h"

#include "ram/base/error.h"
#include "ram/base/json.h"

namespace ram {
namespace {

bool IsPlainFileName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

}  // namespace

std::map<std::string, std::string> ParseWeightIndex(std::string_view text,
                                                    std::string_view source) {
  const Json index = ParseJson(text, source);
  const bool has_map = index.is_object() && index.contains("weight_map") &&
                       index["weight_map"].is_object() &&
                       !index["weight_map"].empty();
  if (!has_map) {
    Fail(ErrorKind::kCorrupt,
         "{}: weight_map: found none, expected an object of tensor names and "
         "file names",
         source);
  }
  std::map<std::string, std::string> files;
  for (const auto& [tensor, file] : index["weight_map"].items()) {
    if (!file.is_string() || !IsPlainFileName(file.get<std::string>())) {
      Fail(ErrorKind::kCorrupt,
           "{}: weight_map: {}: found {}, expected the name of a file in this "
           "directory",
           source, tensor,
           file.dump(-1, ' ', false, Json::error_handler_t::replace)
               .substr(0, 100));
    }
    files.emplace(tensor, file.get<std::string>());
  }
  return files;
}

}  // namespace ram
