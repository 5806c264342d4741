#!/usr/bin/env python3
"""What two loops ask of the kernel to send each other items, as strace counts it: nothing while they
are awake, one wake-up for all that is sent in a turn while they sleep."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv[1]
TRIPS, TURNS = 3000, 300


def calls(*arguments):
    """How often each system call was made."""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, 'calls')
        done = subprocess.run(['strace', '-f', '-c', '-q', '-o', log, PROGRAM] + list(arguments),
                              stderr=subprocess.PIPE, text=True, timeout=50, check=False)
        if not os.path.exists(log) or 'ptrace' in done.stderr:
            raise unittest.SkipTest('strace may not run here: %s' % done.stderr.strip())
        assert done.returncode == 0, done.stderr
        with open(log, encoding='ascii') as file:
            rows = re.findall(r'^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$', file.read(), re.M)
    return {name: int(count) for count, name in rows}


class Cross(unittest.TestCase):
    def test_loops_that_are_awake_wake_nobody(self):
        made = calls('awake', str(TRIPS))
        self.assertLess(made.get('write', 0), TRIPS // 50)

    def test_a_turn_wakes_once(self):
        made = calls('asleep', str(TURNS))
        self.assertGreaterEqual(made['write'], TURNS // 2)
        self.assertLessEqual(made['write'], 2 * TURNS + 20)  # there and back


if __name__ == '__main__':
    if not shutil.which('strace'):
        print('not installed: strace')
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], warnings='ignore')
