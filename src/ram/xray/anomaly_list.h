// Anomalies as the detectors bring them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ram/xray/finding.h"
#include "ram/xray/peers.h"
#include "ram/xray/subject.h"

namespace ram {

class AnomalyList {
 public:
  AnomalyList(const Subject& subject_in, const Peers& peers_in)
      : subject(subject_in), peers(peers_in) {}

  void Add(std::string_view kind, size_t matrix, double value,
           std::string detail) {
    hits_[std::string(kind)].push_back(
        {static_cast<int64_t>(matrix), value, std::move(detail)});
  }
  const std::map<std::string, std::vector<Hit>>& hits() const { return hits_; }

  const Subject& subject;
  const Peers& peers;

 private:
  std::map<std::string, std::vector<Hit>> hits_;
};

// Nothing can be said about the values of these: NaN, all zero, all equal.
bool IsDegenerate(const Subject& subject, size_t matrix);
// Whether the weights lie on a grid of about 5 bits or fewer.
bool LiesOnGrid(const Subject& subject, size_t matrix);

void FindValueAnomalies(AnomalyList& list);      // of the manifest alone
void FindStructureAnomalies(AnomalyList& list);  // of rows, columns, hashes
void FindExpertAnomalies(AnomalyList& list);     // of experts and routers

}  // namespace ram
