#!/usr/bin/env python3
"""What is claimed of the storefront, measured by itself: --check, in small unless --full is given, with
a test named for each claim. See shop.py."""
import re
import resource
import subprocess
import unittest

from shop import PROGRAM, SANITIZED, TESTS, Storefront, main

FULL = '--full' in TESTS
if FULL:
    TESTS.remove('--full')


class Check(unittest.TestCase):
    """Each row of the table is looked at for itself, so that one that fails is named."""

    @classmethod
    def setUpClass(cls):
        command = [PROGRAM, '--check'] + ([] if FULL else ['--quick'])
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=120)
        cls.status, cls.text, cls.errors = done.returncode, done.stdout, done.stderr
        cls.rows = dict(re.findall(r'^([a-e])  (.*(?:\n   .*)*)', done.stdout, re.M))

    def row(self, name):
        self.assertIn(name, self.rows, self.text)
        self.assertIn('\n   holds', self.rows[name], self.text + self.errors)
        return self.rows[name]

    def test_table_is_whole(self):
        self.assertEqual(''.join(self.rows), 'abcde', self.text)
        self.assertEqual((self.status, self.errors), (0, ''), self.text)
        self.assertRegex(self.text, r'\nall of it holds\n\Z')

    def test_steady_load_is_answered_right(self):
        self.assertRegex(self.row('a'), r'p50 \d+\.\d ms, p99 \d+\.\d ms')

    def test_w1_crowd_takes_one_thread_and_bounded_memory(self):
        crowd, threads, each = map(int, re.search(
            r'(\d+) at once, all right: (\d+) threads.* (\d+) bytes for each', self.row('b')).groups())
        self.assertEqual(crowd, 10000 if FULL else 300)
        self.assertEqual(threads, 1)
        if not SANITIZED:
            kept = 8 << 20  # blocks that a loop keeps of its busiest turn, whatever the crowd
            self.assertLess(each * crowd, (160 << 10) * crowd + kept)

    def test_w1_crowd_over_tcp_takes_one_thread(self):
        self.assertRegex(self.row('c'), r'all right: 1 threads')

    def test_w1_threads_take_nine_for_each_page(self):
        sizes = re.findall(r'(\d+) at once, all right: (\d+) threads', self.row('d'))
        self.assertGreaterEqual(len(sizes), 1)
        for crowd, threads in sizes:
            self.assertGreaterEqual(int(threads), 9 * int(crowd))

    def test_w2_fast_request_is_not_held_up_by_slow_ones(self):
        alone, beside = map(float, re.findall(r'([\d.]+) ms alone, ([\d.]+) ms beside',
                                              self.row('e'))[-1])
        self.assertLessEqual(beside, 2 * alone + 0.02)  # as printed


class Statement(unittest.TestCase):
    def test_w1_threads_stay_two_while_pages_are_in_flight(self):
        """The loop and the observer, as somebody else counts them."""
        crowd = 100
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.assertGreater(files, crowd + 50)
        with Storefront('--latency', '1500', '--deadline', '60000') as shop:
            clients = [shop.client() for _ in range(crowd)]
            for number, client in enumerate(clients):
                client.ask('/product/%d' % (number + 1))
            shop.until(r'^weft .*/s, %d in flight, .* 2 threads' % crowd)
            self.assertEqual(shop.threads(), 2)
            for client in clients:
                self.assertEqual(client.answer()[0], 200)
                client.__exit__()


if __name__ == '__main__':
    main()
