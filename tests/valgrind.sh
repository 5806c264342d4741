#!/bin/sh
# A program whose tasks run on pooled stacks, under Valgrind: it must not die of a guard that it reads
# for itself, nor take a switch for a deep frame, nor find what nobody else does.
#
# usage: valgrind.sh PROGRAM
command -v valgrind >/dev/null || { echo "not installed: valgrind"; exit 77; }
exec valgrind --quiet --error-exitcode=9 "$1"
