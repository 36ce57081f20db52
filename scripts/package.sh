#!/usr/bin/env bash
# Pack build/millrace-VERSION-linux-ARCH.tar.gz: unpack it anywhere on Debian 12 and run bin/millrace.
# The binary finds the DuckDB it was built with beside it, in lib/. The argument is the build folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(sed -n 's/^project(millrace VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
name=millrace-$version-linux-$(uname -m)
staging=build/package/$name
rm -rf "$staging"
DESTDIR= cmake --install "${1:-build/release}" --prefix "$staging" --strip > build/package.log
cp LICENSE README.md CHANGELOG.md "$staging/"
cp -r examples deploy "$staging/"
[ ! -f build/deps/duckdb/LICENSE ] || cp build/deps/duckdb/LICENSE "$staging/lib/LICENSE.duckdb"

# What was packed must run by itself: from another folder, without the build folder's library.
( cd / && "$OLDPWD/$staging/bin/millrace" --version )
libraries=$(ldd "$staging/bin/millrace")
grep -q "$PWD/$staging/lib/libduckdb.so" <<< "$(sed "s|/bin/\.\./|/|" <<< "$libraries")" ||
  { echo "package: the binary does not load its own lib/libduckdb.so:" >&2; echo "$libraries" >&2; exit 1; }
# The Debian packages that the libraries come from, for whoever unpacks it elsewhere. dpkg knows some
# files below /lib, which is /usr/lib today.
for library in $(awk '$3 ~ /^\// { print $3 }' <<< "$libraries" | grep -v "^$PWD" | xargs -n 1 readlink -f); do
  dpkg -S "$library" 2> /dev/null || dpkg -S "${library#/usr}"
done | cut -d: -f1 | sort -u > "$staging/DEPENDS"
tar -C build/package -czf "build/$name.tar.gz" --owner=0 --group=0 "$name"
echo "build/$name.tar.gz ($(du -h "build/$name.tar.gz" | cut -f1))"
