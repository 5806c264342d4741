#!/usr/bin/env python3
"""Run one example as a reader would, and compare what it does with what it says.

usage: run.py NAME PROGRAM [--sanitized]
       run.py note PROGRAM EXPECTED
       run.py minute_loops PROGRAM EXPECTED PROGRAM EXPECTED

A note's EXPECTED is what it writes, line by line. `stderr: ` begins a line of its standard error,
`{}` stands for any text, and `{70-200}` for a number that is measured: from 70 to 200. The lower
end is exact. The upper one allows for a machine that has other things to do, and a note that
measures may try three times to be fast enough.
"""
import http.client
import http.server
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import unquote

SANITIZED = '--sanitized' in sys.argv
END = 5 if SANITIZED else 1  # seconds after Ctrl-C

GENERATOR = """\
0 1 1 2 3 5 8 13 21 34
fibonacci: closed
2 is sent, the mean is 2
4 is sent, the mean is 3
9 is sent, the mean is 5
"""

HELLO = """\
the greeter starts as soon as we wait for something
hello, world
now it sleeps, and we do not
goodbye, world
its last words: it was a pleasure
"""

ACTOR = """\
+50: done
-30: done
-30: Numerical result out of range
+20: done
-30: done
closed with 10
"""

FANOUT = """\
20 answers, sum 190, at most 4 at once
"""

WORKERS = """\
0 1 4 9 16 25 36 49 64 81 100 121
"""

RACE = """\
a second for both:
  near: answers
  far: Operation canceled
near wins; the scope says: success
five milliseconds for both:
  far: Operation canceled
  near: Operation canceled
nobody wins; the scope says: Connection timed out
"""


def prints(program, text):
    done = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=30, check=False)
    assert (done.stdout, done.stderr, done.returncode) == (text, '', 0), done


def sleepers(program):
    for count in 1, 5000:
        done = subprocess.run([program, str(count)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=30, check=False)
        found = re.fullmatch(r'%d sleepers, \d+ bytes each, asleep after \d+ ms\n'
                             r'woken %d times in (\d+) ms\n' % (count, 2 * count), done.stdout)
        assert found and (done.stderr, done.returncode) == ('', 0), done
        assert int(found[1]) >= 2000, 'two naps are two seconds'


def pattern(line):
    """A line of EXPECTED as a regular expression; the ranges of its numbers."""
    words = re.split(r'\{(.*?)\}', line)
    ranges = [tuple(map(float, word.split('-'))) for word in words[1::2] if word]
    for i, word in enumerate(words):
        words[i] = re.escape(word) if i % 2 == 0 else r'([0-9.]+)' if word else '.*'
    return ''.join(words), ranges


def numbers(expected, written):
    """[(number, least, most)] of what was written as expected; None: it was not."""
    if len(expected) != len(written):
        return None
    found = []
    for line, text in zip(expected, written):
        regex, ranges = pattern(line)
        match = re.fullmatch(regex, text)
        if not match:
            return None
        found += [(float(n), *r) for n, r in zip(match.groups(), ranges)]
    return found


def note(program, expected, tries=3):
    """Run it; the numbers that it has measured."""
    with open(expected, encoding='utf-8') as file:
        lines = file.read().splitlines()
    errors = [line[len('stderr: '):] for line in lines if line.startswith('stderr: ')]
    lines = [line for line in lines if not line.startswith('stderr: ')]
    done = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=30, check=False)
    assert done.returncode == 0, done
    found = numbers(lines, done.stdout.splitlines())
    reported = numbers(errors, done.stderr.splitlines())
    assert not found or all(least <= n for n, least, _ in found), (found, done.stdout)
    if found is not None and reported is not None and all(n <= most for n, _, most in found):
        return [n for n, _, _ in found]
    measures = any(pattern(line)[1] for line in lines)
    assert measures and tries > 1, done
    return note(program, expected, tries - 1)


def minute_loops(first, first_expected, second, second_expected):
    """The second one is what the note recommends: its rounds come more often."""
    for _ in range(3):
        slow, fast = note(first, first_expected)[0], note(second, second_expected)[0]
        if fast < slow:
            return
    assert False, 'a round each %.1f ms, and %.1f ms' % (slow, fast)


def interruptible():
    """A test run in the background has SIGINT ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Program:
    """A server, from its start to the signal that ends it."""

    def __init__(self, *words, how=signal.SIGINT):
        # pylint: disable-next=subprocess-popen-preexec-fn
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, preexec_fn=interruptible)
        self.how = how
        self.last_words = set()  # the lines that it says when it ends, in any order

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        begin = time.monotonic()
        self.process.send_signal(self.how)
        try:
            rest = self.process.communicate(timeout=20)
        finally:
            self.process.kill()
        if not failed:
            took = time.monotonic() - begin
            assert took < END, 'took %.1f s to end' % took
            assert (rest[1], self.process.returncode) == ('', 0), (rest, self.process.returncode)
            assert set(rest[0].splitlines()) == self.last_words, rest


class Server(Program):
    """The example on a free port, which its first line tells."""

    def __init__(self, program, *words):
        super().__init__(program, '127.0.0.1:0', *words)
        self.line = self.process.stdout.readline().strip()
        self.host, port = self.line.split('/')[-1].split(':')
        self.port = int(port)

    def connect(self):
        return socket.create_connection((self.host, self.port), timeout=10)


def refuses_a_taken_address(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=30, check=False)
    assert done.returncode == 1 and 'in use' in done.stderr and not done.stdout, done


def receive(client, size):
    data = b''
    while len(data) < size:
        piece = client.recv(size - len(data))
        assert piece, 'the server closed after %d of %d bytes' % (len(data), size)
        data += piece
    return data


def echo(program):
    with Server(program) as server:
        first, second = server.connect(), server.connect()
        for client, text in (second, b'two'), (first, b'one'), (second, b'x' * 100000):
            client.sendall(text)
            assert receive(client, len(text)) == text
        second.shutdown(socket.SHUT_WR)
        assert second.recv(1) == b'', 'the end of the stream is not echoed'
        refuses_a_taken_address(program, '%s:%d' % (server.host, server.port))
        # `first` stays connected: Ctrl-C ends the server all the same.


def cores(program):
    with Server(program, '3') as server:
        seen = {}
        for _ in range(60):
            client = server.connect()
            words = client.makefile('rb').readline().split()
            assert words[0] == b'client' and words[2:4] == [b'of', b'loop'], words
            seen[words[4]] = seen.get(words[4], 0) + 1
            assert words[1] == b'%d' % seen[words[4]], (words, seen)
            client.close()
        assert seen.keys() <= {b'0', b'1', b'2'}, seen
        refuses_a_taken_address(program, '%s:%d' % (server.host, server.port))
        server.last_words = {'loop %d of 3: %d clients' % (i, seen.get(b'%d' % i, 0))
                             for i in range(3)}


def connect_when_ready(path):
    """To a server that says nothing: its socket is there when it listens."""
    deadline = time.monotonic() + 20
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        try:
            client.connect(path)
            return client
        except (FileNotFoundError, ConnectionRefusedError):
            client.close()
            assert time.monotonic() < deadline, 'nobody listens on ' + path


def readme(program):
    """The README's echo server, built to serve unix:readme.socket here."""
    for how in signal.SIGINT, signal.SIGTERM:
        with Program(program, how=how):
            with connect_when_ready('readme.socket') as client:
                client.sendall(b'x' * 100000)
                assert receive(client, 100000) == b'x' * 100000
                refuses_a_taken_address(program)


def line(client):
    text = b''
    while not text.endswith(b'\n'):
        text += receive(client, 1)
    return text


def says_back_much(listener):
    """What one client says is said back, from the end of it on."""
    client, _ = listener.accept()
    with client:
        heard = b''.join(iter(lambda: client.recv(1 << 16), b''))
        client.sendall(heard[::-1])


def proxy(program):
    """Both ways, much and little, ends and resets."""
    film = os.urandom(3 << 20)
    with socket.create_server(('127.0.0.1', 0)) as listener:
        target = '127.0.0.1:%d' % listener.getsockname()[1]
        with Server(program, target) as server:
            for data in b'', b'little', film:
                thread = threading.Thread(target=says_back_much, args=(listener,))
                thread.start()
                client = server.connect()
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                assert receive(client, len(data)) == data[::-1] and client.recv(1) == b''
                thread.join()
            talker = server.connect()
            behind, _ = listener.accept()
            for words in b'one', b'two':
                talker.sendall(words)
                assert receive(behind, 3) == words
                behind.sendall(words)
                assert receive(talker, 3) == words
            behind.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            behind.close()
            assert is_reset(talker)
            talker = server.connect()
            behind, _ = listener.accept()
            talker.sendall(b'only a part')
            assert receive(behind, 11) == b'only a part'
            talker.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            talker.close()
            assert is_reset(behind)
            refuses_a_taken_address(program, '%s:%d' % (server.host, server.port))


def is_reset(client):
    """Whether it ends so; False: by an ordinary end."""
    try:
        assert client.recv(1) == b''
        return False
    except ConnectionResetError:
        return True


def send_file(program):
    """What is there, what is not, and what is none of a client's business."""
    with tempfile.TemporaryDirectory() as folder:
        above = os.path.join(folder, 'secret')
        shared = os.path.join(folder, 'shared')
        os.makedirs(os.path.join(shared, 'sub'))
        files = {'page': b'x' * 300, 'film': os.urandom(3 << 20), 'empty': b'', '.hidden': b'no'}
        for name, data in files.items():
            with open(os.path.join(shared, name), 'wb') as file:
                file.write(data)
        with open(above, 'wb') as file:
            file.write(b'no')
        os.mkfifo(os.path.join(shared, 'fifo'))
        with Server(program, shared) as server:
            client = server.connect()
            client.sendall(b'\n')
            names = {line(client) for _ in range(4)}
            assert names == {b'page\n', b'film\n', b'empty\n', b'\n'}, names
            client.sendall(b'page\nfilm\r\nempty\n')
            for name in 'page', 'film', 'empty':
                assert line(client) == b'ok %d\n' % len(files[name])
                assert receive(client, len(files[name])) == files[name], name
            for name in '.hidden', '..', '../secret', above, 'sub', 'fifo', 'sub/../page':
                client.sendall(name.encode() + b'\n')
                assert line(client) == b'no: Permission denied\n', name
            client.sendall(b'nothing\n\xff%n\n')
            assert [line(client) for _ in range(2)] == 2 * [b'no: No such file or directory\n']
            gone = server.connect()
            gone.sendall(b'film\n')
            receive(gone, 5)
            gone.close()  # in the middle of it
            long = server.connect()
            long.sendall(b'x' * 100000)
            assert line(long) == b'no: File name too long\n'
            client.sendall(b'page')  # a last line without an end
            client.shutdown(socket.SHUT_WR)
            assert receive(client, 307) == b'ok 300\n' + files['page'] and client.recv(1) == b''
            refuses_a_taken_address(program, '%s:%d' % (server.host, server.port))
            idle = server.connect()
            assert idle  # stays connected: Ctrl-C ends the server all the same


def watch(program):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'shop.conf')

        def write(text, name=path):
            with open(name, 'w', encoding='utf-8') as file:
                file.write(text)

        write('a = 1\nb = 2\n# c = 3\n')
        with Program(program, path) as running:
            def says(text):
                found = running.process.stdout.readline()
                assert found == text, (found, text)

            says('2 settings\n')
            write('a = 1\n')
            says('1 settings\n')
            write('x', os.path.join(folder, 'other.conf'))  # not ours
            write('a = 1\nb\n\nc = 3\nd=4', path + '.new')
            os.rename(path + '.new', path)
            says('3 settings\n')
            write('a = 1\n' * 10000)
            says('3 settings stay: File too large\n')
            os.remove(path)
            os.mkdir(path + '.folder')
            os.rename(path + '.folder', path)
            says('3 settings stay: Is a directory\n')
            os.rmdir(path)
            write('')
            says('0 settings\n')
    done = subprocess.run([program, folder + '/none/x'], stderr=subprocess.PIPE, timeout=30,
                          check=False)
    assert done.returncode == 1 and b'No such file' in done.stderr, done
    assert subprocess.run([program], stderr=subprocess.PIPE, check=False).returncode == 2


class Site(http.server.BaseHTTPRequestHandler):
    """What there is to fetch."""
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass

    def chunk(self, data):
        self.wfile.write(b'%x\r\n%s\r\n' % (len(data), data))

    def do_GET(self):  # pylint: disable=invalid-name
        self.send_response(200 if self.path != '/none' else 404)
        if self.path == '/none':
            self.send_header('Content-Length', '5')
            self.end_headers()
            self.wfile.write(b'none\n')
            return
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        for size in range(1, 3000):
            self.chunk(b'x' * size)
        if self.path == '/cut':
            self.close_connection = True
        else:
            self.chunk(b'')


def fetch(program):
    whole = b'x' * sum(range(1, 3000))
    site = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    url = 'http://127.0.0.1:%d/' % site.server_port
    for path, status, body, error in (('', 0, whole, b''),
                                      ('none', 1, b'none\n', b'the server answered 404'),
                                      ('cut', 1, whole, b'response: ')):
        done = subprocess.run([program, url + path], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=30, check=False)
        assert (done.returncode, done.stdout) == (status, body), done
        assert error in done.stderr and bool(error) == bool(done.stderr), done
    site.shutdown()
    site.server_close()
    done = subprocess.run([program, url], stderr=subprocess.PIPE, timeout=30, check=False)
    assert done.returncode == 1 and b'refused' in done.stderr, done
    assert subprocess.run([program], stderr=subprocess.PIPE, check=False).returncode == 2


def get(connection, path):
    connection.request('GET', path)
    response = connection.getresponse()
    return response.status, response.read().decode()


# What a client may write for :id. The services see one segment, decoded, whatever is in it.
NAMES = ('7', 'x', 'a%2Fb', '..%2F..%2Fetc', '..', 'x%3Fy', 'x%23y', 'a%20b', 'a+b', '%2525', '%22',
         '%0D%0AX:%20y', '%C3%A9')


def gateway(program):
    with Server(program) as server:
        assert server.line == 'http://%s:%d' % (server.host, server.port)
        connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
        for name in NAMES:
            status, body = get(connection, '/basket/' + name)
            assert status == 200, (name, status, body)
            assert json.loads(body) == {'user': {'id': unquote(name), 'name': 'Ada'},
                                        'cart': ['tea', 'bread']}, (name, body)
        # Escaped three times as long: more than a request line may have, so users answers 414.
        assert get(connection, '/basket/' + '!' * 4000) == (502, 'upstream failed\n')
        begin = time.monotonic()
        assert get(connection, '/basket/slow') == (502, 'upstream failed\n')
        assert 0.3 <= time.monotonic() - begin < 5, 'the deadline is 300 ms'
        assert get(connection, '/basket')[0] == 404
        refuses_a_taken_address(program, '%s:%d' % (server.host, server.port))


def main():
    name, *words = [word for word in sys.argv[1:] if word != '--sanitized']
    checks = {
        'actor': lambda path: prints(path, ACTOR),
        'cores': cores,
        'echo': echo,
        'fanout': lambda path: prints(path, FANOUT),
        'fetch': fetch,
        'gateway': gateway,
        'generator': lambda path: prints(path, GENERATOR),
        'hello': lambda path: prints(path, HELLO),
        'minute_loops': minute_loops,
        'note': note,
        'proxy': proxy,
        'race': lambda path: prints(path, RACE),
        'readme': readme,
        'send_file': send_file,
        'watch': watch,
        'workers': lambda path: prints(path, WORKERS),
        'sleepers': sleepers,
    }
    checks[name](*words)
    print('ok', name)


if __name__ == '__main__':
    main()
