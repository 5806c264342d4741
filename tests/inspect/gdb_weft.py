#!/usr/bin/env python3
"""tools/gdb-weft.py at a running program and at its core.

usage: gdb_weft.py PROGRAM SCRIPT"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM, SCRIPT = sys.argv[1:3]


def gdb(*arguments):
    """Run gdb on it; what it printed."""
    run = subprocess.run(['gdb', '-batch', '-nx', '-ex', 'set debuginfod enabled off',
                          '-x', SCRIPT, *arguments], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return run.stdout.decode(errors='replace')


def commands(*names):
    return [word for name in names for word in ('-ex', name)]


class Stand:
    """The program, from its start to its end."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([PROGRAM, *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.number = self.process.stdout.readline().decode().strip()

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(timeout=30)


ASKED = commands('weft tasks', 'weft tree', 'weft bt 2', 'weft bt 3', 'weft bt 1', 'weft bt 99', 'frame')


def look_at_process():
    stand = Stand()
    out = gdb('-p', stand.number, *ASKED)
    return out, stand.end()


def look_at_core():
    stand = Stand('protected')
    with tempfile.TemporaryDirectory() as folder:
        core = os.path.join(folder, 'core')
        made = gdb('-p', stand.number, *commands('generate-core-file ' + core))
        return gdb(PROGRAM, core, *ASKED) if os.path.exists(core) else made, stand.end()


class Gdb(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.out, cls.status = {}, {}
        cls.out['live'], cls.status['live'] = look_at_process()
        if 'ptrace: Operation not permitted' in cls.out['live']:
            print('gdb may not attach here: ptrace is not permitted')
            sys.stdout.flush()
            os._exit(77)
        cls.out['core'], cls.status['core'] = look_at_core()

    def expect(self, *patterns):
        for how, out in self.out.items():
            at = 0
            for pattern in patterns:
                found = re.compile(pattern, re.M).search(out, at)
                self.assertTrue(found, '%s: no %r in the rest of:\n%s' % (how, pattern, out))
                at = found.end()

    def test_tasks_is_a_table(self):
        self.expect(r'^loop 1, of thread 1\nnumber +state +name +waits for +spawned at\n',
                    r'^ +1 +parked +main +tasks of its scope +\S+\n',
                    r'^ +2 +parked +one +sleep +\S*stand\.c:\d+\n',
                    r"^ +3 +parked +waiter +task 2 'one' +\S*stand\.c:\d+\n",
                    r'^ +4 +parked +eager_end +readiness of a descriptor +\S*stand\.c:\d+\n')

    def test_tree_shows_scopes(self):
        self.expect(r"^scope 'background' begun at the loop: 1 member, isolates\n",
                    r"^  task 1 'main', parked: waits for tasks of its scope; spawned at ",
                    r"^    scope 'all' begun at \S*stand\.c:\d+: 4 members\n",
                    r"^      task 2 'one', parked: waits for sleep; spawned at ",
                    r"^      stackless task 'ticker', waits for sleep, then tick; defined at ")

    def test_bt_shows_the_calls_with_their_arguments(self):
        self.expect(r"^task 2 'one', parked", r'^#0 ', r' in weft_sleep \(', r' in sleep_long \(',
                    r' in sleeper \(', r"^task 3 'waiter'", r' weft_await_with \(', r' in waiter \(',
                    r"^task 1 'main'", r' weft_scope_(end|leave) \(', r' in stand \(')

    def test_bt_of_nobody_says_so(self):
        self.expect(r'no task has the number 99')

    def test_the_selected_frame_is_the_thread_s_own_again(self):
        self.expect(r'no task has the number 99', r'^#0 +(?!.*wf_)')

    def test_the_program_goes_on_as_if_nothing_had_happened(self):
        self.assertEqual(self.status, {'live': 0, 'core': 0})


if __name__ == '__main__':
    if not shutil.which('gdb'):
        print('not installed: gdb')
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
