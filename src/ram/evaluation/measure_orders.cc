#include "ram/evaluation/measure_orders.h"

#include <fmt/format.h>

#include <utility>

namespace ram {
namespace {

constexpr double kSignificance = 0.05;

// Lower is better: the order by an interval of (second - first) around `same`.
Order OrderOf(const Interval& second_minus_first, double same) {
  if (second_minus_first.Contains(same)) return Order::kSame;
  return second_minus_first.value > same ? Order::kFirstBetter
                                         : Order::kSecondBetter;
}

template <typename Compare>
std::vector<Order> OverPairs(size_t models, const Compare& compare) {
  std::vector<Order> orders;
  for (size_t i = 0; i < models; ++i) {
    for (size_t j = i + 1; j < models; ++j) orders.push_back(compare(i, j));
  }
  return orders;
}

}  // namespace

MeasureOrders OrdersByPerplexity(
    std::span<const std::vector<WindowTotal>> models, uint64_t seed) {
  return {"perplexity", OverPairs(models.size(), [&](size_t i, size_t j) {
            return OrderOf(BootstrapPerplexityRatio(models[i], models[j], seed),
                           1);
          })};
}

MeasureOrders OrdersByDivergence(std::span<const std::vector<double>> models) {
  return {"KL", OverPairs(models.size(), [&](size_t i, size_t j) {
            if (i == 0) {
              return Mean(models[j]) > 0 ? Order::kFirstBetter : Order::kSame;
            }
            return OrderOf(PairedDifference(models[i], models[j]), 0);
          })};
}

MeasureOrders OrdersByAccuracy(std::string name,
                               std::span<const std::vector<uint8_t>> right) {
  return {std::move(name), OverPairs(right.size(), [&](size_t i, size_t j) {
            const PairedChoices paired = McNemar(right[i], right[j]);
            if (paired.p_value >= kSignificance) return Order::kSame;
            return paired.only_first > paired.only_second
                       ? Order::kFirstBetter
                       : Order::kSecondBetter;
          })};
}

std::vector<std::string> AgreementTexts(
    std::span<const MeasureOrders> measures) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < measures.size(); ++i) {
    for (size_t j = i + 1; j < measures.size(); ++j) {
      const OrderAgreement agreement =
          CompareOrders(measures[i].orders, measures[j].orders);
      const size_t pairs = measures[i].orders.size();
      if (pairs == 0) continue;
      texts.push_back(fmt::format(
          "{} and {} {}: of {} pairs, {} alike, {} opposite, {} that only one "
          "of them tells apart",
          measures[i].name, measures[j].name,
          agreement.opposite == 0 ? "do not contradict each other"
                                  : "order the models differently",
          pairs, agreement.alike, agreement.opposite, agreement.undecided));
    }
  }
  return texts;
}

}  // namespace ram
