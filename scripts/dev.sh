#!/usr/bin/env bash
# Work on Millrace: rebuild and restart `millrace up` whenever a source file of the program changes, and show the
# pages of ui/ as they are in the editor, without a build, through Vite's server. Arguments go to `millrace up`.
# A build that fails leaves the last good server running. PORT and UI_PORT choose the ports, BUILD the build folder.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=${BUILD:-build/release}
port=${PORT:-8080}
ui_port=${UI_PORT:-5173}
stamp=$(mktemp)
server=
pages=

stop_server() {
  [ -n "$server" ] || return 0
  kill "$server" 2> /dev/null
  wait "$server" 2> /dev/null
  server=
}

finish() {
  [ -z "$pages" ] || kill "$pages" 2> /dev/null
  stop_server
  rm -f "$stamp"
  exit "${1:-0}"
}
trap finish INT TERM

start_server() {
  "$build/millrace" up --listen "127.0.0.1:$port" "$@" &
  server=$!
}

start_pages() {
  [ -d build/deps/node/bin ] && PATH="$PWD/build/deps/node/bin:$PATH"
  (cd ui && MILLRACE_URL="http://127.0.0.1:$port" exec node node_modules/vite/bin/vite.js --port "$ui_port" --strictPort) &
  pages=$!
}

rebuild() {
  touch "$stamp"
  [ -f "$build/build.ninja" ] || cmake --preset release -B "$build" || return 1
  cmake --build "$build" --target millrace
}

# Vite follows ui/ by itself; the program takes its pages in with the next build.
changed() {
  [ -n "$(find src cmake CMakeLists.txt -newer "$stamp" -type f -print -quit 2> /dev/null)" ]
}

rebuild || finish 1
start_server "$@"
start_pages
echo "==> pages as they are edited: http://localhost:$ui_port/   the server: http://127.0.0.1:$port/"
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
