#include "ram/evaluation/arc.h"

#include <utility>

#include "ram/base/error.h"

namespace ram {

std::vector<ChoiceItem> ReadArc(const std::filesystem::path& path) {
  std::vector<ChoiceItem> items;
  ForEachJsonLine(path, [&](const Json& object, std::string_view source) {
    ChoiceItem item;
    item.id = StringField(object, "id", source);
    item.context =
        "Question: " + StringField(object, "question", source) + "\nAnswer:";
    item.choices = TextList(object, "choices", source);
    item.answer = UintField(object, "answer_index", source);
    CheckAnswer(item, "answer_index", source);
    items.push_back(std::move(item));
  });
  if (items.empty()) {
    Fail(ErrorKind::kCorrupt, "{}: found no question, expected one a line",
         path.string());
  }
  return items;
}

}  // namespace ram
