"""What the tests of weft-kv from outside share: the program on a free port, and clients that are plain sockets."""
import os
import re
import resource
import signal
import socket
import subprocess
import tempfile

PATIENCE = 60  # seconds, for what takes a moment


def command(*words):
    """As clients send it."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b'*%d\r\n' % len(parts) + b''.join(b'$%d\r\n%s\r\n' % (len(part), part) for part in parts)


class Client:
    """Says bytes, and reads replies of either version."""

    def __init__(self, server, receive_buffer=None):
        self.socket = socket.socket(server.family)
        self.socket.settimeout(PATIENCE)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(server.where)
        if server.family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = self.socket.makefile('rb')

    def say(self, data):
        self.socket.sendall(data)

    def reply(self):
        line = self.lines.readline()
        if not line.endswith(b'\r\n'):
            raise EOFError('the server has closed')
        kind, rest = line[:1], line[1:-2]
        if kind in b'$=':
            return None if rest == b'-1' else self.lines.read(int(rest) + 2)[:-2]
        if kind in b'*~>':
            return None if rest == b'-1' else [self.reply() for _ in range(int(rest))]
        if kind == b'%':
            return {self.reply(): self.reply() for _ in range(int(rest))}
        if kind == b':':
            return int(rest)
        return None if kind == b'_' else line[:-2].decode()

    def ask(self, *words):
        self.say(command(*words))
        return self.reply()

    def rest(self):
        """What comes until the server closes, by an end or by a reset."""
        try:
            return self.lines.read()
        except ConnectionError:
            return b''

    def close(self):
        self.lines.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Kv:
    """A weft-kv. At the end it is told to stop, and has to do so in order, without a word of a sanitizer."""

    program = None
    unreturned = 1  # MiB of freed memory that a sanitizer may keep

    def __init__(self, *words, descriptors=None):
        self.log = tempfile.TemporaryFile()
        environment = dict(os.environ)
        environment['ASAN_OPTIONS'] = environment.get('ASAN_OPTIONS', '') + ':quarantine_size_mb=%d' % self.unreturned

        def prepare():
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        self.process = subprocess.Popen([self.program, *(words or ['--port', '0'])], env=environment, text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, preexec_fn=prepare)
        self.address = self.process.stdout.readline().strip()
        if self.address.startswith('unix:'):
            self.family, self.where = socket.AF_UNIX, self.address[5:]
            self.flags = ['-s', self.where]
        else:
            host, port = re.fullmatch(r'redis://(.*):(\d+)', self.address).groups()
            self.family, self.where = socket.AF_INET, (host, int(port))
            self.flags = ['-h', host, '-p', port]

    def memory(self, what='VmRSS'):
        """Bytes that it has; with 'VmHWM' the most that it ever had."""
        with open('/proc/%d/status' % self.process.pid, encoding='ascii') as file:
            return int(re.search(what + r':\s+(\d+) kB', file.read())[1]) << 10

    def said(self):
        self.log.seek(0)
        return self.log.read().decode('utf-8', 'replace')

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.ended()

    def ended(self):
        status = self.process.wait(timeout=PATIENCE)
        assert status == 0, (status, self.said())
        return self.said()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            if kind:
                self.process.kill()
                self.process.wait()
            else:
                self.stop()
        self.process.stdout.close()
        self.log.close()
