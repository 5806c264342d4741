#!/usr/bin/env python3
"""Run one example that needs a Redis, as a reader would: with weft-kv, or with the real redis-server.

usage: with_redis.py NAME PROGRAM WEFT_KV [--real] [--sanitized]

The server is killed and started anew under each of them. Exits with 77 where the real one is wanted
and there is none.
"""
import glob
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from run import Program, Server, connect_when_ready, get, line, refuses_a_taken_address

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEER = os.path.join(TOP, 'build', 'peers', 'redis')
PATIENCE = 20  # seconds


def eventually(what):
    """Until it is so, which another process says in no other way: a client that has lost its server looks for it
    again at times of its own."""
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, 'it never came'
        time.sleep(0.02)


class Store:
    """A server of Redis's commands on a Unix socket, which can be killed and started anew."""

    def __init__(self, words, folder):
        self.path = os.path.join(folder, 'redis')
        self.address = 'unix:' + self.path
        self.environment = dict(os.environ)
        self.words = [words, '--unix', self.path]
        if words == '--real':
            self.words = real_server() + ['--port', '0', '--unixsocket', self.path, '--save', '',
                                          '--appendonly', 'no', '--dir', folder]
            libraries = glob.glob(os.path.join(PEER, 'usr/lib/*-linux-gnu'))
            self.environment['LD_LIBRARY_PATH'] = ':'.join(libraries)
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.words, stdout=subprocess.DEVNULL, env=self.environment)
        connect_when_ready(self.path).close()

    def kill(self):
        self.process.kill()
        self.process.wait()
        os.unlink(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ask(self, *words):
        """An integer, a text, a list; an error as its text."""
        with connect_when_ready(self.path) as client, client.makefile('rb') as lines:
            client.sendall(b'*%d\r\n' % len(words) + b''.join(
                b'$%d\r\n%s\r\n' % (len(word), word.encode()) for word in words))
            return read_reply(lines)


def read_reply(lines):
    head = lines.readline().decode().strip()
    if head[0] == '*':
        return [read_reply(lines) for _ in range(int(head[1:]))]
    if head[0] == '$':
        return None if head == '$-1' else lines.read(int(head[1:]) + 2)[:-2].decode()
    return int(head[1:]) if head[0] == ':' else head[1:]


def real_server():
    for program in os.path.join(PEER, 'usr/bin/redis-server'), '/usr/bin/redis-server':
        if os.path.exists(program):
            return [program]
    print('not installed: redis-server')
    sys.exit(77)


class Site:
    """An HTTP client of a server."""

    def __init__(self, server):
        self.server = server

    def ask(self, path, method='GET', headers=None):
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=PATIENCE)
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        answer = response.status, response.headers, response.read().decode()
        connection.close()
        return answer


def in_threads(fn, *arguments):
    """What each call has returned, all at the same time."""
    found = [None] * len(arguments)

    def run(i):
        found[i] = fn(arguments[i])

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(arguments))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


# --- the cache ---

def cache(program, store):
    with Server(program, store.address) as server:
        site = Site(server)

        def weather(city):
            status, headers, text = site.ask('/weather/' + city)
            assert (status, text) == (200, 'it rains in %s\n' % city.split('?')[0]), (status, text)
            return headers['X-Cache']

        # On a busy machine some of those who ask at once are late, and Redis may be too slow for a cache.
        single = shared = 0
        for i in range(5):
            how = in_threads(weather, *['town%d' % i] * 8)
            assert 'miss' in how and set(how) <= {'miss', 'shared', 'hit'}, how
            eventually(lambda: weather('town%d' % i) == 'hit')  # pylint: disable=cell-var-from-loop
            assert 0 < store.ask('TTL', 'weather:town%d' % i) <= 60
            single += how.count('miss') == 1
            shared += how.count('shared')
        assert single and shared, 'nobody has waited for another one'
        # Whose client has lost patience leaves the lead to another.
        impatient = lambda city: site.ask(city)[0]  # pylint: disable=unnecessary-lambda-assignment
        status = in_threads(impatient, '/weather/rome?within=50', *['/weather/rome'] * 4)
        assert status == [504, 200, 200, 200, 200], status
        assert in_threads(impatient, *['/weather/atlantis'] * 3) == [404] * 3
        assert store.ask('EXISTS', 'weather:atlantis') == 0
        store.kill()
        assert weather('town1') == 'miss', 'without Redis'
        store.start()
        eventually(lambda: weather('town1') == 'hit')
        refuses_a_taken_address(program, '%s:%d' % (server.host, server.port), store.address)


# --- the chat ---

class Guest:
    def __init__(self, server, room, name, size=None):
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE)
        if size:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        self.socket.connect((server.host, server.port))
        self.lines = self.socket.makefile('rb')
        self.socket.sendall(b'%s\n%s\n' % (room, name))
        if not size:  # another server's guests may have said something just now
            assert any(text.endswith(b'* %s is here\n' % name) for text in self.lines), name

    def says(self, *texts):
        self.socket.sendall(b''.join(text + b'\n' for text in texts))

    def hears(self, *texts):
        for text in texts:
            found = self.lines.readline()
            assert found == text + b'\n', (found, text)


def is_told_what_it_has_missed(guest):
    return any(b'came too fast for you' in text for text in guest.lines)


def chat(program, store):
    with Server(program, store.address) as here, Server(program, store.address) as there:
        ann, bob = Guest(here, b'kitchen', b'ann'), Guest(there, b'kitchen', b'bob')
        ann.hears(b'* bob is here')
        eve = Guest(there, b'cellar', b'eve')
        ann.says(b'hello')
        bob.hears(b'ann: hello')
        bob.says(b'ha\x1b[2Jlo')
        bob.hears(b'bob: ha?[2Jlo')
        ann.hears(b'ann: hello', b'bob: ha?[2Jlo')
        eve.says(b'who is here?')
        eve.hears(b'eve: who is here?')
        with here.connect() as bad:
            bad.sendall(b'a room\n')
            assert b'that does not go' in line(bad)
        slow = Guest(here, b'kitchen', b'slow', size=4096)
        for guest in ann, bob:
            guest.hears(b'* slow is here')
        texts = [b'%d' % i + 400 * b'x' for i in range(32)]
        for _ in range(300):  # more than the kernel and the stream have room for
            ann.says(*texts)
            ann.hears(*[b'ann: ' + text for text in texts])
        assert is_told_what_it_has_missed(slow)
        crowd = [Guest(there, b'hall', b'guest%d' % i) for i in range(20)]
        crowd[0].says(b'so many')
        for guest in crowd:
            assert any(text == b'guest0: so many\n' for text in guest.lines)
        eve.socket.shutdown(socket.SHUT_WR)
        assert eve.lines.readline() in (b'', b'* eve has left\n')
        store.kill()
        bob.says(b'is it on?')
        assert any(b'that does not go' in text for text in bob.lines)
        store.start()
        ann.hears(b'* there is a gap here')
        ann.says(b'again')
        ann.hears(b'ann: again')
        refuses_a_taken_address(program, '%s:%d' % (here.host, here.port), store.address)


# --- the leaderboard ---

def leaderboard(program, store):
    with Server(program, store.address) as server:
        site = Site(server)
        assert get(http.client.HTTPConnection(server.host, server.port), '/top') == (200, '[]\n')
        for i in range(12):
            assert site.ask('/players/p%d?points=%d' % (i, 10 * i), 'POST')[0] == 204
        for points, best in (7.5, 7.5), (-3, 7.5), (200, 200):
            assert site.ask('/players/%%22x%%20y?points=%g' % points, 'POST')[0] == 204
            assert site.ask('/players/%22x%20y')[2].endswith('"points":%g}\n' % best)
        top = site.ask('/top')[2]
        assert top.startswith('[{"name":"\\"x y","points":200},\n {"name":"p11","points":110},'), top
        assert top.count('name') == 10 and top.endswith('}]\n'), top
        assert site.ask('/players/p11')[2] == '{"rank":2,"points":110}\n'
        assert site.ask('/players/nobody')[0] == 404
        for points in '', '?points=', '?points=x', '?points=1x', '?points=nan', '?points=inf':
            assert site.ask('/players/p1' + points, 'POST')[0] == 400, points
        store.ask('SET', 'board', 'x')
        assert site.ask('/top')[0] == 500, 'it is no sorted set'
        store.kill()
        status, headers, _ = site.ask('/top')
        assert (status, headers['Retry-After']) == (503, '1')
        store.start()
        eventually(lambda: site.ask('/top')[0] == 200)
        refuses_a_taken_address(program, '%s:%d' % (server.host, server.port), store.address)


# --- the limiter ---

def limiter(program, store):
    with Server(program, store.address, '3', '3600') as server, \
         Server(program, store.address, '2', '1') as short:
        site = Site(server)
        found = [site.ask('/hello/you') for _ in range(4)]
        while found[-1][0] != 429:  # on a busy machine Redis may not have answered in time
            assert any('X-RateLimit' in headers for _, headers, _ in found) and len(found) < 50
            found.append(site.ask('/hello/you'))
        left = [headers['X-RateLimit-Remaining'] for status, headers, _ in found
                if status == 200 and 'X-RateLimit' not in headers]
        assert left == ['2', '1', '0'][:len(left)], found
        assert 3500 < int(found[-1][1]['Retry-After']) <= 3600
        assert 'X-RateLimit-Remaining' not in found[-1][1]
        assert site.ask('/hello/you', headers={'X-Api-Key': 'mine'})[0] == 200
        assert 0 < store.ask('TTL', 'limit:key:mine') <= 3600
        eventually(lambda: site.ask('/hello/you', headers={'X-Api-Key': 'made up'})[0] == 429)
        assert store.ask('EXISTS', 'limit:key:made up') == 0
        store.ask('DEL', 'limit:127.0.0.1')
        quick = Site(short)
        eventually(lambda: quick.ask('/hello/you')[0] == 429)
        eventually(lambda: quick.ask('/hello/you')[0] == 200)
        store.kill()
        for _ in range(5):
            status, headers, _ = site.ask('/hello/you')
            assert (status, headers['X-RateLimit']) == (200, 'off')
        store.start()
        eventually(lambda: site.ask('/hello/you')[0] == 429)
        refuses_a_taken_address(program, '%s:%d' % (server.host, server.port), store.address)


# --- the queue of jobs ---

class Workers(Program):
    """Workers, and what they say to have done."""

    def __init__(self, program, store):
        super().__init__(program, store.address)
        self.done = []

    def do(self, count):
        self.done += [self.process.stdout.readline() for _ in range(count)]

    def __exit__(self, failed, *_):
        self.process.send_signal(self.how)
        self.done += self.process.stdout.readlines()  # with what is buffered here already
        err = self.process.stderr.read()
        self.process.wait(timeout=PATIENCE)
        assert failed or self.how == signal.SIGKILL or (err, self.process.returncode) == ('', 0), err


def put(program, store, *texts):
    done = subprocess.run([program, store.address, *texts], stdout=subprocess.PIPE, timeout=PATIENCE,
                          text=True, check=True)
    return [said.replace(': put\n', ': done\n') for said in done.stdout.splitlines(True)]


def jobs(program, store):
    assert put(program, store, 'wash the car') == ['1:wash the car: done\n']
    with Workers(program, store) as workers:
        workers.do(1)
        wanted = put(program, store, '', *['job'] * 20)
        workers.do(3)
    assert workers.done[0] == '1:wash the car: done\n'
    done = workers.done[1:]
    assert len(set(done)) == len(done), 'a job was done twice'
    # The server may have moved one in the moment in which its worker ended: that is still in its list.
    left = [job for key in ['jobs:todo'] + store.ask('KEYS', 'jobs:doing:*')
            for job in store.ask('LRANGE', key, '0', '-1')]
    assert {job + ': done\n' for job in left} == set(wanted) - set(done), (left, done)
    with Workers(program, store) as killed:
        killed.how = signal.SIGKILL
        killed.do(2)
    numbers = store.ask('SMEMBERS', 'jobs:workers')
    assert len(numbers) > 4, 'none of them is forgotten yet'
    store.ask('DEL', *['jobs:alive:' + number for number in numbers])  # ten seconds later
    with Workers(program, store) as workers:
        seen = set(done) | set(killed.done)
        while seen != set(wanted):
            workers.do(1)
            assert workers.done[-1] in wanted, workers.done
            seen.add(workers.done[-1])
        eventually(lambda: store.ask('SCARD', 'jobs:workers') == 4)
        # One that has stopped asks on, and is buried meanwhile: it is given nothing any more.
        numbers = store.ask('SMEMBERS', 'jobs:workers')
        with Workers(program, store) as stopped:
            stopped.how = signal.SIGKILL
            eventually(lambda: blocked(store) == 8)
            stopped.process.send_signal(signal.SIGSTOP)
            over = time.monotonic() + 5.5  # what it has asked the server for
            dead = set(store.ask('SMEMBERS', 'jobs:workers')) - set(numbers)
            eventually(lambda: time.monotonic() > over and blocked(store) <= 4)
            store.ask('DEL', *['jobs:alive:' + number for number in dead])
            eventually(lambda: store.ask('SCARD', 'jobs:workers') == 4)
            wanted = put(program, store, *['left over'] * 4)
            workers.do(4)
            assert sorted(workers.done[-4:]) == sorted(wanted), workers.done
        store.kill()
        store.start()  # and it knows nothing
        wanted = put(program, store, 'after it')
        workers.do(1)
        assert workers.done[-1] in wanted, workers.done
    assert store.ask('LLEN', 'jobs:todo') == 0


def blocked(store):
    found = [text for text in store.ask('INFO', 'clients').splitlines() if text.startswith('blocked_clients:')]
    return int(found[0].partition(':')[2])


def knows_lists(server):
    with tempfile.TemporaryDirectory() as folder, Store(server, folder) as store:
        return store.ask('LLEN', 'none') == 0


def main():
    name, program, server = [word for word in sys.argv[1:] if not word.startswith('--')]
    checks = {'cache': cache, 'chat': chat, 'jobs': jobs, 'leaderboard': leaderboard, 'limiter': limiter}
    if '--real' in sys.argv or name == 'jobs' and not knows_lists(server):
        server = '--real'
    with tempfile.TemporaryDirectory() as folder, Store(server, folder) as store:
        checks[name](program, store)
    print('ok', name)


if __name__ == '__main__':
    main()
