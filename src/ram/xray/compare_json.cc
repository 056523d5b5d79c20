#include <cmath>

#include "ram/xray/compare.h"

namespace ram {
namespace {

OrderedJson NumberOrNull(double value) {
  return std::isfinite(value) ? OrderedJson(value) : OrderedJson(nullptr);
}

OrderedJson MatrixToJson(const MatrixChange& m) {
  OrderedJson json = {{"name", m.name},
                      {"role", m.role},
                      {"layer", m.layer},
                      {"expert", m.expert},
                      {"rows", m.rows},
                      {"cols", m.cols},
                      {"base_storage", m.base_storage},
                      {"tuned_storage", m.tuned_storage},
                      {"kind", ChangeKindName(m.kind)},
                      {"detail", m.detail},
                      {"relative_change", NumberOrNull(m.relative_change())},
                      {"cosine", m.cosine()},
                      {"changed_share", m.changed_share()},
                      {"base_zeros", m.sums.base_zeros},
                      {"tuned_zeros", m.sums.tuned_zeros},
                      {"scale", NumberOrNull(m.scale())}};
  if (m.base_name != m.name) json["base_name"] = m.base_name;
  if (m.rank) json["rank"] = *m.rank;
  if (m.energy_1) json["energy_1"] = *m.energy_1;
  if (m.energy_16) json["energy_16"] = *m.energy_16;
  if (m.alignment) {
    json["alignment"] = {{"input_gain", m.alignment->input_gain},
                         {"output_gain", m.alignment->output_gain},
                         {"agreement", m.alignment->agreement},
                         {"strength", NumberOrNull(m.alignment->strength)},
                         {"chance", m.alignment->chance}};
  }
  return json;
}

}  // namespace

OrderedJson ComparisonToJson(const Comparison& c) {
  OrderedJson json;
  json["version"] = 1;
  json["base"] = c.base;
  json["tuned"] = c.tuned;
  json["base_weights"] = c.base_weights;
  json["tuned_weights"] = c.tuned_weights;
  json["in_words"] = CompareInWords(c);
  for (const char* list :
       {"matrices", "plain", "vocabulary", "moved_experts", "config"}) {
    json[list] = OrderedJson::array();
  }
  for (const MatrixChange& m : c.matrices) {
    json["matrices"].push_back(MatrixToJson(m));
  }
  for (const PlainChange& p : c.plain) {
    json["plain"].push_back({{"name", p.name},
                             {"relative_change", p.relative_change},
                             {"changed", p.changed},
                             {"elements", p.elements}});
  }
  json["plain_compared"] = c.plain_compared;
  for (const VocabularyChange& v : c.vocabulary) {
    json["vocabulary"].push_back({{"name", v.name},
                                  {"base_rows", v.base_rows},
                                  {"tuned_rows", v.tuned_rows}});
  }
  json["new_tokens"] = c.new_tokens;
  for (const MovedExpert& m : c.moved) {
    json["moved_experts"].push_back({{"layer", m.layer},
                                     {"from", m.from},
                                     {"to", m.to},
                                     {"cosine", m.cosine}});
  }
  for (const ConfigChange& k : c.config) {
    json["config"].push_back(
        {{"key", k.key}, {"base", k.base}, {"tuned", k.tuned}});
  }
  json["added"] = c.added;
  json["removed"] = c.removed;
  if (c.common_direction) {
    json["common_direction"] = {{"share", *c.common_direction},
                                {"matrices", c.directions},
                                {"chance", c.chance_direction}};
  }
  json["notes"] = c.notes;
  return json;
}

}  // namespace ram
