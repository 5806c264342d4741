#!/bin/sh
# usage: check.sh SOURCE WORK
#
# What a user gets: weft is built, installed to a DESTDIR and used from another directory, with
# nothing but pkg-config to find it. A line `ok ...` for each thing that holds.
set -eu
exec 2>&1
source=$1 work=$2
stage=$work/stage user=$work/user
code_max=$((232 * 1024)) # of our own and liburing's, in a stripped static echo

for tool in cc g++ pkg-config nm readelf size python3; do
    command -v $tool >/dev/null || { echo "not installed: $tool"; exit 77; }
done

ok() { echo "ok $*"; }
fail() { echo "FAILED: $*"; exit 1; }
quietly() { "$@" >"$work/log" 2>&1 || { tail -n 30 "$work/log"; fail "$*"; }; }

# --- install --------------------------------------------------------------------------------------

# A user's build: none of the flags, compilers and sanitizers of the build this test runs in.
unset CC CXX CFLAGS CXXFLAGS LDFLAGS ASAN_OPTIONS UBSAN_OPTIONS MALLOC_PERTURB_
mkdir -p "$work"
rm -rf "$stage" "$user"
mkdir "$user"
[ -f "$work/build/build.ninja" ] ||
    quietly meson setup "$work/build" "$source" --prefix=/opt/weft --libdir=lib \
        -Dbuildtype=release -Dtests=disabled -Dbench=disabled -Dfuzz=disabled
quietly meson compile -C "$work/build"
quietly env DESTDIR="$stage" meson install -C "$work/build" --no-rebuild
ok "meson install to a DESTDIR"

lib=$stage/opt/weft/lib
export PKG_CONFIG_PATH="$lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$stage" LD_LIBRARY_PATH="$lib"
cp "$source/tests/install/echo.c" "$user"
cd "$user"

# Every header that the tree has is there.
(cd "$source/include" && find . -name '*.h' | sort) >"$work/headers"
(cd "$stage/opt/weft/include" && find . -name '*.h' | sort) >"$work/installed"
cmp "$work/headers" "$work/installed" || fail "installed headers are not those of the tree"
ok "every public header is installed"
"$stage/opt/weft/bin/weft-load" --version >"$work/version" || fail "weft-load does not start"
ok "$(cat "$work/version") is installed"
for package in weft weft-http weft-redis; do
    pkg-config --exists --print-errors $package || fail "pkg-config does not find $package"
    ok "pkg-config finds $package $(pkg-config --modversion $package)"
done

# --- compile, link and run, both ways -------------------------------------------------------------

warnings="-Wall -Wextra -Wpedantic -Werror"
needs_weft() { readelf -d "$1" | grep -q 'NEEDED.*libweft'; }

# A linker prefers a shared library: a folder that has only the static ones makes it take those.
mkdir static
ln -s "$lib"/*.a static

# program NAME COMPILER...: build and run it linked shared and static.
program()
{
    name=$1
    shift
    # shellcheck disable=SC2046 # pkg-config prints a list of words
    "$@" -o "$name" $(pkg-config --cflags --libs weft) || fail "$name does not compile"
    needs_weft "$name" || fail "$name is not linked with the shared library"
    "./$name" || fail "$name exits with $?"
    ok "$name, shared"
    # shellcheck disable=SC2046
    "$@" -o "$name.static" -L static -Wl,--gc-sections \
        $(pkg-config --static --cflags --libs weft) || fail "$name does not link statically"
    ! needs_weft "$name.static" || fail "$name.static needs the shared library"
    env -u LD_LIBRARY_PATH "./$name.static" || fail "$name.static exits with $?"
    ok "$name, static"
}

# shellcheck disable=SC2086 # the warnings are a list of words
{
    program echo_c11 cc -std=c11 -O2 $warnings echo.c
    program echo_cpp17 g++ -std=c++17 -O2 $warnings -x c++ echo.c -x none
}

# The README's first program, true to the letter but for its address.
awk '/^```c$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' "$source/README.md" >first.c
lines=$(grep -c . first.c)
[ "$lines" = 20 ] || fail "the README's first program has $lines lines, not 20"
sed 's/"127\.0\.0\.1:7777"/"unix:readme.socket"/' first.c >readme.c
! cmp -s first.c readme.c || fail "the README's first program does not serve 127.0.0.1:7777"
# shellcheck disable=SC2046,SC2086 # lists of words
cc -std=c11 -O2 $warnings -o readme readme.c $(pkg-config --cflags --libs weft) ||
    fail "the README's first program does not compile"
python3 "$source/tests/examples/run.py" readme ./readme ||
    fail "the README's first program does not do what it says"
ok "the README's first program, $lines lines"

# --- what the libraries show, and what they weigh -------------------------------------------------

# Names of versions are absolute symbols (A) and not ours to count.
for library in "$lib"/lib*.so; do
    others=$(nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | grep -v '^weft_') &&
        fail "${library##*/} exports: $(echo "$others" | tr '\n' ' ')"
    ok "${library##*/} exports only weft_*"
done

strip -o echo.stripped echo_c11.static
code=$(size echo.stripped | awk 'NR == 2 { print $1 + $2 }')
[ "$code" -le "$code_max" ] || fail "a static echo has $code bytes of code, limit $code_max"
ok "a static echo has $((code / 1024)) KiB of code and data, limit $((code_max / 1024)) KiB"
