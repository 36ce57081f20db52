#!/usr/bin/env bash
# Rebuild and restart `millrace up` whenever a source file changes. Arguments go to `millrace up`.
# A build that fails leaves the last good server running.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

binary=build/release/millrace
port=${PORT:-8080}
stamp=$(mktemp)
server=

stop_server() {
  [ -n "$server" ] || return 0
  kill "$server" 2> /dev/null
  wait "$server" 2> /dev/null
  server=
}
trap 'stop_server; rm -f "$stamp"; exit 0' INT TERM

start_server() {
  "$binary" up --listen "127.0.0.1:$port" "$@" &
  server=$!
}

rebuild() {
  touch "$stamp"
  [ -f build/release/build.ninja ] || cmake --preset release || return 1
  cmake --build build/release --target millrace
}

changed() {
  [ -n "$(find src ui/src ui/index.html cmake CMakeLists.txt -newer "$stamp" -type f -print -quit 2> /dev/null)" ]
}

rebuild || exit 1
start_server "$@"
while true; do
  sleep 0.5
  if changed; then
    echo "==> something changed: building"
    if rebuild; then
      stop_server
      start_server "$@"
    else
      echo "==> the build failed; the last good server keeps running" >&2
    fi
  fi
done
