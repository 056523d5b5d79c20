// Which experts see which tokens in one layer: what the router chose, in a row
// store, read back some experts at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ram/evaluation/router.h"
#include "ram/evaluation/row_store.h"

namespace ram {

// The tokens that one expert sees, in ascending order.
struct ExpertRows {
  int expert = 0;
  std::vector<uint64_t> rows;
  std::vector<float> weights;
};

class RouterChoices {
 public:
  // Of `rows` tokens; lists of ExpertRows take up to `list_bytes` if experts
  // are about equally busy.
  RouterChoices(const RouterConfig& router, uint64_t rows, uint64_t list_bytes,
                RowStores& stores);

  // choices [rows, per_token] of rows [row, row + rows). Threads may write
  // different rows at the same time.
  void Write(uint64_t row, uint64_t rows,
             std::span<const ExpertChoice> choices);

  // The next experts in ascending order, those that nobody chose left out;
  // empty after the last, and then from the first again.
  std::vector<ExpertRows> Next();

 private:
  std::vector<ExpertRows> Find(uint64_t first, uint64_t experts) const;

  uint64_t experts_;
  uint64_t per_token_;
  uint64_t at_once_;  // experts whose lists are made together
  uint64_t next_ = 0;
  std::unique_ptr<RowStore> store_;  // a row: experts, then their weights
};

}  // namespace ram
