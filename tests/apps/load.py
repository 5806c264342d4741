#!/usr/bin/env python3
"""weft-load as its users meet it: the command line, its results as JSON and CSV, its exit status."""
import csv
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv.pop(1)
PATIENCE = 30


def load(*words):
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=PATIENCE)


class Server:
    """weft-load --null: a server at a free port."""
    def __init__(self, *words):
        self.process = subprocess.Popen([PROGRAM, '--null', *words], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def __enter__(self):
        return self.url

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        self.process.stdout.close()


class Garbage(unittest.TestCase):
    def test_what_is_not_understood_is_said_in_one_line(self):
        url = 'http://127.0.0.1:1/'
        for words in (['--bogus', url], [], ['-r', '0', url], ['-r', '1x', url], ['-r', '1k..', url],
                      ['-r', '1k,,2k', url], ['-t', 'soon', url], ['-t', '-1s', url], ['-c', '0', url],
                      ['-c', '1.5', url], ['-p', '99999', url], ['-n', '-3', url], ['-n', 'nan', url],
                      ['--check', 'all', url], ['--expect-status', '7', url], ['-r'],
                      ['-d', '@/no/such/file', url], ['@/no/such/file'], ['--close', '-p', '2', url],
                      ['--poisson', url], ['gopher://x/'], ['http://'], ['http://[::1'],
                      ['http://a:99999/'], ['echo://127.0.0.1'], ['unix:'], ['http://127.0.0.1:1/=0'],
                      ['-H', 'no colon', url], ['-H', 'A: b\r\nC: d', url], ['-X', 'G ET', url],
                      ['-H', 'Content-Length: 5', url], ['unix:' + 'x' * 200],
                      ['http://127.0.0.1:1/a b'], ['--null', 'nowhere', 'else']):
            result = load(*words)
            self.assertEqual(result.returncode, 2, words)
            self.assertEqual(result.stdout, '', words)
            self.assertIn('weft-load', result.stderr)
            self.assertLessEqual(result.stderr.count('\n'), 2, words)

    def test_nobody_there_is_1(self):
        result = load('http://127.0.0.1:1/')
        self.assertEqual((result.returncode, result.stderr),
                         (1, 'weft-load: http://127.0.0.1:1/: Connection refused\n'))

    def test_too_many_connections_are_explained(self):
        words = 'ulimit -n 64; exec "$0" -c 1000 http://127.0.0.1:1/'
        result = subprocess.run(['sh', '-c', words, PROGRAM], capture_output=True, text=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn('1000 connections need 1032 descriptors, and this process may have 64', result.stderr)

    def test_help_and_version(self):
        self.assertIn('--rate', load('--help').stdout)
        self.assertRegex(load('--version').stdout, r'^weft-load \d+\.\d+\.\d+\n$')


class Results(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.url = cls.server.__enter__() + '/'

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def test_json_is_json(self):
        result = load('-r', '1k,2k..4k', '-t', '100ms', '--json', '-', self.url)
        self.assertEqual(result.returncode, 0, result.stderr)
        subprocess.run([sys.executable, '-m', 'json.tool'], input=result.stdout, text=True, check=True,
                       stdout=subprocess.DEVNULL)
        told = json.loads(result.stdout)
        self.assertEqual([step['due'] for step in told['steps']], [100, 300])
        self.assertEqual([step['right'] for step in told['steps']], [100, 300])
        self.assertEqual(told['targets'],
                         [{'url': self.url, 'weight': 1, 'status': 200, 'length': 13}])
        latency = told['steps'][1]['latency']
        self.assertEqual(latency['count'], 300)
        self.assertTrue(0 < latency['min'] <= latency['p50'] <= latency['p99'] <= latency['max'])
        self.assertIn('open loop, 1,000/s', result.stderr) # the summary makes room

    def test_csv_has_the_columns_it_names(self):
        result = load('-r', '1k,2k', '-n', '50', '--csv', '-', self.url)
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = list(csv.reader(io.StringIO(result.stdout)))
        self.assertEqual([len(row) for row in rows], [len(rows[0])] * 3)
        told = [dict(zip(rows[0], row)) for row in rows[1:]]
        self.assertEqual([row['rate'] for row in told], ['1000', '2000'])
        self.assertEqual([(row['due'], row['right'], row['wrong']) for row in told], [('50', '50', '0')] * 2)
        self.assertGreater(float(told[0]['p99_us']), 0)

    def test_summary_is_for_people(self):
        result = load('-n', '1000', '-c', '4', '-p', '8', self.url)
        self.assertEqual((result.returncode, result.stderr), (0, ''))
        for text in ('closed loop, 4 connections of 8 requests', '1,000 right, 0 wrong, of 1,000',
                     'p99.9', 'up to', '####'):
            self.assertIn(text, result.stdout)
        self.assertEqual(load('-q', '-n', '10', self.url).stdout, '')

    def test_something_wrong_is_1(self):
        result = load('-n', '10', '--expect-status', '404', self.url)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, r'status +10 +.*status 200 instead of 404')

    def test_bodies_headers_and_targets_from_files(self):
        with tempfile.TemporaryDirectory() as folder:
            names = {name: os.path.join(folder, name) for name in ('body', 'headers', 'urls')}
            with open(names['body'], 'wb') as file:
                file.write(bytes(range(256)) * 40)
            with open(names['headers'], 'w') as file:
                file.write('# a comment\nAccept: */*\n\nX-One: 1\r\n')
            with open(names['urls'], 'w') as file:
                file.write('%sa=3\n%sb=1\n' % (self.url, self.url))
            told = json.loads(load('-q', '-n', '100', '--json', '-', '-d', '@' + names['body'],
                                   '-H', '@' + names['headers'], '@' + names['urls']).stdout)
        self.assertEqual([target['weight'] for target in told['targets']], [3, 1])
        step = told['steps'][0]
        self.assertEqual(step['right'], 100)
        heads = 100 * len('POST /a HTTP/1.1\r\nHost: \r\nContent-Length: 10240\r\nAccept: */*\r\nX-One: 1\r\n\r\n')
        host = len(self.url) - len('http:///')
        self.assertEqual(step['bytes_out'], 100 * (10240 + host) + heads)

    def test_one_exchange_for_each_connection(self):
        step = json.loads(load('-q', '--close', '-n', '100', '--json', '-', self.url).stdout)['steps'][0]
        self.assertEqual((step['right'], step['connects']), (100, 100))

    def test_interrupted_it_tells_what_there_is(self):
        process = subprocess.Popen([PROGRAM, '-t', '100s', '--json', '-', self.url],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        used = 0
        while used < 20 and process.poll() is None: # ticks: more than opening takes
            with open('/proc/%d/stat' % process.pid) as file:
                used = sum(int(word) for word in file.read().rsplit(')', 1)[1].split()[11:13])
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE)
        self.assertGreater(json.loads(out)['steps'][0]['right'], 0)
        self.assertEqual(process.returncode, 0)

    def test_ceiling(self):
        result = load('--ceiling', '-c', '2')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r'^ceiling: [0-9,]+/s, ')


class Echo(unittest.TestCase):
    def test_what_is_sent_comes_back(self):
        with Server('echo://127.0.0.1:0') as url:
            for words in (['-d', 'ping'], ['--size', '200k'], ['-p', '16'], ['-r', '2k'], ['--close']):
                told = json.loads(load('-q', '-n', '100', '--json', '-', *words, url).stdout)
                self.assertEqual(told['steps'][0]['right'], 100, words)

    def test_http_is_no_echo(self):
        with Server() as url:
            result = load('--timeout', '100ms', '-d', 'GET / HTTP/1.1\r\n\r\n', url.replace('http', 'echo'))
            self.assertEqual(result.returncode, 1)
            self.assertIn('answer', result.stderr)


if __name__ == '__main__':
    unittest.main()
