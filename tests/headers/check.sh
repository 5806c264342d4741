#!/bin/sh
# usage: check.sh CC CXX
#
# Each public header compiles alone as C11, C17 and C++17, and so does a user's file in strict C11;
# every warning is an error.
set -u
exec 2>&1 # a verdict stands below what the compiler said
cc=$1 cxx=$2
cd "$(dirname "$0")" || exit 1
warnings="-Wall -Wextra -Wpedantic -Werror -Wmissing-field-initializers"
failed=0

for compiler in "$cc" "$cxx"; do
    command -v "$compiler" >/dev/null || { echo "not installed: $compiler"; exit 77; }
done

# compile STANDARD FILE
compile()
{
    case $1 in
    c++*) compiler="$cxx -x c++" ;;
    *) compiler="$cc -x c" ;;
    esac
    # shellcheck disable=SC2086 # both are lists of words
    $compiler -std="$1" $warnings -fsyntax-only -I ../../include "$2"
}

for standard in c11 c17 c++17; do
    for header in ../../include/weft.h ../../include/weft/*.h; do
        name=${header#../../include/}
        echo "#include <$name>" | compile $standard - ||
            { echo "FAILED: <$name> alone as $standard"; failed=1; }
    done
    # The check itself must be able to fail: -Wextra refuses the unused parameter.
    echo 'static inline int f(int x) { return 0; } int g(void); int g(void) { return f(1); }' |
        compile $standard - 2>/dev/null &&
        { echo "FAILED: $standard accepts a file with a warning"; failed=1; }
done

compile c11 user.c || { echo "FAILED: a user's file as c11"; failed=1; }
exit $failed
