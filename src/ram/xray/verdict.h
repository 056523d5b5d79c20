// What kind of model this is, and what follows for compressing it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ram/xray/finding.h"
#include "ram/xray/subject.h"

namespace ram {

struct Verdict {
  // Largest minus smallest S of ram-v1 over the analysed matrices, and of
  // ram-v2, whose scores are stretched; nullopt without spectra.
  std::optional<double> span;
  std::optional<double> adaptive_span;
  // Shares of the weights that the thresholds of ram-v2 could send to 2 bits,
  // and to 16 (protected and small ones included).
  std::optional<double> max_2bit;
  std::optional<double> max_16bit;
  bool homogeneous = false;  // the span is under 0.10
  bool mixture = false;
  // Decibels of 4-bit rounding: 5th and 95th percentile over the matrices.
  std::optional<double> snr4_low, snr4_high;
  // From the curve: predicted loss of uniform 4-bit g64 over that of `optimal`
  // at the same bytes; nullopt without a curve.
  std::optional<double> gain;
  std::vector<std::optional<double>> scores;  // S of each matrix (ram-v1)
};

// The thresholds and spans of docs/metrics.md.
Verdict Judge(const Subject& subject);

// How the model is, in sentences: kFact and kNotice.
std::vector<Finding> DescribeModelInWords(const Subject& subject,
                                          const Verdict& verdict);

// Which known limits of the method apply to this model, in sentences.
std::vector<Finding> Limits(const Subject& subject, const Verdict& verdict);

// "27.1 %", "under 0.1 %".
std::string PercentText(double percent);

}  // namespace ram
