#!/usr/bin/env bash
# Build every fuzzer of tests/fuzz with clang and libFuzzer, and run each for SECONDS (first argument).
# The corpus stays in build/fuzz/corpus, so that the next run starts where this one ended. An input that
# breaks something is kept in build/fuzz/findings, and named at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-60}
cmake --preset fuzz
cmake --build build/fuzz --target fuzzers -j "$(nproc)"
status=0
for source in tests/fuzz/*_fuzz.cc; do
  name=$(basename "$source" .cc)
  corpus=build/fuzz/corpus/$name
  findings=build/fuzz/findings/$name-
  seeds=tests/fuzz/seeds/${name%_fuzz}
  mkdir -p "$corpus" "$(dirname "$findings")"
  [ -d "$seeds" ] || seeds=
  echo "==> $name for $seconds s"
  "build/fuzz/tests/fuzz/$name" -max_total_time="$seconds" -max_len=65536 -timeout=5 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$findings" "$corpus" $seeds 2>&1 |
    { grep -E '^(Done|stat::average|==|SUMMARY|does not hold|Test unit|artifact)' || true; } ||
    { echo "fuzz: $name found something: see $findings*" >&2; status=1; }
done
exit $status
