#!/usr/bin/env python3
"""weft-kv and clients that mean harm, or know no better: what is no command, what is too large, too much or too slow,
replies that nobody reads, crowds and storms, deaths in the middle. The others are served all the time, and memory
is bounded and comes back. Hazard 35.

usage: attack.py WEFT_KV [--sanitized] [TEST...]
"""
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

from kv import Client, Kv, PATIENCE, command

PROGRAM, *TESTS = [a for a in sys.argv[1:] if a != '--sanitized'] or (None,)
SANITIZED = '--sanitized' in sys.argv
MIB = 1 << 20
ROOM = (32 if SANITIZED else 12) * MIB  # what may come and go unseen, and what malloc keeps
CROWD = 2000 if SANITIZED else 10000
SEED = int(os.environ.get('WEFT_SEED', random.randrange(1 << 32)))


def until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError('in vain')
        time.sleep(0.01)  # another process says so in no other way


class WithServer(unittest.TestCase):
    words, descriptors = (), None

    def setUp(self):
        self.server = Kv(*self.words, descriptors=self.descriptors)
        self.addCleanup(self.server.__exit__, None)
        self.calm = Client(self.server)
        self.addCleanup(self.calm.close)
        self.calm.ask('SET', 'calm', 'x')

    def assertWell(self):
        self.assertEqual(self.calm.ask('GET', 'calm'), b'x')
        with Client(self.server) as new:
            self.assertEqual(new.ask('PING'), '+PONG')

    def clients(self):
        info = self.calm.ask('INFO', 'clients').decode()
        return int(info.split('connected_clients:')[1].split('\r\n')[0])

    def assertAlone(self):
        until(lambda: self.clients() == 1)


class Nonsense(WithServer):
    def said_to(self, data):
        with Client(self.server) as client:
            try:
                client.say(data)
                client.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it was closed before it had said all
            return client.rest()

    def test_what_is_no_command_is_refused_and_closed(self):
        for data, why in ((b'*1\r\n' * 1000000, b"expected '$'"), (b'*1\r\n$9223372036854775808\r\n', b'invalid bulk length'),
                          (b'*1\r\n$9223372036854775807\r\n', b'invalid bulk length'),
                          (b'*1\r\n$536870913\r\n', b'invalid bulk length'), (b'*1\r\n$-1\r\n', b'invalid bulk length'),
                          (b'*1\r\n$-2147483648\r\n', b'invalid bulk length'), (b'*1\r\n$0004\r\nPING\r\n', b'invalid bulk length'),
                          (b'*1\r\n$+4\r\nPING\r\n', b'invalid bulk length'), (b'*1\r\n$ 4\r\nPING\r\n', b'invalid bulk length'),
                          (b'*1\r\n$\r\n', b'invalid bulk length'), (b'*1\r\n$4' + b'4' * 70000, b''),
                          (b'*1048577\r\n', b'invalid multibulk length'), (b'*9223372036854775808\r\n', b'invalid multibulk length'),
                          (b'*x\r\n', b'invalid multibulk length'), (b'*01\r\n', b'invalid multibulk length'),
                          (b'*' + b'1' * 70000, b''), (b'x' * 65537, b'too big inline request'),
                          (b'SET a "b\r\n', b'unbalanced quotes'), (b'*1\r\n:4\r\n', b"expected '$'")):
            said = self.said_to(data + b'\r\n' + command('PING'))
            self.assertTrue(said.startswith(b'-ERR Protocol error') or said == b'', (data[:40], said))
            self.assertIn(why, said or why, data[:40])
            self.assertNotIn(b'PONG', said, data[:40])
        self.assertWell()

    def test_what_is_strange_is_answered(self):
        for data, reply in ((b'*0\r\n*-1\r\n', b'+PONG\r\n'), (b'\r\n\r\n   \r\n', b'+PONG\r\n'), (b'ECHO "\\x41 b"\r\n', b'$3\r\nA b\r\n+PONG\r\n'),
                            (b'*1\r\n$0\r\n\r\n', b"-ERR unknown command '', with args beginning with: \r\n+PONG\r\n"),
                            (b'ECHO ' + b'x' * 60000 + b'\r\n', b'$60000\r\n' + b'x' * 60000 + b'\r\n+PONG\r\n')):
            self.assertEqual(self.said_to(data + command('PING')), reply, data[:40])

    def test_a_page_in_a_browser_gets_nowhere(self):
        body = b'SET stolen 1\r\n'
        for head in b'POST / HTTP/1.1\r\n', b'GET / HTTP/1.1\r\nHost: localhost\r\n', b'OPTIONS * HTTP/1.1\r\nhost: a\r\n':
            self.assertNotIn(b'+OK', self.said_to(head + b'Content-Length: %d\r\n\r\n' % len(body) + body))
        self.assertIsNone(self.calm.ask('GET', 'stolen'))

    def test_random_bytes(self):
        dice = random.Random(SEED)
        pieces = [b'*', b'$', b':', b'\r\n', b'1', b'-1', b'4', b'PING', b'999999999', b'\0', b'"', b"'", b' ', b'\n', b'*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n']
        for _ in range(300):
            self.said_to(b''.join(dice.choice(pieces) if dice.random() < 0.8 else dice.randbytes(dice.randrange(50))
                                  for _ in range(dice.randrange(200))))
        self.assertWell()
        self.assertAlone()

    def test_what_is_announced_takes_no_memory(self):
        before = self.server.memory()
        crowd = [Client(self.server) for _ in range(50)]
        for client in crowd:
            client.say(b'*1048576\r\n$536870912\r\nx')
        self.assertWell()
        self.assertLess(self.server.memory() - before, ROOM)
        for client in crowd:
            client.close()
        self.assertAlone()


class Much(WithServer):
    def read_all(self, client, size, unit):
        got = 0
        while got < size:
            piece = client.socket.recv(MIB)
            self.assertTrue(piece)
            got += len(piece)
        self.assertEqual(got % len(unit), 0)

    def test_a_million_commands_at_once(self):
        count = 200000 if SANITIZED else 1000000
        before = self.server.memory()
        with Client(self.server) as client:
            writer = threading.Thread(target=client.say, args=(b'PING\r\n' * count,))
            writer.start()
            self.read_all(client, count * len(b'+PONG\r\n'), b'+PONG\r\n')
            writer.join()
            self.assertWell()
        self.assertLess(self.server.memory('VmHWM') - before, ROOM)

    def test_commands_without_end_and_no_reply_read(self):
        before = self.server.memory()
        with Client(self.server, receive_buffer=4096) as client:
            client.socket.settimeout(0.3)  # nothing more is taken
            with self.assertRaises(TimeoutError):
                while True:
                    client.say(command('GET', 'calm') * 10000)
            self.assertWell()
            self.assertLess(self.server.memory() - before, ROOM)
        self.assertAlone()

    def test_large_replies_that_nobody_reads(self):
        size = 4 * MIB
        self.calm.ask('SET', 'large', b'x' * size)
        before = self.server.memory()
        crowd = [Client(self.server, receive_buffer=4096) for _ in range(8)]
        for client in crowd:
            client.say(command('GET', 'large') * 100)
        until(lambda: self.calm.ask('CLIENT', 'LIST').count(b'cmd=get') >= 8)
        self.assertWell()
        self.assertLess(self.server.memory() - before, 2 * len(crowd) * size + ROOM)
        self.assertEqual(self.calm.ask('CONFIG', 'SET', 'maxmemory-clients', '1mb'), '+OK')
        for client in crowd:
            client.close()
        self.assertAlone()
        until(lambda: self.server.memory() - before < ROOM)

    def test_a_reply_above_the_limit(self):
        self.calm.ask('SET', 'large', b'x' * (8 * MIB))
        self.assertEqual(self.calm.ask('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 20mb 0 0'), '+OK')
        before = self.server.memory()
        with Client(self.server) as greedy:
            greedy.say(command('MGET', *['large'] * 100))
            self.assertEqual(greedy.rest(), b'')
        self.assertWell()
        self.assertLess(self.server.memory('VmHWM') - before, 60 * MIB + ROOM)
        until(lambda: self.server.memory() - before < ROOM)

    def test_messages_that_nobody_reads(self):
        before = self.server.memory()
        with Client(self.server, receive_buffer=4096) as deaf, Client(self.server, receive_buffer=4096) as monitor:
            deaf.ask('SUBSCRIBE', 'news')
            monitor.ask('MONITOR')
            told = [self.calm.ask('PUBLISH', 'news', b'x' * MIB) for _ in range(60)]
            self.assertEqual(told, sorted(told, reverse=True))
            self.assertEqual((told[0], told[-1]), (1, 0))
            self.assertWell()
            self.assertLess(self.server.memory('VmHWM') - before, 80 * MIB + 2 * ROOM)
        self.assertAlone()
        until(lambda: self.server.memory() - before < ROOM)

    def test_who_holds_most_is_closed(self):
        self.assertEqual(self.calm.ask('CONFIG', 'SET', 'maxmemory-clients', '20mb'), '+OK')
        before = self.server.memory()
        crowd = [Client(self.server) for _ in range(10)]
        for client in crowd:
            client.say(b'*2\r\n$4\r\nECHO\r\n$100000000\r\n')
        closed = 0
        for client in crowd:
            try:
                client.say(b'x' * (6 * MIB))
            except ConnectionError:
                closed += 1
        self.assertWell()
        self.assertLess(self.server.memory('VmHWM') - before, 60 * MIB + 2 * ROOM)
        until(lambda: self.clients() <= 4)
        for client in crowd:
            client.close()
        self.assertAlone()


class Many(WithServer):
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def test_a_crowd_that_is_silent(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))
        count = min(CROWD, self.descriptors - 100) - 1
        self.assertWell()
        before = self.server.memory()
        crowd = []
        for _ in range(count):
            client = socket.create_connection(self.server.where)
            client.sendall(b'PING\r\n')
            crowd.append(client)
        for client in crowd:
            self.assertEqual(client.recv(100), b'+PONG\r\n')
        self.assertEqual(self.clients(), count + 1)
        # Some 1,150 each, and what as many as were served at one time have taken: a stack or a buffer for each
        # would be 4 KiB at least.
        each = (self.server.memory() - before) // count
        self.assertLess(each, 6000 if SANITIZED else 3000)
        if count + 1 == 10000:
            with Client(self.server) as late:
                self.assertEqual(late.rest(), b'-ERR max number of clients reached\r\n')
        for client in crowd:
            client.close()
        self.assertAlone()
        self.assertWell()

    def test_who_says_a_byte_at_a_time_holds_up_nobody(self):
        crowd = [Client(self.server) for _ in range(100)]
        took, text = [], command('SET', 'slow', 'x' * 20)
        for byte in range(len(text)):
            for number, client in enumerate(crowd):
                client.say(text[byte:byte + 1])
                if number % 10 == 0:
                    begun = time.monotonic()
                    self.assertEqual(self.calm.ask('GET', 'calm'), b'x')
                    took.append(time.monotonic() - begun)
        for client in crowd:
            self.assertEqual(client.reply(), '+OK')
            client.close()
        self.assertLess(sorted(took)[len(took) * 9 // 10], 0.1)


class Few(WithServer):
    descriptors = 64

    def test_a_storm_with_64_descriptors(self):
        crowd = [Client(self.server) for _ in range(300)]
        for client in crowd:
            client.say(command('PING'))
        self.assertEqual(crowd[0].reply(), '+PONG')
        self.assertEqual(self.calm.ask('GET', 'calm'), b'x')
        crowd[0].close()
        for client in crowd[1:]:  # each that goes makes room for one
            self.assertEqual(client.reply(), '+PONG')
            client.close()
        self.assertAlone()
        self.assertWell()


class Deaths(WithServer):
    def test_clients_that_are_killed_in_the_middle(self):
        code = ("import socket,sys\ns=socket.create_connection(('127.0.0.1',%d))\n"
                "print(s.getsockname(),flush=True)\nwhile True: s.sendall(b'INCR n\\r\\n'*5000+b'*2\\r\\n$3\\r\\nGET\\r\\n$1000\\r\\nabc');break\n"
                "s.recv(1)\ns.recv(1<<30)\n") % self.server.where[1]
        crowd = [subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(8)]
        for process in crowd:
            with process:
                process.stdout.readline()
                process.kill()
        self.assertAlone()
        self.assertWell()

    def test_a_server_that_is_stopped_and_goes_on(self):
        crowd = [Client(self.server) for _ in range(20)]
        self.server.process.send_signal(signal.SIGSTOP)
        for client in crowd:
            client.say(command('INCR', 'n') * 100)
        self.server.process.send_signal(signal.SIGCONT)
        for client in crowd:
            for _ in range(100):
                self.assertIsInstance(client.reply(), int)
            client.close()
        self.assertEqual(self.calm.ask('GET', 'n'), b'2000')

    def ask_until_the_end(self, client, seen):
        try:
            while True:
                client.say(command('INCR', 'n') * 20)
                for _ in range(20):
                    seen.append(client.reply())
        except (EOFError, ConnectionError):
            pass

    def test_the_end_under_load(self):
        crowd = [(Client(self.server), []) for _ in range(8)]
        threads = [threading.Thread(target=self.ask_until_the_end, args=pair) for pair in crowd]
        for thread in threads:
            thread.start()
        until(lambda: all(len(seen) > 100 for _, seen in crowd))
        begun = time.monotonic()
        self.server.stop()
        self.assertLess(time.monotonic() - begun, 5)
        for thread in threads:
            thread.join()
        for client, _ in crowd:
            client.close()
        numbers = sorted(number for _, seen in crowd for number in seen)
        self.assertEqual(len(set(numbers)), len(numbers))  # none was acknowledged twice


if __name__ == '__main__':
    Kv.program = PROGRAM
    print('repeat with WEFT_SEED=%d' % SEED)
    unittest.main(argv=sys.argv[:1] + TESTS, warnings='ignore')
