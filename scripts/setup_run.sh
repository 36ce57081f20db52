# The work of scripts/setup.sh, read in only when there is some. Uses its variables: deps, lock,
# npm_projects, debian_packages.

say() { printf '==> %s\n' "$*"; }

# Print what to do about a failed command, judged by what it said in the file $1.
advise() {
  if grep -qiE 'no space left|ENOSPC|not enough free disk space' "$1"; then
    echo "The disk is full: free some (on an empty machine set-up takes about 3 GB, all builds together 1 GB), then run it again."
  elif grep -qiE 'could not resolve|temporary failure|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNRE|network|connection (timed out|failed|refused)|failed to fetch' "$1"; then
    echo "The network or the package server cannot be reached: check the connection and any proxy" \
         "(http_proxy, https_proxy), then run it again; what is done stays done."
  elif grep -qiE 'certificate|SSL' "$1"; then
    echo "A certificate was refused: behind an inspecting proxy, set NODE_EXTRA_CA_CERTS to its" \
         "certificate file (and install ca-certificates), then run it again."
  elif grep -qiE 'unable to locate package|no installation candidate' "$1"; then
    echo "A package is unknown here: Millrace is built on Debian 12 (bookworm) with its 'main' and" \
         "security repositories; this machine says: $(. /etc/os-release; echo "$PRETTY_NAME")."
  elif grep -qiE 'a password is required|permission denied|EACCES|are you root|not in the sudoers' "$1"; then
    echo "Permission is missing: run it as root, or as a user with sudo who owns this folder."
  else
    echo "Mend what the lines above say, then run it again; what is done stays done."
  fi
}

die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# run WHAT COMMAND…: run it with its output in a log, a sign of life meanwhile, and advice if it fails.
run() {
  local what=$1 log started=$SECONDS pid status=0
  shift
  log="$deps/log/$(tr -cs 'a-zA-Z0-9\n' '-' <<< "$what" | cut -c1-40).log"
  say "$what"
  "$@" > "$log" 2>&1 < /dev/null 9>&- &  # a child that outlives us must not hold the lock
  pid=$!
  trap 'kill "$pid" 2> /dev/null; printf "\nsetup: stopped; run it again to go on\n" >&2; exit 130' INT TERM
  while kill -0 "$pid" 2> /dev/null; do
    sleep 0.1
    if [ -t 1 ]; then
      printf '\r\033[K    %3d s  %.90s' $((SECONDS - started)) "$(tail -n 1 "$log" | tr -d '\r\033')"
    elif [ $(((SECONDS - started) % 20)) -eq 19 ]; then
      printf '    %3d s  %.90s\n' $((SECONDS - started)) "$(tail -n 1 "$log")"
      sleep 1
    fi
  done
  [ -t 1 ] && printf '\r\033[K'
  wait "$pid" || status=$?
  trap - INT TERM
  [ "$status" -eq 0 ] && return 0
  {
    echo "setup: failed (exit code $status): $*"
    tail -n 15 "$log" | sed 's/^/    | /'
    echo "    the whole output: $log"
    advise "$log"
  } >&2
  exit 1
}


is_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2> /dev/null)" = "ii " ]
}

# Print those packages of the given purposes that are not installed, each with its reason.
# npm is not needed where some npm is there, or the pinned one is.
missing_packages() {
  local purpose name why
  while read -r purpose name why; do
    [[ " $* " == *" $purpose "* ]] || continue
    if [ "$name" = npm ] && { command -v npm > /dev/null || [ -x "$deps/node/bin/npm" ]; }; then
      continue
    fi
    is_installed "$name" || printf '%s %s\n' "$name" "$why"
  done < <(debian_packages) | sort -u -k1,1
}

install_packages() {
  local missing names elevate=()
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  command -v apt-get > /dev/null || die "this machine has no apt-get; Millrace is built on Debian 12." \
    "Install by hand: $(cut -d' ' -f1 <<< "$missing" | xargs)"
  mapfile -t names < <(cut -d' ' -f1 <<< "$missing")
  say "Debian packages to install (${#names[@]}):"
  awk '{ n = $1; $1 = ""; printf "      %-22s%s\n", n, $0 }' <<< "$missing"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null || die "installing packages needs root, and there is no sudo here." \
      "Ask an administrator to run: apt-get install --no-install-recommends ${names[*]}"
    sudo -v || die "sudo was refused. Ask an administrator to run:" \
      "apt-get install --no-install-recommends ${names[*]}"
    elevate=(sudo)
  fi
  local apt=("${elevate[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300
             -o Dpkg::Use-Pty=0 -o APT::Install-Recommends=false)
  if [ -n "$(dpkg --audit 2> /dev/null)" ]; then
    run "finish an interrupted package installation" "${elevate[@]}" dpkg --configure -a
  fi
  # A failed update (one bad third-party list is enough) need not stop the installation.
  "${apt[@]}" update > "$deps/log/apt-update.log" 2>&1 < /dev/null ||
    say "apt-get update complained (see $deps/log/apt-update.log); going on with the lists there are"
  run "install ${#names[@]} Debian packages" "${apt[@]}" install -y "${names[@]}"
}

# locked NAME: print "package@version integrity" of NAME for this machine.
locked() {
  awk -v name="$1" -v arch="$(uname -m)" \
    '$1 == name && ($2 == arch || $2 == "any") { print $3, $4; found = 1 } END { exit !found }' "$lock" ||
    die "scripts/setup.lock has no '$1' for $(uname -m); x86_64 and aarch64 are supported"
}

# fetch NAME INTO: download the pinned package, check it, and unpack what is in it to INTO.
fetch() {
  local name=$1 into=$2 spec integrity expected actual archive
  read -r spec integrity <<< "$(locked "$name")"
  [ -n "$spec" ] || exit 1
  rm -rf "$into"
  mkdir -p "$into"
  run "fetch $spec" npm_here pack --ignore-scripts --loglevel=error --pack-destination "$into" "$spec"
  archive=$(find "$into" -maxdepth 1 -name '*.tgz')
  expected=$(base64 -d <<< "${integrity#sha512-}" | od -An -v -tx1 | tr -d ' \n')
  actual=$(sha512sum "$archive" | cut -d' ' -f1)
  if [ "$expected" != "$actual" ]; then
    rm -rf "$into"
    die "$spec is not the file that scripts/setup.lock pins (sha512 $actual). It was changed on its" \
        "way or at its source: do not use it. Run it again; if it stays so, report it."
  fi
  run "unpack $spec" tar -xzf "$archive" -C "$into" --strip-components=1 --no-same-owner
  rm -f "$archive"
}

# The pinned npm once it is there, until then the machine's own.
npm_here() {
  if [ -x "$deps/node/bin/npm" ]; then
    PATH="$PWD/$deps/node/bin:$PATH" npm "$@"
  else
    npm "$@"
  fi
}

# put FILE TO: move FILE into place at once, unless the same bytes are there already.
put() {
  mkdir -p "$(dirname "$2")"
  cmp -s "$1" "$2" || mv -f "$1" "$2"
}

# Node and npm: a folder named by their versions, renamed into place when whole, and a link to it.
install_node() {
  local node npm name
  read -r node _ <<< "$(locked node)"
  read -r npm _ <<< "$(locked npm)"
  [ -n "$node" ] && [ -n "$npm" ] || exit 1
  name="$node-$npm"
  if [ ! -d "$deps/$name" ]; then
    fetch node "$deps/tmp/node"
    fetch npm "$deps/tmp/node/lib/node_modules/npm"
    ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$deps/tmp/node/bin/npm"
    ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$deps/tmp/node/bin/npx"
    run "try $node" "$deps/tmp/node/bin/node" --version
    rm -rf "$deps/tmp/node/include" "$deps/tmp/node/share"
    mv "$deps/tmp/node" "$deps/$name"
  fi
  if [ "$(readlink "$deps/node")" != "$name" ]; then
    ln -sfn "$name" "$deps/node.new"
    mv -fT "$deps/node.new" "$deps/node"
  fi
}

# A DuckDB 1.4 of the machine's own, header and library, serves as well.
has_system_duckdb() {
  local prefix library
  for prefix in /usr/local /usr; do
    [ -f "$prefix/include/duckdb.h" ] || continue
    for library in "$prefix"/lib/libduckdb.so "$prefix/lib/$(uname -m)-linux-gnu/libduckdb.so"; do
      [ -f "$library" ] && grep -aqE 'v1\.4\.[0-9]+' "$library" && return 0
    done
  done
  return 1
}

install_duckdb() {
  local library header wanted have=
  if has_system_duckdb; then
    say "using the DuckDB that this machine has"
    return 0
  fi
  read -r library _ <<< "$(locked duckdb)"
  read -r header _ <<< "$(locked duckdb-header)"
  [ -n "$library" ] && [ -n "$header" ] || exit 1
  wanted="$library $header"
  [ -f "$deps/duckdb/VERSION" ] && read -r have < "$deps/duckdb/VERSION" || true
  [ "$have" != "$wanted" ] || return 0
  fetch duckdb "$deps/tmp/duckdb"
  fetch duckdb-header "$deps/tmp/duckdb-header"
  put "$deps/tmp/duckdb/libduckdb.so" "$deps/duckdb/lib/libduckdb.so"
  put "$deps/tmp/duckdb/LICENSE" "$deps/duckdb/LICENSE"
  put "$deps/tmp/duckdb-header/src/duckdb/src/include/duckdb.h" "$deps/duckdb/include/duckdb.h"
  printf '%s\n' "$wanted" > "$deps/tmp/VERSION"
  put "$deps/tmp/VERSION" "$deps/duckdb/VERSION"
}

# The modules of a folder with a package-lock.json; npm writes its own note of them last. cmake/build_ui.cmake
# judges by the same.
install_modules() {
  local project=$1 note=$1/node_modules/.package-lock.json
  [ -f "$project/package-lock.json" ] || return 0
  [ ! "$note" -nt "$project/package-lock.json" ] || return 0
  run "install the npm modules of $project" npm_here --prefix "$project" ci --ignore-scripts --no-audit --no-fund
  touch "$note"
}

# Everything that the given purposes need and that is not there.
run_setup() {
  local project free_mb
  mkdir -p "$deps/log" "$deps/tmp"
  exec 9> "$deps/lock"
  flock -n 9 || { say "another set-up is running; waiting for it"; flock 9; }
  free_mb=$(df -Pm "$deps" | awk 'NR == 2 { print $4 }')
  [ "$free_mb" -ge 1500 ] || die "only $free_mb MB are free in $deps; set-up and the builds need 1,500 MB there"
  say "set-up for $* (only what is missing; logs in $deps/log)"
  install_packages "$@"
  if [[ " $* " =~ \ (build|test|lint)\  ]]; then
    install_node
    install_duckdb
    for project in "${npm_projects[@]}"; do
      install_modules "$project"
    done
  fi
  rm -rf "$deps/tmp"
}
