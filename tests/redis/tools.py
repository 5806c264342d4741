#!/usr/bin/env python3
"""weft-kv and the tools that everybody has: redis-cli in each of its manners, redis-benchmark with each of its tests.

usage: tools.py WEFT_KV [--sanitized] [TEST...]
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from kv import Client, Kv, PATIENCE, command

PROGRAM, *TESTS = [a for a in sys.argv[1:] if a != '--sanitized'] or (None,)
KEYS = 100000
TESTED = 'ping set get incr lpush rpush lpop rpop sadd hset spop zadd zpopmin lrange mset'.split()


def run(program, server, *words, text=None, status=0, version=2):
    """What it prints. An error of the server's is one of the test's, where nobody expects it."""
    flags = server.flags + (['-3'] if version == 3 else [])
    done = subprocess.run([program, *flags, *words], input=text if text is not None else '', text=True, timeout=PATIENCE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == status, (words, done)
    return done.stdout


def cli(server, *words, **options):
    return run('redis-cli', server, *words, **options)


def lines_until(process, word):
    for line in process.stdout:
        if word in line:
            return line
    raise AssertionError('it ended without ' + word)


class WithServer(unittest.TestCase):
    def setUp(self):
        self.server = Kv()
        self.addCleanup(self.server.__exit__, None)


class Cli(WithServer):
    def test_values_of_every_kind_in_both_versions(self):
        for version in 2, 3:
            ask = lambda *words, v=version: cli(self.server, *words, version=v).strip()
            self.assertEqual(ask('set', 'a', 'x y'), 'OK')
            self.assertEqual(ask('get', 'a'), 'x y')
            self.assertEqual(ask('get', 'none'), '')
            self.assertEqual(ask('strlen', 'a'), '3')
            ask('zadd', 'z', '1.5', 'b', '1', 'a')
            self.assertEqual(ask('zrange', 'z', '0', '-1', 'withscores').split(), ['a', '1', 'b', '1.5'])
            self.assertEqual(ask('zscore', 'z', 'b'), '1.5')
            self.assertIn('ERR unknown command', ask('nosuch'))
            self.assertIn('WRONGTYPE', ask('incr', 'z'))
        self.assertEqual(cli(self.server, '--csv', 'mget', 'a', 'none').strip(), '"x y",NULL')
        self.assertIn('"proto":3', cli(self.server, '--json', '-3', 'hello', '3'))

    def test_a_transaction_of_lines(self):
        said = cli(self.server, text='SET a 1\nMULTI\nINCR a\nNOSUCH\nEXEC\nMULTI\nINCR a\nINCRBY a 5\nEXEC\nWATCH a\n'
                                     'MULTI\nGET a\nDISCARD\nGET a\n')
        self.assertEqual([line for line in said.split('\n') if line],
                         ['OK', 'OK', 'QUEUED', "ERR unknown command 'NOSUCH', with args beginning with: ",
                          'EXECABORT Transaction discarded because of previous errors.', 'OK', 'QUEUED', 'QUEUED', '2', '7',
                          'OK', 'OK', 'QUEUED', 'OK', '7'])

    def test_many_keys_in_one_pipe_and_out_again(self):
        data = b''.join(command('SET', 'key:%d' % n, 'value:%d' % n) for n in range(KEYS))
        done = subprocess.run(['redis-cli', *self.server.flags, '--pipe'], input=data, stdout=subprocess.PIPE, timeout=PATIENCE)
        self.assertIn(b'errors: 0, replies: %d' % KEYS, done.stdout)
        self.assertEqual(cli(self.server, 'dbsize').strip(), str(KEYS))
        self.assertEqual(cli(self.server, 'get', 'key:77777').strip(), 'value:77777')
        found = cli(self.server, '--scan', '--pattern', 'key:9999*').split()
        self.assertEqual(sorted(set(found)), sorted(['key:9999'] + ['key:9999%d' % n for n in range(10)]))
        cli(self.server, 'sadd', 'big', *map(str, range(2000)))
        said = cli(self.server, '--bigkeys')
        self.assertIn('Sampled %d keys' % (KEYS + 1), said)
        self.assertRegex(said, r'Biggest +set found \'"big"\' has 2000 members')
        self.assertRegex(said, r'Biggest string found .* has 11 bytes')

    def test_what_is_watched(self):
        stat = subprocess.Popen(['redis-cli', *self.server.flags, '--stat', '-i', '0.05'], stdout=subprocess.PIPE, text=True)
        with stat:
            self.assertRegex(lines_until(stat, 'requests'), r'keys +mem +clients +blocked +requests')
            self.assertRegex(stat.stdout.readline(), r'^0 +[\d.]+[BKM] +1 +0 +\d+ \(\+0\) +\d+')
            stat.kill()
        self.assertRegex(cli(self.server, '--latency', '--raw', '-i', '0.1'), r'^\d+ \d+ [\d.]+ \d+')
        self.assertRegex(cli(self.server, 'info'), r'(?s)# Server.*redis_version:.*# Clients.*connected_clients:1')
        self.assertRegex(cli(self.server, 'client', 'list'), r'^id=\d+ addr=127.0.0.1:\d+ .*cmd=client')
        self.assertIn('summary', cli(self.server, 'command', 'docs', 'get'))
        docs = cli(self.server, 'command', 'docs')
        self.assertGreater(docs.count('summary'), 100)
        self.assertEqual(int(cli(self.server, 'command', 'count')), docs.count('summary'))

    def test_monitor_and_messages(self):
        words = ['redis-cli', *self.server.flags]
        with subprocess.Popen(words + ['monitor'], stdout=subprocess.PIPE, text=True) as monitor, \
                subprocess.Popen(words + ['subscribe', 'news'], stdout=subprocess.PIPE, text=True) as listener, \
                subprocess.Popen(words + ['-3', 'psubscribe', 'n*'], stdout=subprocess.PIPE, text=True) as other:
            lines_until(monitor, 'OK')
            lines_until(listener, '1')
            lines_until(other, '1')
            self.assertEqual(cli(self.server, 'publish', 'news', 'rain & wind').strip(), '2')
            lines_until(listener, 'rain & wind')
            lines_until(other, 'rain & wind')
            self.assertRegex(lines_until(monitor, 'publish'),
                             r'^\d+\.\d{6} \[0 127.0.0.1:\d+\] "publish" "news" "rain & wind"$')
            for process in monitor, listener, other:
                process.kill()

    def test_a_socket_in_a_folder(self):
        with tempfile.TemporaryDirectory() as folder, Kv('--unix', folder + '/kv') as server:
            self.assertEqual(cli(server, 'ping').strip(), 'PONG')
            self.assertNotIn('rror', run('redis-benchmark', server, '-t', 'set,get', '-n', '2000', '-q'))

    def test_shutdown_ends_it(self):
        cli(self.server, 'set', 'a', '1')
        cli(self.server, 'shutdown', 'nosave', status=0)
        self.server.ended()


class Benchmark(WithServer):
    def offered(self):
        """Of its tests, those whose commands are there."""
        with Client(self.server) as client:
            known = client.ask('COMMAND', 'INFO', *TESTED)
        return [name for name, entry in zip(TESTED, known) if entry]

    def test_each_of_its_tests(self):
        names = self.offered()
        for words in (['-P', '1', '-n', '1000'], ['-P', '16', '-n', '5000'], ['-P', '16', '-n', '5000', '-3', '-r', '1000'],
                      ['-k', '0', '-n', '300'], ['-P', '16', '-n', '2000', '-d', '5000']):
            said = run('redis-benchmark', self.server, '-t', ','.join(names), '-c', '50', '--csv', *words)
            rows = re.findall(r'^"([A-Z_]+).*","([\d.]+)"', said, re.M)
            self.assertGreaterEqual(len(rows), len(names), said)
            self.assertTrue(all(float(rate) > 0 for _, rate in rows), said)
            self.assertNotRegex(said, '(?i)error|warning')

    def test_its_idle_clients(self):
        idle = subprocess.Popen(['redis-benchmark', *self.server.flags, '-I', '-c', '200'], stdout=subprocess.DEVNULL)
        with idle, Client(self.server) as client:
            end = time.monotonic() + PATIENCE
            while b'connected_clients:201' not in client.ask('INFO', 'clients'):
                self.assertLess(time.monotonic(), end)
            idle.kill()


if __name__ == '__main__':
    for tool in 'redis-cli', 'redis-benchmark':
        if not shutil.which(tool):
            print('not installed:', tool)
            sys.exit(77)
    os.environ.pop('REDISCLI_AUTH', None)
    Kv.program = PROGRAM
    unittest.main(argv=sys.argv[:1] + TESTS, warnings='ignore')
