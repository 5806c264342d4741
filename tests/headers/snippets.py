#!/usr/bin/env python3
"""Compile what the documentation shows: each block of C on the pages for users, by every word of the
headers and with warnings as errors.

usage: snippets.py CC

A block with a function is a file of its own; one without stands inside a function. PRELUDE declares
what the pages use without showing it. A page that has no block fails: then something was renamed."""
import os
import re
import shutil
import subprocess
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
PAGES = ['README.md', 'docs/from-asyncio.md', 'docs/cancellation.md', 'docs/errors.md',
         'docs/files.md', 'docs/redis.md', 'docs/stackless.md', 'docs/stacks.md', 'docs/threads.md', 'docs/sync.md']
FLAGS = ('-std=c11 -Wall -Wextra -Wpedantic -Werror -Wno-unused-function -Wno-unused-variable '
         '-Wno-unused-const-variable -fsyntax-only -x c').split()
PRELUDE = '''#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>
#include <weft/http.h>
#include <weft/redis.h>
#include <weft/redis_server.h>

extern weft_arena *arena;
extern weft_redis *redis;
extern weft_http *http;
extern weft_http_call user, cart;
int work(void *arg);
int fetch(void *arg);
int compress(void *arg);
int say_goodbye(void *arg);
void library_ask(void (*answer)(void *arg), void *arg);
'''


def blocks(text):
    """(line, code) of each block of C."""
    for m in re.finditer(r'^```c\n(.*?)^```$', text, re.M | re.S):
        yield text.count('\n', 0, m.start()) + 2, m[1]


def compiled(compiler, page, line, code):
    """What the compiler says about a block, by the page's own lines; '' when it is content."""
    place = '#line %d "%s"\n' % (line, page)
    if re.search(r'^\{', code, re.M):
        source = PRELUDE + place + code
    else:
        source = '%sint block(void *arg);\nint block(void *arg)\n{\n(void)arg;\n%s%sreturn 0;\n}\n' % (
            PRELUDE, place, code)
    done = subprocess.run([compiler, *FLAGS, '-I', os.path.join(TOP, 'include'), '-'], input=source,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return '' if done.returncode == 0 else done.stdout


def main():
    compiler = sys.argv[1]
    if not shutil.which(compiler):
        print('not installed: %s' % compiler)
        sys.exit(77)
    failed, count = [], 0
    for page in PAGES:
        with open(os.path.join(TOP, page), encoding='utf-8') as file:
            found = list(blocks(file.read()))
        if not found:
            failed.append('%s: no block of C' % page)
        count += len(found)
        failed += filter(None, (compiled(compiler, page, *block) for block in found))
    # The check itself must be able to fail, for each of its two shapes.
    for wrong in ('int f(void)\n{\n    return weft_await((void *)0);\n}\n', 'weft_await(5);\n'):
        if not compiled(compiler, 'wrong', 1, wrong):
            failed.append('accepted: %s' % wrong)
    print('\n'.join(failed) or '%d blocks' % count)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
