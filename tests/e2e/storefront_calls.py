#!/usr/bin/env python3
"""Which system calls the storefront makes, as strace sees them: statement W4, one thread serves many
sockets through one call that waits. See shop.py."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from shop import PATIENCE, PROGRAM, Storefront, main

CLIENTS, ROUNDS = 20, 10


class Traced:
    """The calls of a storefront on one driver."""
    driver = None

    @classmethod
    def setUpClass(cls):
        os.environ['WEFT_BACKEND'] = cls.driver
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, 'calls')
            with Storefront('--tcp') as shop:
                with subprocess.Popen(['strace', '-f', '-q', '-o', log, '-e',
                                       'trace=epoll_wait,epoll_pwait,epoll_pwait2,io_uring_enter,select,pselect6,'
                                       'recvfrom,recvmsg,accept,accept4',
                                       '-p', str(shop.process.pid)], stderr=subprocess.PIPE) as strace:
                    cls.attach(shop, strace)
                    cls.pages = cls.drive(shop)
                    cls.main = shop.process.pid
                    strace.terminate()
                    strace.wait(PATIENCE)
            with open(log, encoding='ascii', errors='replace') as file:
                cls.calls = cls.parse(file)

    @staticmethod
    def attach(shop, strace):
        """The kernel says when every thread is traced."""
        while strace.poll() is None:
            tracers = set()
            for task in os.listdir('/proc/%d/task' % shop.process.pid):
                with open('/proc/%d/task/%s/status' % (shop.process.pid, task),
                          encoding='ascii') as file:
                    tracers.add(re.search(r'TracerPid:\t(\d+)', file.read())[1])
            if tracers == {str(strace.pid)}:
                return
        raise unittest.SkipTest('strace may not attach here: %s' % strace.stderr.read())

    @staticmethod
    def drive(shop):
        clients = [shop.client() for _ in range(CLIENTS)]
        for _ in range(ROUNDS):
            for number, client in enumerate(clients):
                client.ask('/product/%d' % (number + 1))
            for client in clients:
                assert client.answer()[0] == 200
        for client in clients:
            client.__exit__()
        return CLIENTS * ROUNDS

    @staticmethod
    def parse(file):
        """(thread, call, first argument, result) of each; a call that was interrupted in the log is
        joined."""
        begun, calls = {}, []
        for line in file:
            thread, _, text = line.rstrip('\n').partition(' ')
            text = text.strip()
            if text.endswith('<unfinished ...>'):
                begun[thread] = text[:-len('<unfinished ...>')]
                continue
            if resumed := re.match(r'<\.\.\. \w+ resumed>(.*)', text):
                text = begun.pop(thread, '') + resumed[1]
            if found := re.match(r'(\w+)\((\d*).*\) += (-?\d+|\?)( E\w+)?', text):
                calls.append((int(thread), found[1], found[2], (found[4] or found[3]).strip()))
        return calls

    def test_w4_one_thread_waits_for_all_sockets_by_one_descriptor(self):
        waits = [c for c in self.calls if c[1].startswith(('epoll_', 'io_uring_', 'select', 'pselect'))]
        self.assertEqual({call for _, call, _, _ in waits} & {'select', 'pselect6'}, set())
        self.assertEqual({(thread, epoll) for thread, _, epoll, _ in waits},
                         {(self.main, waits[0][2])})
        reads = [c for c in self.calls if c[1].startswith(('recv', 'accept'))]
        self.assertLessEqual({thread for thread, _, _, _ in reads}, {self.main})


class Epoll(Traced, unittest.TestCase):
    driver = 'epoll'

    def test_w4_no_socket_is_read_that_is_not_ready(self):
        """But for looks: at a connection that was just made, and at a kept one before it is used
        again, whether it is still alive. Nobody looks twice without having read in between."""
        reads = [c for c in self.calls if c[1].startswith('recv')]
        looks, vain = 0, set()
        for _, _, descriptor, result in reads:
            if result == 'EAGAIN':
                self.assertNotIn(descriptor, vain)
                vain.add(descriptor)
                looks += 1
            else:
                vain.discard(descriptor)
        made = CLIENTS * 9  # connections, both ends of those to services
        self.assertGreaterEqual(len(reads) - looks, 9 * self.pages)  # five requests, four answers
        self.assertLessEqual(looks, 4 * self.pages + made)


class Uring(Traced, unittest.TestCase):
    driver = 'uring'

    @classmethod
    def setUpClass(cls):
        try:
            super().setUpClass()
        except AssertionError as error:  # it says why it did not start
            if 'io_uring' in str(error):
                raise unittest.SkipTest(str(error))
            raise

    def test_w4_sockets_are_read_by_the_ring(self):
        """A plain call is a look, at a connection that was just made or is used again, or follows a
        receive that left something."""
        calls = [c for c in self.calls if c[1].startswith('recv') and c[3] != 'EAGAIN']
        self.assertLess(len(calls), 9 * self.pages)


if __name__ == '__main__':
    if not shutil.which('strace'):
        print('not installed: strace')
        sys.exit(77)
    main()
