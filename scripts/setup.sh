#!/usr/bin/env bash
# Bring a plain Debian 12 to where Millrace builds: missing Debian packages, DuckDB, Node, npm modules.
#
#   scripts/setup.sh [PURPOSE…]     PURPOSE: build (default), test, bench, lint, fuzz
#   scripts/setup.sh --list         print what each purpose needs and why; change nothing
#
# Only what is missing is installed. What comes from npm is pinned in scripts/setup.lock, checked by
# its sha512 and kept in build/deps; no install script of any package is run. Nothing happens when the
# files that describe the set-up have not changed since the last good run. Safe to stop and run again.
set -euo pipefail
SECONDS=0  # a make variable of this name would set bash's clock
cd "$(dirname "${BASH_SOURCE[0]}")/.."

deps=${MILLRACE_DEPS:-build/deps}
lock=scripts/setup.lock
describing_files=(scripts/setup.sh scripts/setup_run.sh "$lock")
npm_projects=(ui tests/clients)
for project in "${npm_projects[@]}"; do
  if [ -f "$project/package-lock.json" ]; then
    describing_files+=("$project/package-lock.json")
  fi
done

# One line a package: purpose, name, what it is for.
debian_packages() {
  cat <<'LIST'
build g++ the C++23 compiler (12)
build make the entry point of every command
build git the version in the binary, and this checkout
build cmake configures the build
build ninja-build runs the build
build ccache makes the second build fast
build mold links faster
build pkg-config finds zstd and xxhash
build libboost1.81-dev HTTP (Beast and Asio)
build libsimdjson-dev reads events
build nlohmann-json3-dev JSON where speed does not matter
build libyaml-cpp-dev configuration files
build libmariadb-dev reads MySQL and MariaDB databases
build libre2-dev patterns of contracts, in linear time
build libcli11-dev the command line
build libfmt-dev text formatting
build libspdlog-dev logs
build libsqlite3-dev state of ingest runs, later of workflows
build libssl-dev hashing and TLS
build zlib1g-dev gzip bodies and files
build libzstd-dev compression
build libxxhash-dev checksums
build libjemalloc-dev memory allocation
build libeigen3-dev matrices of the recommenders
build libhnswlib-dev nearest neighbours among many vectors
build prometheus-cpp-dev metrics
build libgtest-dev unit tests
build libgmock-dev unit tests
build libbenchmark-dev small benchmarks
build npm fetches the pinned Node and DuckDB
test python3 runs tidy and the summary of the tests
test chromium shows the dashboard to its tests
test fonts-dejavu-core letters for the browser's pictures
test curl the calls of README.md, which the tests make
test zstd reads the files of the lake as a stranger would
test mariadb-server-core a database to read, which the tests start themselves; without a service, unlike mariadb-server
test mariadb-client sets it up, reads it independently, and its dump is the yardstick
test python3-pandas the notebooks of examples/notebooks, which the tests run
test python3-nbclient runs them without a browser
test python3-ipykernel what runs their cells
test jq the worker's commands of the how-to page, which the tests run
test wrk load of the benchmarks, which the tests try for an instant
test nginx-light their yardstick
bench wrk load on the server
bench nginx-light the yardstick of the server
lint python3 runs tidy
lint clang-format-19 formatting
lint clang-tidy-19 static analysis
fuzz clang-19 the compiler that has libFuzzer
fuzz libclang-rt-19-dev libFuzzer and its sanitizers
LIST
}

case "${1:-}" in
  --list) debian_packages | awk '{ p = $1; n = $2; $1 = $2 = ""; printf "%-6s %-22s%s\n", p, n, $0 }'; exit 0 ;;
  -h|--help) sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
esac
purposes=("$@")
[ ${#purposes[@]} -gt 0 ] || purposes=(build)
for purpose in "${purposes[@]}"; do
  case "$purpose" in
    build|test|bench|lint|fuzz) ;;
    *) echo "setup: unknown purpose '$purpose' (build, test, bench, lint or fuzz)" >&2; exit 2 ;;
  esac
done

# The stamp of a purpose holds the key it was set up with: the content of every describing file.
key=$( { uname -m; cat "${describing_files[@]}"; } | sha256sum | cut -d' ' -f1)
stale=()
for purpose in "${purposes[@]}"; do
  stamp=
  [ -f "$deps/stamp-$purpose" ] && read -r stamp < "$deps/stamp-$purpose" || true
  [ "$stamp" = "$key" ] || stale+=("$purpose")
done
if [[ " ${purposes[*]} " =~ \ (build|test|lint)\  ]]; then
  for project in "${npm_projects[@]}"; do
    [ ! -f "$project/package-lock.json" ] || [ -d "$project/node_modules" ] || stale=("${purposes[@]}")
  done
fi
[ ${#stale[@]} -gt 0 ] || exit 0

. scripts/setup_run.sh
run_setup "${stale[@]}"
for purpose in "${stale[@]}"; do
  printf '%s\n' "$key" > "$deps/stamp-$purpose.new"
  mv -f "$deps/stamp-$purpose.new" "$deps/stamp-$purpose"
done
say "set-up for ${stale[*]} is complete (${SECONDS} s)"
