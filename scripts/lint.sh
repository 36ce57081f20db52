#!/usr/bin/env bash
# Formatting, static analysis and types. Of the files that changed against origin/main (else against
# HEAD~1), committed or not; of all with ALL=1.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

base=$(git merge-base HEAD origin/main 2> /dev/null || git rev-parse -q --verify HEAD~1 || git rev-parse HEAD)
[ "$base" != "$(git rev-parse HEAD)" ] || base=$(git rev-parse -q --verify HEAD~1 || git rev-parse HEAD)
if [ -n "${ALL:-}" ]; then
  mapfile -t files < <(git ls-files -co --exclude-standard '*.cc' '*.h')
else
  mapfile -t files < <({ git diff --name-only --diff-filter=d "$base"; git ls-files -o --exclude-standard; } |
    grep -E '\.(cc|h)$' | sort -u)
fi
status=0

if [ ${#files[@]} -gt 0 ]; then
  echo "==> clang-format: ${#files[@]} files"
  clang-format-19 --dry-run -Werror "${files[@]}" || { echo "lint: clang-format-19 -i FILE mends it" >&2; status=1; }
  # Other builds compile several files as one.
  cmake --preset debug > /dev/null || exit 1
  mapfile -t units < <(printf '%s\n' "${files[@]}" | grep '\.cc$')
  if [ ${#units[@]} -gt 0 ]; then
    echo "==> clang-tidy: ${#units[@]} files"
    printf '%s\0' "${units[@]}" | xargs -0 -n 1 -P "$(nproc)" clang-tidy-19 -p build/debug --quiet \
      --extra-arg=-Wno-unknown-warning-option 2> >(grep -v ' warnings\? generated' >&2) || status=1
  fi
fi
if [ -f ui/package.json ]; then
  echo "==> tsc: ui"
  PATH="$PWD/build/deps/node/bin:$PATH" npm --prefix ui run --silent check || status=1
fi
echo "==> tidy"
python3 -B scripts/tidy.py || status=1
exit $status
