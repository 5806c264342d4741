#!/bin/sh
# Other generators against the same servers: requests a second of an HTTP hello, from weft, from the loop by
# hand, and their quotient, which has to be the same whoever asks. wrk and h2load, where they are; else a
# line with SKIP.
#
#     bench/witness.sh [SECONDS]        after ./dev bench has built
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-5}
folder=build/release
out=$(mktemp)
trap 'rm -f "$out"' EXIT

ask()
{
    case $1 in
    weft-load) taskset -c 0 "$folder/apps/weft-load/weft-load" -c 64 -t "${seconds}s" -q --json - "$2" |
        python3 -c 'import json, sys; print(round(json.load(sys.stdin)["steps"][0]["answered_per_s"]))' ;;
    wrk) taskset -c 0 wrk -t1 -c64 -d"$seconds" "$2" | sed -n 's/^Requests\/sec: *\([0-9]*\).*/\1/p' ;;
    h2load) taskset -c 0 h2load --h1 -t1 -c64 -D"$seconds" "$2" |
        sed -n 's/^finished in .*, \([0-9]*\)[.0-9]* req.*/\1/p' ;;
    esac
}

# rate GENERATOR SERVER: requests a second.
rate()
{
    : >"$out"
    "$folder/bench/bench_http" "$2" >"$out" &
    server=$!
    until grep -q port "$out"; do
        kill -0 "$server" 2>/dev/null || { echo "witness: the server of $2 has not started" >&2; exit 1; }
        sleep 0.05
    done
    ask "$1" "http://127.0.0.1:$(sed -n 's/.*port //p' "$out")/hello"
    kill "$server"
}

printf '%-12s %10s %10s %8s\n' '' weft 'by hand' quotient
for generator in weft-load wrk h2load; do
    if [ "$generator" != weft-load ] && ! command -v "$generator" >/dev/null; then
        echo "$generator: SKIP: not here"
        continue
    fi
    ours=$(rate "$generator" weft) floor=$(rate "$generator" floor)
    quotient=$(echo "scale=3; $ours / $floor" | bc 2>/dev/null || echo '?')
    printf '%-12s %10s %10s %8s\n' "$generator" "$ours" "$floor" "$quotient"
done
