"""What the tests of the storefront share: the program from its first line until Ctrl-C, a connection,
and the products.

Each of them is run as: NAME.py PROGRAM PRODUCTS [--sanitized] [TEST...]

PRODUCTS is the file that was built into the program. --sanitized: memory is not judged, and the
limits of time are wider. Nothing here sleeps: every wait is for an event, with a deadline.
"""
import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import time
import unittest

SANITIZED = '--sanitized' in sys.argv
SLACK = 5 if SANITIZED else 1  # seconds: for the end, and above a deadline
PATIENCE = 20                  # seconds: longer than anything takes that does not hang
PROGRAM, PRODUCTS, *TESTS = [a for a in sys.argv[1:] if a != '--sanitized'] or (None, None)


class Storefront:
    """The program on a free port, from its first line until Ctrl-C."""

    def __init__(self, *flags, files=None, listen=('--listen', '127.0.0.1:0'), complaint=''):
        if '--latency' not in flags and '--slow' not in flags:
            flags = ('--latency', '0', *flags)
        self.complaint = complaint  # what it may say on stderr

        def prepare():  # who runs the tests in the background ignores SIGINT, and children inherit
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        self.process = subprocess.Popen([PROGRAM, *listen, *flags], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, preexec_fn=prepare)
        self.said = b''  # and not read as a line yet
        self.url, self.example = self.line(), self.line()
        self.hint = self.line()
        self.services = {}  # --split: name -> (process, port)
        while found := re.fullmatch(r'(\w+) +process (\d+) at 127.0.0.1:(\d+)', self.hint):
            self.services[found[1]] = int(found[2]), int(found[3])
            self.hint = self.line()
        self.port = int(self.url.rpartition(':')[2])

    def line(self):
        """The next line that it prints."""
        output = self.process.stdout.fileno()
        while b'\n' not in self.said:
            more = select.select([output], [], [], PATIENCE)[0] and os.read(output, 4096)
            if not more:
                self.process.kill()
                raise AssertionError('it said %r and %s' % (self.said, self.process.communicate()))
            self.said += more
        line, self.said = self.said.split(b'\n', 1)
        return line.decode()

    def until(self, pattern):
        """The first line that has the pattern: the match."""
        deadline = time.monotonic() + PATIENCE
        lines = []
        while time.monotonic() < deadline:
            lines.append(self.line())
            if found := re.search(pattern, lines[-1]):
                return found
        raise AssertionError('%s was not said, but %s' % (pattern, '\n'.join(lines)))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.process.kill()
            print(self.process.communicate()[1], file=sys.stderr)
        elif self.process.poll() is None:
            self.end()

    def end(self, how=signal.SIGINT):
        start = time.monotonic()
        self.process.send_signal(how)
        self.ended(start)

    def ended(self, start):
        try:
            errors = self.process.communicate(timeout=PATIENCE)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError('it does not end; said: ' + self.process.communicate()[1])
        took = time.monotonic() - start
        assert self.process.returncode == 0, (self.process.returncode, errors)
        assert took < SLACK, 'took %.2f s to end' % took
        assert re.fullmatch(self.complaint, errors), errors

    def client(self):
        return Client(self.port)

    def get(self, path):
        with self.client() as client:
            return client.get(path)

    def post(self, path, more=''):
        with self.client() as client:
            client.ask(path, 'POST', more)
            status, _, body = client.answer()
            return status, json.loads(body)

    def stats(self, since=0):
        status, _, body = self.get('/stats?since=%d' % since)
        assert status == 200, status
        return json.loads(body)

    def timed(self, path):
        """(status, the JSON of the body, seconds)"""
        start = time.monotonic()
        status, _, body = self.get(path)
        return status, json.loads(body), time.monotonic() - start

    def threads(self):
        return len(os.listdir('/proc/%d/task' % self.process.pid))

    def files(self):
        return len(os.listdir('/proc/%d/fd' % self.process.pid))

    def resident(self):
        with open('/proc/%d/statm' % self.process.pid, encoding='ascii') as file:
            return int(file.read().split()[1]) * resource.getpagesize()


class Client:
    """One connection."""

    def __init__(self, port):
        self.socket = socket.create_connection(('127.0.0.1', port), timeout=PATIENCE)
        self.input = self.socket.makefile('rb')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.input.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode('latin-1') if isinstance(data, str) else data)

    def ask(self, path, method='GET', more=''):
        self.send('%s %s HTTP/1.1\r\nHost: test\r\n%s\r\n' % (method, path, more))

    def answer(self, to='GET'):
        """(status, headers, body); status 0 when the server has closed."""
        line = self.input.readline().decode('latin-1')
        if not line:
            return 0, {}, b''
        headers = {}
        while (field := self.input.readline().decode('latin-1')) not in ('\r\n', ''):
            name, _, value = field.partition(':')
            headers[name.lower()] = value.strip()
        size = 0 if to == 'HEAD' else int(headers.get('content-length', 0))
        return int(line.split()[1]), headers, self.input.read(size)

    def get(self, path, method='GET'):
        self.ask(path, method)
        return self.answer(method)

    def closed(self):
        """Whether the server closes now, and says nothing more."""
        try:
            return self.input.read() == b''
        except ConnectionResetError:
            return True


def read_products():
    """What the page of each product must say, in order."""
    with open(PRODUCTS, encoding='utf-8') as file:
        for line in file:
            number, name, category, text, cents, stock, *reviews = line.rstrip('\n').split('\t')
            yield {
                'product': {'id': int(number), 'name': name, 'category': category,
                            'description': text},
                'price': {'currency': 'EUR', 'cents': int(cents)},
                'stock': {'pieces': int(stock)},
                'reviews': [{'stars': int(r[0]), 'text': r[2:]} for r in reviews],
                'degraded': False,
            }


def main():
    unittest.main(argv=sys.argv[:1] + TESTS, warnings='ignore')
