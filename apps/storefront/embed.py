#!/usr/bin/env python3
"""Print a file as a C string: embed.py FILE NAME."""
import sys

PLAIN = set(range(32, 127)) - set(b'"\\?')


def literal(line):
    return '"%s"' % ''.join(chr(b) if b in PLAIN else '\\%03o' % b for b in line)


def main():
    path, name = sys.argv[1:]
    with open(path, 'rb') as file:
        print('const char %s[] =\n    %s;' % (name, '\n    '.join(map(literal, file))))


if __name__ == '__main__':
    main()
