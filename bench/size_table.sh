#!/usr/bin/env bash
# What every policy makes of every checkpoint: bytes, nominal bits, bpw and the
# signal to quantisation noise of the quantised units, measured while writing.
#
#   bench/size_table.sh RAM TARGET MODEL...      (a Markdown table)
set -euo pipefail
ram=$1 target=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

field() {  # KEY: the first number of that name in the JSON on standard input
  sed -nE "s/^ *\"$1\": ([0-9.e+-]+),?\$/\1/p" | head -n 1
}

echo "| model | policy | weight files, bytes | nominal bits | bpw | SNR, dB |"
echo "|---|---|---|---|---|---|"
for model in "$@"; do
  for policy in "uniform --group-size 64" "uniform --group-size 128" ram-v1 \
    ram-v2 ram-v3 optimal; do
    rm -rf "$work/out"
    # shellcheck disable=SC2086
    if ! json=$("$ram" compress "$model" -o "$work/out" --target "$target" \
      --policy $policy --json 2>"$work/err"); then
      echo "| $(basename "$model") | $policy | $(<"$work/err") | | | |"
      continue
    fi
    nmse=$(field nmse <<<"$json")
    awk -v model="$(basename "$model")" -v policy="$policy" \
      -v bytes="$(field file_bytes <<<"$json")" \
      -v nominal="$(field nominal_bits <<<"$json")" \
      -v bpw="$(field bpw <<<"$json")" -v nmse="$nmse" 'BEGIN {
        snr = nmse > 0 ? sprintf("%.2f", -10 * log(nmse) / log(10)) : "exact"
        printf "| %s | %s | %d | %.3f | %.3f | %s |\n", model, policy, bytes,
               nominal, bpw, snr }'
  done
done
