#include "ram/evaluation/router_choices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ram {
namespace {

using ::testing::ElementsAre;

// Seven experts, two a token; nobody chooses 1, 3 and 4.
constexpr ExpertChoice kChoices[] = {{6, 0.75f}, {0, 0.25f}, {5, 0.5f},
                                     {6, 0.5f},  {2, 1.0f},  {0, 0.125f}};

RouterConfig Router() {
  RouterConfig router;
  router.experts = 7;
  router.per_token = 2;
  return router;
}

TEST(RouterChoicesTest, ListsTheTokensOfEveryExpert) {
  for (const uint64_t list_bytes : {0u, 50u, 1'000'000u}) {
    RowStores stores(list_bytes, {});
    RouterChoices choices(Router(), 3, list_bytes, stores);
    choices.Write(0, 1, std::span(kChoices).first(2));
    choices.Write(1, 2, std::span(kChoices).last(4));
    for (int round = 0; round < 2; ++round) {
      std::vector<ExpertRows> all;
      for (auto some = choices.Next(); !some.empty(); some = choices.Next()) {
        EXPECT_TRUE(list_bytes > 0 || some.size() == 1);
        all.insert(all.end(), some.begin(), some.end());
      }
      ASSERT_EQ(all.size(), 4u);
      EXPECT_EQ(all[0].expert, 0);
      EXPECT_THAT(all[0].rows, ElementsAre(0, 2));
      EXPECT_THAT(all[0].weights, ElementsAre(0.25f, 0.125f));
      EXPECT_EQ(all[1].expert, 2);
      EXPECT_THAT(all[1].rows, ElementsAre(2));
      EXPECT_EQ(all[2].expert, 5);
      EXPECT_THAT(all[2].weights, ElementsAre(0.5f));
      EXPECT_EQ(all[3].expert, 6);
      EXPECT_THAT(all[3].rows, ElementsAre(0, 1));
      EXPECT_THAT(all[3].weights, ElementsAre(0.75f, 0.5f));
    }
  }
}

}  // namespace
}  // namespace ram
