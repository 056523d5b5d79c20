#!/usr/bin/env bash
# What every policy makes of a model's quality: original, uniform g64 and g128,
# ram-v1 to v3, optimal at three sizes; one run that shares the original.
#
#   bench/quality_table.sh RAM MODEL TEXT WINDOW WORK [evaluate options...]
#
# Compressed models and report.json stay in WORK/NAME; a run that was stopped
# goes on with the models that it has not measured yet.
set -euo pipefail
ram=$1 model=${2%/} text=$3 window=$4 work=$5/$(basename "${2%/}")
shift 5
mkdir -p "$work"

compress() {  # NAME, options: WORK/NAME, unless it is there
  local out=$work/$1
  shift
  [ -d "$out" ] || "$ram" compress "$model" -o "$out" -q "$@"
  models+=("$out")
}

models=()
compress uniform-4bit-g64 --policy uniform
compress uniform-4bit-g128 --policy uniform --group-size 128
compress ram-v1 --policy ram-v1
compress ram-v2 --policy ram-v2
compress ram-v3 --policy ram-v3
compress optimal-3.5bpw --bpw 3.5
compress optimal --policy optimal
compress optimal-6bpw --bpw 6
rm -f "$work/report.json"
"$ram" evaluate perplexity "$model" "${models[@]}" --data "$text" \
  --window "$window" --json "$work/report.json" --resume "$@"
