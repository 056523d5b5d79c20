#include "ram/evaluation/few_shot.h"

#include <numeric>

#include "ram/base/error.h"
#include "ram/evaluation/python_random.h"

namespace ram {
namespace {

std::string ShotsText(std::span<const ChoiceItem> pool,
                      std::span<const size_t> picked) {
  std::string text;
  for (const size_t index : picked) {
    const ChoiceItem& shot = pool[index];
    text += shot.context + " " + shot.choices[shot.answer] + "\n\n";
  }
  return text;
}

}  // namespace

std::vector<std::string> PromptsWithShots(std::span<const ChoiceItem> items,
                                          std::span<const ChoiceItem> pool,
                                          const ShotOptions& options,
                                          std::string_view pool_source) {
  if (options.shots > pool.size()) {
    Fail(ErrorKind::kUsage,
         "{}: examples: found {}, expected at least the {} shots wanted "
         "(--shot-count)",
         pool_source, pool.size(), options.shots);
  }
  std::vector<size_t> first(options.shots);
  std::iota(first.begin(), first.end(), size_t{0});
  const std::string same = ShotsText(pool, first);
  PythonRandom random(options.seed);
  std::vector<std::string> prompts;
  for (const ChoiceItem& item : items) {
    const std::string shots =
        options.per_item
            ? ShotsText(pool, random.Sample(pool.size(), options.shots))
            : same;
    prompts.push_back(shots + item.context);
  }
  return prompts;
}

}  // namespace ram
