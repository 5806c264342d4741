#!/usr/bin/env python3
"""Nothing that two servers read differently is accepted: weft beside the servers of peers.py.

usage: run.py ECHO PEERS [--all] [TEXT]

ECHO is weft's server (echo.c), PEERS the folder that tools/peers unpacks into. Every payload of
payloads.py is sent to all of them, and each yields a reading: the requests it has acted on, as
(method, target, size and hash of the body), until it refused, or closed, or waited for more. Two
readings contradict each other when at the first place where they differ both have something: a
server that has refused there has not read it otherwise, it has not read it at all.

weft passes when its reading contradicts nobody's. So where two others contradict each other it has
refused, at that place or before: had it gone on there, it would contradict one of them. And it may
not go on where all the others have stopped.

Without --all every fourth payload is sent; with it all, and to weft byte by byte as well. TEXT:
only those with it in their name, and what each server reads in them. Where a server is not there,
the others are compared; then the end is status 77 and its name.
"""
import asyncio
import functools
import os
import posixpath
import re
import signal
import sys
import tempfile
from urllib.parse import unquote_to_bytes

sys.dont_write_bytecode = True  # the tree stays as it is
# pylint: disable=wrong-import-position
from payloads import build, shown
from peers import PATIENCE, PEERS, Absent, prepare

AT_ONCE = 16   # connections to one server
STEP = 4       # without --all, one payload of so many
SILENCE = 0.5  # seconds without a word, then our side of the connection is closed
CALM = 3       # the same, when a contradiction is looked at once more
GRACE = 5      # seconds for what comes after that
SHOWN = 20     # findings are looked at once more, and printed
PEERS_MIN = 6  # servers, before what all of them do says something
WAITS = ('waits',)
REFUSALS = {400, 408, 411, 413, 414, 417, 431, 501, 505}
ANSWER = re.compile(rb'HTTP/1\.[01] (\d{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n')
SAW = re.compile(rb'^Saw: (\S+) (\S+) (\d+|-) ([0-9a-f]{8}|-)\r$', re.M)
NOTED = re.compile(rb'^noted:', re.I | re.M)

# What a server reads otherwise than all the others and what says nothing about weft: whose, in
# which payloads, and what it does there.
EXPLAINED = (
    ('h2o', 'target HTTP://|target https?://.* an empty Host', 'takes a whole URL for a path'),
    ('squid', '(?i)method get ', 'writes methods in upper case'),
    ('waitress', '(?i)Expect 100-continue in GET', 'loses a GET that expects 100'),
    ('node', 'Upgrade .* (in GET|with a length|with a coding)',
     'reads nothing behind a request to upgrade'),
    ('trafficserver', 'trailer .*(y{30}|Y{30}|a long value)', 'comes to no end of a long trailer'),
)

# What is not sent to a server, because it never ends what it does then, or is stopped by it.
SPARED = (
    ('tornado', 'size -(5|f+)$'),
    ('trafficserver', 'behind 1000 headers'),
    ('waitress', 'length with (65536|70000) blanks'),
)


async def together(coroutines):
    """All at once; where one fails, none goes on."""
    tasks = [asyncio.ensure_future(c) for c in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# --- One payload to one server --------------------------------------------------------------------

class Exchange:
    """What came back, whether the server waited for more, and whether it has closed."""

    def __init__(self, payload, turn):
        self.payload = payload
        # No other connection of this run has this address.
        self.source = '127.%d.%d.%d' % (turn, payload.number >> 8, payload.number & 255)
        self.bytes = b''
        self.waited = self.closed = self.lost = False

    async def run(self, port, silence, piece):
        try:
            reader, writer = await asyncio.open_connection('127.0.0.1', port,
                                                           local_addr=(self.source, 0))
        except OSError:
            self.lost = True
            return
        try:
            for at in range(0, len(self.payload.data), piece):
                writer.write(self.payload.data[at:at + piece])
            await self.read(reader, writer, silence)
        except OSError:
            self.closed = True
        finally:
            writer.close()

    async def read(self, reader, writer, silence):
        while not self.closed:
            try:
                more = await asyncio.wait_for(reader.read(1 << 16),
                                              GRACE if self.waited else silence)
                self.bytes += more
                self.closed = not more
            except asyncio.TimeoutError:
                if self.waited:
                    return
                self.waited = True
                writer.write_eof()

    def answers(self):
        """(status, headers) of each, without the interim ones."""
        return [(int(status), fields) for status, fields in ANSWER.findall(self.bytes)
                if status >= b'200']

    def errors(self):
        return [status for status, _ in self.answers() if status >= 400]


# --- Readings -------------------------------------------------------------------------------------
#
# A list of items (method, target, size, hash); None for one of which only that it was read is
# known; and WAITS at the end, perhaps.

@functools.lru_cache(maxsize=None)
def hash_of(body):
    """FNV-1a, as echo.c has it."""
    total = 2166136261
    for byte in body:
        total = (total ^ byte) * 16777619 & 0xffffffff
    return total


def plain(target):
    """Without what one server hands on as it came and another decodes, resolves or leaves out."""
    path, _, query = re.sub(rb'^[a-zA-Z]+://[^/?]*', b'', target).partition(b'?')
    path = posixpath.normpath(re.sub(rb'//+', b'/', unquote_to_bytes(path) or b'/'))
    return (path + (b'?' + unquote_to_bytes(query) if query else b'')).decode('latin-1')


def item(method, target, body):
    return method.decode('latin-1'), plain(target), len(body), hash_of(body)


def item_of_note(note):
    return item(*(note[part].encode('latin-1') for part in ('method', 'target', 'body')))


def item_of_answer(fields):
    """What weft has read, by its answer; None where the router answers, which does not say it."""
    saw = SAW.search(fields)
    if not saw:
        return None
    known = saw[3] != b'-'
    return (saw[1].decode(), plain(saw[2]),
            int(saw[3]) if known else None, int(saw[4], 16) if known else None)


def aligned(items, answers, is_proxy):
    """Put what was noted where its answer stands: some requests a server answers by itself. What is
    left over has lost its answer; where a proxy has answered an error, it was only handed on in
    part, and looked whole."""
    left = list(items)
    reading = [left.pop(0) if NOTED.search(fields) and left else None for _, fields in answers]
    while reading and reading[-1] is None:
        reading.pop()
    is_partial = is_proxy and any(status >= 400 for status, _ in answers)
    return reading if is_partial else reading + left


def with_end(items, exchange):
    """A server that was silent, and neither has refused nor come to the end, waits for more."""
    done = any(i and '/last-' in i[1] for i in items)
    return items + [WAITS] if exchange.waited and not done and not exchange.errors() else items


def is_same(a, b):
    """Whether two items agree; what is not known agrees with everything. (Who does not read a body
    may have answered where another waits for the rest of it.)"""
    if a == b or a is None or b is None:
        return True
    if WAITS in (a, b):
        return None in a + b
    return a[:2] == b[:2] and None in (a[2], b[2])


def contradiction(one, other):
    """The first place at which both have something, but not the same; None if there is none."""
    return next((place for place, pair in enumerate(zip(one, other)) if not is_same(*pair)), None)


def words(reading, exchange):
    parts = []
    for part in reading:
        if part in (None, WAITS):
            parts.append('waits' if part else 'something')
        else:
            size = 'a body' if part[2] is None else part[2]
            parts.append('%s %s with %s' % (part[0], shown(part[1][:40].encode('latin-1')), size))
    return ', '.join(parts + [str(status) for status in exchange.errors()[-1:]]) or 'closes'


def explanation(server, payload):
    return next((what for name, where, what in EXPLAINED
                 if name == server.name and re.search(where, payload.name)), None)


def is_spared(server, payload):
    return any(name == server.name and re.search(where, payload.name) for name, where in SPARED)


# --- Servers --------------------------------------------------------------------------------------

class Server:
    """A peer and its readings. Some payloads stop some servers: then it is started again, and what
    was under way is sent once more, one by one."""

    def __init__(self, peer, name):
        self.peer, self.name = peer, name
        self.exchanges, self.readings = {}, {}
        self.turn = self.starts = 0
        self.mending = asyncio.Lock()
        self.stopped_by = []

    async def start(self):
        await self.peer.start()

    def port(self):
        return self.peer.port

    async def send(self, payloads, silence=SILENCE, at_once=AT_ONCE, piece=1 << 20):
        self.turn += 1
        payloads = [p for p in payloads if not is_spared(self, p)]
        places, doubtful = asyncio.Semaphore(at_once), []

        async def one(payload):
            async with places:
                if not await self.exchange(payload, silence, piece):
                    doubtful.append(payload)
        await together(map(one, payloads))
        self.turn += 1
        for payload in doubtful:
            if not await self.exchange(payload, CALM, piece):
                self.stopped_by.append(payload)
                del self.exchanges[payload.number]
        self.read([p.number for p in payloads])

    async def exchange(self, payload, silence, piece):
        """Returns whether the server was well all the while."""
        starts = self.starts
        exchange = self.exchanges[payload.number] = Exchange(payload, self.turn)
        await exchange.run(self.port(), silence, piece)
        is_well = exchange.closed and not self.has_ended() or await self.mend(starts)
        return is_well and not exchange.lost and starts == self.starts

    def has_ended(self):
        return self.peer.process.poll() is not None

    async def mend(self, starts):
        """Start it again unless it answers. Returns whether it does."""
        async with self.mending:
            if starts != self.starts:
                return False
            if await self.peer.answers():
                return True
            self.starts += 1
            self.peer.stop()
            await self.peer.start()
            return False

    def read(self, numbers):
        notes = self.peer.notes()
        for number in numbers:
            exchange = self.exchanges.get(number)
            self.readings.pop(number, None)
            if exchange:
                items = [item_of_note(n) for n in notes.get(exchange.source, ())
                         if n['body'] is not None]
                items = aligned(items, exchange.answers(), self.peer.is_proxy)
                self.readings[number] = with_end(items, exchange)


class Weft(Server):
    """It answers with what it has read, and nothing stops it."""

    def __init__(self, program, how):
        super().__init__(None, 'weft ' + how)
        self.program, self.how, self.process, self.address = program, how, None, 0

    async def start(self):
        # pylint: disable-next=subprocess-popen-preexec-fn
        self.process = await asyncio.create_subprocess_exec(
            self.program, self.how, stdout=asyncio.subprocess.PIPE, preexec_fn=prepare)
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
        self.address = int(line.rpartition(b':')[2])

    def port(self):
        return self.address

    def has_ended(self):
        return False

    async def mend(self, starts):
        assert self.process.returncode is None, '%s has ended' % self.name
        return False

    async def end(self):
        if self.process and self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), PATIENCE) if self.process else 0

    def read(self, numbers):
        for number in numbers:
            self.readings[number] = []
            if number in self.exchanges:
                exchange = self.exchanges[number]
                items = [item_of_answer(fields) for status, fields in exchange.answers()
                         if status not in REFUSALS]
                self.readings[number] = with_end(items, exchange)

    def goes_on(self, payload):
        """Whether something comes behind a refusal, which has to be the last word."""
        exchange = self.exchanges.get(payload.number)
        statuses = [status for status, _ in exchange.answers()] if exchange else []
        return bool(REFUSALS & set(statuses[:-1]))


# --- The comparison -------------------------------------------------------------------------------

def is_contradicted(server, peer, payload):
    readings = server.readings[payload.number], peer.readings.get(payload.number, [])
    return contradiction(*readings) is not None


def is_accepted(server, payload):
    """Whether it acts on the payload's first request."""
    return server.readings.get(payload.number, [])[:1] not in ([], [WAITS])


class Comparison:
    def __init__(self, payloads, wefts, peers):
        self.payloads, self.wefts, self.peers = payloads, wefts, peers
        self.servers = wefts + peers

    def contradicting(self, payload):
        """The peers that read it otherwise than weft, at a place where both read on."""
        return [p for p in self.peers if not explanation(p, payload) and
                any(is_contradicted(w, p, payload) for w in self.wefts)]

    def misreading(self, payload):
        """The servers that do not read a control as everybody must."""
        wanted = [item(*r) for r in payload.reads]
        return [s for s in self.servers if not self.is_read(s, payload, wanted)]

    def is_read(self, server, payload, wanted):
        """Some close earlier than they must, but not where the server is weft."""
        reading = server.readings.get(payload.number, [])
        is_whole = len(reading) == len(wanted) or server not in self.wefts
        return reading and is_whole and contradiction(reading, wanted) is None

    def is_disputed(self, payload):
        """Whether two of the peers contradict each other."""
        readings = {tuple(p.readings.get(payload.number, ())) for p in self.peers
                    if not explanation(p, payload)}
        return any(contradiction(a, b) is not None for a in readings for b in readings)

    def is_laxest(self, payload):
        """Whether weft goes on where everybody else has stopped."""
        return len(self.peers) >= PEERS_MIN and self.progress(self.wefts[0], payload) > max(
            self.progress(s, payload) for s in self.peers)

    @staticmethod
    def progress(server, payload):
        return sum(i != WAITS for i in server.readings.get(payload.number, ()))

    def findings(self):
        """What is wrong, as (payload, sentence)."""
        found = [(p, 'misread by', self.misreading(p)) for p in self.payloads if p.reads]
        found += [(p, 'contradicted by', self.contradicting(p)) for p in self.payloads]
        found += [(p, 'refused, but not at the end, by', [w for w in self.wefts if w.goes_on(p)])
                  for p in self.payloads]
        found += [(p, 'accepted by nobody but', self.wefts[:1]) for p in self.payloads
                  if self.is_laxest(p)]
        return [(p, '%s %s' % (what, ', '.join(s.name for s in who)))
                for p, what, who in found if who]

    async def run(self):
        """What a busy machine makes of silence is nothing to go by: findings are looked at once
        more, one by one and with time."""
        await together(s.send(self.payloads) for s in self.servers)
        for payload, _ in self.findings()[:SHOWN]:
            await together(s.send([payload], CALM) for s in self.servers)
        return self.findings()

    async def run_in_pieces(self):
        """weft again, byte by byte: no cut makes another reading. (It may make a shorter one: a
        body that nobody reads and that is not there yet ends the connection.)"""
        whole = [dict(w.readings) for w in self.wefts]
        await together(w.send(self.payloads, piece=1) for w in self.wefts)
        return [(p, 'in pieces read otherwise by ' + w.name)
                for w, readings in zip(self.wefts, whole) for p in self.payloads
                if contradiction(w.readings[p.number], readings[p.number]) is not None]

    def stopped(self):
        return [(p, 'not answered to its end by ' + w.name)
                for w in self.wefts for p in w.stopped_by]

    def print_readings(self, payload):
        print('%s\n    %s' % (payload.name, shown(payload.data[:600])))
        for server in self.servers:
            if payload.number in server.exchanges:
                print('    %-14s %s' % (server.name, words(server.readings[payload.number],
                                                           server.exchanges[payload.number])))

    def summary(self):
        weft = self.wefts[0]
        disputed = {p.number for p in self.payloads if self.is_disputed(p)}
        accepted = {p.number for p in self.payloads if is_accepted(weft, p)}
        others = {p.number for p in self.payloads if any(is_accepted(s, p) for s in self.peers)}
        print('%d payloads to weft in %d ways and %d servers: %s' % (
            len(self.payloads), len(self.wefts), len(self.peers),
            ', '.join(s.name for s in self.peers)))
        print('%d are read differently by two of these servers' % len(disputed))
        print('%d more are refused by weft alone, or by weft and some' % len(
            others - disputed - accepted))
        print('%d are accepted by weft' % len(accepted))
        for server in self.peers:
            self.print_oddities(server)
        return len(disputed)

    def print_oddities(self, server):
        found = [explanation(server, p) for p in self.payloads if explanation(server, p) and
                 any(is_contradicted(w, server, p) for w in self.wefts)]
        for what in dict.fromkeys(found):
            print('explained: %s %s (%d payloads)' % (server.name, what, found.count(what)))
        for payload in server.stopped_by:
            print('%s was stopped by: %s' % (server.name, payload.name))


# --- The program ----------------------------------------------------------------------------------

def chosen(text, everything):
    payloads = build()
    if text:
        return [p for p in payloads if text in p.name]
    return payloads if everything else [p for p in payloads if p.reads or p.number % STEP == 0]


def make_peers(peers, folder):
    there, absent = [], []
    for kind in PEERS:
        try:
            there.append(Server(kind(peers, folder), kind.name))
        except Absent:
            if not os.path.exists(os.path.join(peers, kind.name + '.unpackaged')):
                absent.append(kind.name)
    return there, absent


async def compare(wefts, peers, text, everything):
    """Returns how many findings there are; each is printed."""
    comparison = Comparison(chosen(text, everything), wefts, peers)
    await together(s.start() for s in comparison.servers)
    findings = await comparison.run()
    if comparison.summary() == 0 and len(peers) >= PEERS_MIN and not text:
        print('FAILED: this comparison finds no difference between any two servers')
        return 1
    for payload, sentence in findings[:SHOWN]:
        print('FAILED, %s:' % sentence)
        comparison.print_readings(payload)
    if text:
        for payload in comparison.payloads:
            comparison.print_readings(payload)
    if everything:
        findings += await comparison.run_in_pieces()
    findings += comparison.stopped()
    for payload, sentence in findings[:SHOWN]:
        print('%s: %s' % (sentence, payload.name))
    return len(findings)


def end_on_signals():
    """A cancel unwinds, and so ends the servers."""
    for number in signal.SIGINT, signal.SIGTERM:
        asyncio.get_running_loop().add_signal_handler(number, asyncio.current_task().cancel)


async def main():
    end_on_signals()
    program, folder, *more = [a for a in sys.argv[1:] if a != '--all']
    wefts = [Weft(program, how) for how in ('whole', 'streamed', 'unread')]
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        peers, absent = make_peers(folder, place)
        try:
            failed = await compare(wefts, peers, more[0] if more else '', '--all' in sys.argv)
        finally:
            for server in peers:
                server.peer.end()
            for server in peers:
                server.peer.stop()
            statuses = [await w.end() for w in wefts]
    if failed or any(statuses):
        sys.exit('%d findings; weft ended with %s' % (failed, statuses))
    if absent:
        print('not installed: %s (fetched by ./dev peers); compared with %d others'
              % (', '.join(absent), len(peers)))
        sys.exit(77)


if __name__ == '__main__':
    asyncio.run(main())
