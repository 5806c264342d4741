#!/usr/bin/env python3
"""weft-load from outside: the program is started as its users do, against its own null server and
against a server that can be told what to do wrong."""
import csv
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

PROGRAM, *TESTS = [a for a in sys.argv[1:] if a != '--sanitized'] or (None,)
PATIENCE = 60
COLUMNS = ('row step at_s offered_per_s answered_per_s asked answered errors unsent p50_ns p90_ns p99_ns '
           'p99.9_ns p99.99_ns max_ns mean_ns').split()


def load(*words, status=0, text=None):
    """What it says on standard output and on stderr."""
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=PATIENCE, input=text)
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


class Null:
    """The null server, on a free port."""

    def __init__(self, url='http://127.0.0.1:0', *words):
        self.process = subprocess.Popen([PROGRAM, '--null', url, *words], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def __enter__(self):
        return self.url

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


class Server:
    """Answers the n-th request as `answers` says, the last of them for ever. Keeps what it was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = answers, []
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.url = 'http://127.0.0.1:%d/' % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        try:
            while True:
                client = self.socket.accept()[0]
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()
        except OSError:
            pass  # the test is over

    def serve(self, client):
        with client, client.makefile('rb') as lines:
            while head := self.head(lines):
                size = re.search(r'(?i)content-length: (\d+)', head)
                self.asked.append((head, lines.read(int(size[1])) if size else b''))
                answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
                if not answer:
                    return
                client.sendall(answer)

    @staticmethod
    def head(lines):
        head = b''
        while line := lines.readline():
            head += line
            if line == b'\r\n':
                return head.decode('latin-1')
        return ''

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)  # wakes who accepts: it must not meet the next socket
        self.thread.join()
        self.socket.close()


class Redis(Server):
    """The same for commands."""

    def __init__(self, *answers):
        super().__init__(*answers)
        self.url = self.url.replace('http', 'redis')

    def serve(self, client):
        with client, client.makefile('rb') as lines:
            while count := lines.readline():
                words = [lines.read(int(lines.readline()[1:]) + 2)[:-2] for _ in range(int(count[1:]))]
                self.asked.append(words)
                client.sendall(self.answers[min(len(self.asked), len(self.answers)) - 1])


def answer(body, status='200 OK'):
    return b'HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s' % (status.encode(), len(body), body)


class Runs(unittest.TestCase):
    def test_closed_loop_has_a_summary(self):
        with Null() as url:
            said, _ = load('-n', '1000', '-c', '7', url)
        self.assertIn('7 connections, closed loop', said)
        self.assertRegex(said, r'answers +1,000 in ')
        self.assertRegex(said, r'latency +p50 +p90 +p99 +p99.9 +p99.99 +max +mean +stdev\n')
        self.assertRegex(said, r'errors +none')
        self.assertRegex(said, r'generator +[\d.]+ \w+ of CPU an answer')

    def test_json_is_json_and_adds_up(self):
        with Null() as url:
            said, _ = load('-t', '200ms', '-r', '1000', '--json', '-', url)
        got = json.loads(said)
        self.assertEqual((got['loop'], got['connections'], len(got['steps'])), ('open', 50, 1))
        step = got['steps'][0]
        self.assertEqual((step['asked'], step['answered'], step['wrong_or_lost']), (200, 200, 0))
        self.assertEqual((step['offered_per_s'], step['statuses']), (1000, {'2xx': 200}))
        latency = step['latency_from_due_ns']
        self.assertEqual(latency['count'], 200)
        values = [latency[name] for name in ('min', 'p50', 'p90', 'p99', 'p99.9', 'p99.99', 'max')]
        self.assertEqual(values, sorted(values))
        self.assertEqual(sum(step['errors'].values()), 0)

    def test_csv_has_its_columns_and_a_row_for_each_step(self):
        with Null() as url:
            said, _ = load('-t', '100ms', '-r', '500,1k..2k,1k', '--csv', '-', url)
        rows = list(csv.DictReader(io.StringIO(said)))
        self.assertEqual(list(rows[0]), COLUMNS)
        self.assertTrue(all(None not in row and None not in row.values() for row in rows))
        steps = [row for row in rows if row['row'] == 'step']
        self.assertEqual([int(row['answered']) for row in steps], [50, 150, 100])
        seconds = [row for row in rows if row['row'] == 'second']
        for row in steps:
            self.assertEqual(sum(int(s['answered']) for s in seconds if s['step'] == row['step']),
                             int(row['answered']))

    def test_steps_make_a_table(self):
        with Null() as url:
            said, _ = load('-t', '50ms', '-r', '1k,2k', url)
        self.assertRegex(said, r'offered/s +answered/s +p50 +p90 +p99 +p99.9 +max +errors +unsent\n +1,000 ')
        self.assertRegex(said, r'\n +2,000 ')

    def test_files_are_written(self):
        with Null() as url, tempfile.TemporaryDirectory() as folder:
            load('-q', '-n', '10', '--json', folder + '/j', '--csv', folder + '/c', url)
            with open(folder + '/j', encoding='utf-8') as file:
                self.assertEqual(json.load(file)['steps'][0]['answered'], 10)
            self.assertGreater(os.path.getsize(folder + '/c'), 0)
            load('-q', '-n', '10', '--json', folder + '/no/where', url, status=1)

    def test_every_manner_of_asking(self):
        with Null() as url:
            for words in (['--close', '-c', '5'], ['-p', '16'], ['-r', '2k', '--poisson=3', '-t', '100ms'],
                          ['--ramp-connections', '20ms'], ['--warm-up', '20ms'], ['-d', 'x=1'],
                          ['--ramp-connections', '50ms', '-r', '2k', '-t', '100ms'],
                          ['--check', 'none'], ['--check-every', '7'], ['--size', '5']):
                amount = [] if '-r' in words else ['-n', '500']
                said, _ = load(*amount, *words, url)
                self.assertRegex(said, r'errors +none', words)

    def test_echo_and_unix_sockets(self):
        with Null('echo://127.0.0.1:0') as url:
            load('-n', '500', '--size', '100000', '-c', '3', url)
            load('-n', '500', '-d', 'ping', '-p', '4', url)
        with tempfile.TemporaryDirectory() as folder:
            with Null('unix:%s/http' % folder) as url:
                load('-n', '500', '-c', '20', url)
            with Null('unix:%s/http' % folder) as url:  # the socket is still there
                load('-n', '5', url)
            with Null('echo+unix:%s/echo' % folder) as url:
                load('-n', '500', '-c', '20', url)

    def test_ceiling_stands_beside_the_run(self):
        with Null() as url:
            said, _ = load('--ceiling', '-c', '3', '-r', '1k', '-t', '100ms', url)
            self.assertRegex(said, r'[\d,]+ a second of 1,000')
            self.assertRegex(said, r'ceiling +[\d,]+ a second against a server that does nothing, [\d.]+ us of CPU')
            self.assertNotIn('the server may be quicker', said)
            got = json.loads(load('-q', '--ceiling', '-c', '3', '-n', '100', '--json', '-', url)[0])
            self.assertGreater(got['ceiling']['answered_per_s'], 0)
            with Null('echo://127.0.0.1:0') as echo:
                self.assertRegex(load('--ceiling', '-n', '100', echo)[0], r'ceiling +[\d,]+ a second')
                self.assertIn('a ceiling is of one protocol', load('--ceiling', url, echo, status=1)[1])

    def test_ceiling_needs_no_server(self):
        self.assertRegex(load('--ceiling', '-c', '2', '-p', '4', '-X', 'HEAD')[0], r'^  ceiling +[\d,]+ a second')

    def test_interrupt_ends_early_and_still_tells(self):
        with Server(answer(b'x')) as server:
            process = subprocess.Popen([PROGRAM, '-t', '1h', '--json', '-', server.url], text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
            while len(server.asked) < 200:  # 50 connections: it has begun
                pass
            process.send_signal(signal.SIGINT)
            said, summary = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0, summary)
        self.assertGreater(json.loads(said)['steps'][0]['answered'], 100)
        self.assertIn('closed loop', summary)


class Requests(unittest.TestCase):
    def asked(self, *words, path=''):
        with Server(answer(b'ok')) as server:
            load('-n', '1', '-c', '1', *words, server.url + path)
            return server.asked[-1]

    def test_default_is_a_plain_get(self):
        head, body = self.asked(path='a/b?c=d#e')
        self.assertRegex(head, r'^GET /a/b\?c=d HTTP/1.1\r\nHost: 127.0.0.1:\d+\r\n\r\n$')
        self.assertEqual(body, b'')

    def test_method_headers_and_body(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(folder + '/headers', 'w', encoding='ascii') as file:
                file.write('# a remark\nX-Two: 2\r\nHost: elsewhere\n\n')
            with open(folder + '/body', 'wb') as file:
                file.write(b'\0\1\2')
            head, body = self.asked('-X', 'PUT', '-H', 'X-One:1', '--header-file', folder + '/headers',
                                    '-d', '@%s/body' % folder)
        self.assertTrue(head.startswith('PUT / HTTP/1.1\r\nHost: elsewhere\r\n'), head)
        self.assertIn('\r\nX-One: 1\r\nX-Two: 2\r\n', head)
        self.assertEqual(body, b'\0\1\2')
        head, body = self.asked('-d', 'a=b')
        self.assertTrue(head.startswith('POST / '), head)
        self.assertEqual(body, b'a=b')
        self.assertIn('Connection: close\r\n', self.asked('--close')[0])

    def test_targets_are_asked_as_often_as_they_weigh(self):
        with Server(answer(b'ok')) as server, tempfile.NamedTemporaryFile('w') as file:
            file.write('%sone 3\n# none\n%stwo\n' % (server.url, server.url))
            file.flush()
            load('-n', '400', '-c', '4', '--targets', file.name, server.url + 'three=4')
        for path, count in ('one', 150), ('two', 50), ('three', 200):
            asked = sum(head.startswith('GET /%s ' % path) for head, _ in server.asked)
            self.assertEqual(asked, count + 1, path)  # one to learn


class Commands(unittest.TestCase):
    def test_a_command_is_the_path_and_the_body(self):
        for words, path, command in (([], '', [b'PING']), ([], 'GET/k', [b'GET', b'k']),
                                     (['-d', 'a b'], 'SET/k', [b'SET', b'k', b'a b'])):
            with Redis(b'+OK\r\n') as server:
                load('-n', '3', '-c', '1', *words, server.url + path)
            self.assertEqual(server.asked, [command] * 4)  # one to learn

    def test_replies_of_every_kind_are_read(self):
        for reply in (b'$3\r\na\r\n\r\n', b'*2\r\n:1\r\n*1\r\n_\r\n', b'%1\r\n+a\r\n,1.5\r\n',
                      b'>1\r\n+message\r\n+OK\r\n', b'*0\r\n', b'$-1\r\n'):
            with Redis(reply) as server:
                self.assertRegex(load('-n', '50', '-c', '2', '-p', '4', server.url)[0], r'errors +none', reply)
        with Redis(*[b':%d\r\n' % n for n in range(60)]) as server:  # integers count what was done
            load('-n', '50', '-c', '1', server.url)
        with Null('redis://127.0.0.1:0') as url:
            load('-n', '5000', '-p', '16', '-d', 'x' * 3000, url + '/SET/k')

    def test_a_wrong_reply_is_found(self):
        for lie, kind, words in ((b'$2\r\nno\r\n', 'body', ''), (b'-ERR no\r\n', 'status', '500, and not 200'),
                                 (b'?\r\n', 'malformed', '')):
            with Redis(*[b'$2\r\nok\r\n'] * 9, lie, b'$2\r\nok\r\n') as server:
                said, _ = load('-n', '50', '-c', '1', server.url, status=1)
            self.assertRegex(said, r'1 %s +the first: ' % kind, lie)
            self.assertIn(words, said)

    def test_a_ceiling_stands_beside_commands(self):
        with Redis(b'+OK\r\n') as server:
            self.assertRegex(load('--ceiling', '-n', '100', server.url)[0], r'ceiling +[\d,]+ a second')


class Wrongs(unittest.TestCase):
    def test_a_lie_is_found_and_shown(self):
        right = answer(b'hello')
        for lie, kind, words in ((answer(b'hullo'), 'body', 'byte 1 of the body: "ullo", and not "ello"'),
                                 (answer(b'hel\0\x9bo'[:5]), 'body', 'byte 3 of the body: "\\x00\\x9b"'),
                                 (answer(b'hello!'), 'size', 'a body of 6 bytes, and not 5'),
                                 (answer(b'hello', '503 No'), 'status', '503, and not 200'),
                                 (b'', 'reset', 'closed before the answer'),
                                 (b'NO\r\n\r\n', 'malformed', '')):
            with Server(*[right] * 9, lie, right) as server:
                said, _ = load('-n', '50', '-c', '1', server.url, status=1)
            self.assertRegex(said, r'1 %s +the first: %s: .*' % (kind, re.escape(server.url)), lie)
            self.assertIn(words, said)

    def test_less_can_be_checked(self):
        for check, lie in (('size', answer(b'hullo')), ('status', answer(b'other')),
                           ('none', answer(b'other', '503 No'))):
            with Server(answer(b'hello'), lie) as server:
                load('-n', '50', '--check', check, server.url)

    def test_more_can_be_expected(self):
        with Server(answer(b'hello')) as server:
            load('-n', '5', '--expect-body', 'hello', '--expect-status', '200', server.url)
            for words in ('--expect-body', 'hell'), ('--expect-status', '204'):
                load('-n', '5', *words, server.url, status=1)
        with Server(answer(b'', '404 No')) as server:
            _, said = load(server.url, status=1)
            self.assertIn('the answer is a 404; --expect-status 404', said)
            load('-n', '5', '--expect-status', '404', server.url)

    def test_who_does_not_answer_is_told(self):
        with socket.socket() as closed:
            closed.bind(('127.0.0.1', 0))
            _, said = load('http://127.0.0.1:%d/' % closed.getsockname()[1], status=1)
            self.assertIn('Connection refused', said)
        with socket.create_server(('127.0.0.1', 0)) as silent:
            url = 'http://127.0.0.1:%d/' % silent.getsockname()[1]
            _, said = load('--timeout', '50ms', url, status=1)
            self.assertIn('no answer within 0.05 s', said)
        with Server(b'SSH-2.0\r\n\r\n') as server:
            self.assertIn('malformed', load(server.url, status=1)[1])


class Words(unittest.TestCase):
    def test_help_and_version(self):
        said, _ = load('--help')
        self.assertIn('examples', said)
        self.assertTrue(all(len(line) <= 100 for line in said.splitlines()))
        self.assertRegex(load('--version')[0], r'^weft-load \d+\.\d+\.\d+\n$')

    def test_nonsense_is_refused_with_a_sentence(self):
        url = 'http://127.0.0.1:1/'
        for words in ([], ['ftp://a/'], ['http://'], ['http://a:b/'], ['http://a:99999/'], ['http://a b/'],
                      ['http://me@a/'], ['unix:'], ['echo://127.0.0.1'], ['echo://127.0.0.1:1/path'],
                      ['--bogus', url], ['-c', '0', url], ['-c', 'x', url], ['-c', '-1', url],
                      ['-n', '1.5', url], ['-n', '', url], ['-t', '10parsecs', url], ['-t', '0', url],
                      ['-r', '0', url], ['-r', '1,', url], ['-r', '1..', url], ['-r', '1k5', url],
                      ['-r', ',', url], ['-r', '1' + ',1' * 100, url], ['-H', 'nocolon', url],
                      ['-H', 'a b: c', url], ['-H', 'A: b\r\nC: d', url], ['-H', 'Content-Length: 3', url],
                      ['-X', 'G T', url], ['-d', '@/no/such/file', url], ['--targets', '/no/such', url],
                      ['--check', 'all', url], ['--check-every', '0', url], ['--expect-status', '1000', url],
                      ['--poisson', url], ['--poisson=0', '-r', '1', url], ['-n', '5', '-r', '5', url],
                      ['--close', '-p', '2', url], ['--ceiling', '--json', '-'],
                      ['--json', '-', '--csv', '-', url], [url + '=0'], ['--size', '0', url],
                      ['--timeout', '0', url], ['--spin', '-1', url], ['--null', url, url]):
            said, error = load(*words, status=2)
            self.assertEqual(said, '', words)
            self.assertRegex(error, r'weft-load: .*--help', words)

    def test_too_many_connections_are_refused_with_the_number(self):
        with Null() as url:
            done = subprocess.run(['sh', '-c', 'ulimit -n 100 && exec "$0" "$@"', PROGRAM, '-c', '200', url],
                                  capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn('200 connections need 216 descriptors, and this process may have 100', done.stderr)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + TESTS, warnings='ignore')
