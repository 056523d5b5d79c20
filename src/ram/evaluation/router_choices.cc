#include "ram/evaluation/router_choices.h"

#include <algorithm>

namespace ram {
namespace {

constexpr uint64_t kRowsAtOnce = 1024;  // read or written at once

// Of a choice in a list whose vectors grow by doubling.
constexpr uint64_t kListBytes = 2 * (sizeof(uint64_t) + sizeof(float));

}  // namespace

RouterChoices::RouterChoices(const RouterConfig& router, uint64_t rows,
                             uint64_t list_bytes, RowStores& stores)
    : experts_(router.experts), per_token_(router.per_token) {
  const uint64_t all = std::max<uint64_t>(rows * per_token_ * kListBytes, 1);
  at_once_ = std::clamp<uint64_t>(experts_ * list_bytes / all, 1, experts_);
  store_ = stores.Make(rows, 2 * per_token_);
}

void RouterChoices::Write(uint64_t row, uint64_t rows,
                          std::span<const ExpertChoice> choices) {
  std::vector<float> floats(rows * store_->width());
  for (uint64_t i = 0; i < rows; ++i) {
    float* experts = floats.data() + i * store_->width();
    float* weights = experts + per_token_;
    for (uint64_t j = 0; j < per_token_; ++j) {
      // Exact: floats hold whole numbers up to 2^24.
      experts[j] = static_cast<float>(choices[i * per_token_ + j].expert);
      weights[j] = choices[i * per_token_ + j].weight;
    }
  }
  store_->Write(row, rows, floats.data());
}

std::vector<ExpertRows> RouterChoices::Next() {
  while (next_ < experts_) {
    const uint64_t first = next_;
    next_ = std::min(first + at_once_, experts_);
    std::vector<ExpertRows> found = Find(first, next_ - first);
    if (!found.empty()) return found;
  }
  next_ = 0;
  return {};
}

std::vector<ExpertRows> RouterChoices::Find(uint64_t first,
                                            uint64_t experts) const {
  std::vector<ExpertRows> lists(experts);
  std::vector<float> floats(kRowsAtOnce * store_->width());
  for (uint64_t row = 0; row < store_->rows(); row += kRowsAtOnce) {
    const uint64_t count = std::min(kRowsAtOnce, store_->rows() - row);
    store_->Read(row, count, floats.data());
    for (uint64_t i = 0; i < count; ++i) {
      const float* chosen = floats.data() + i * store_->width();
      for (uint64_t j = 0; j < per_token_; ++j) {
        const uint64_t expert = static_cast<uint64_t>(chosen[j]) - first;
        if (expert >= experts) continue;  // also those before `first`
        lists[expert].rows.push_back(row + i);
        lists[expert].weights.push_back(chosen[per_token_ + j]);
      }
    }
  }
  for (uint64_t i = 0; i < experts; ++i) {
    lists[i].expert = static_cast<int>(first + i);
  }
  std::erase_if(lists,
                [](const ExpertRows& list) { return list.rows.empty(); });
  return lists;
}

}  // namespace ram
