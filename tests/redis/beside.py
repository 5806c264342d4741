#!/usr/bin/env python3
"""Random commands to weft-kv and to the distribution's redis-server: the replies have to be the same.

usage: beside.py WEFT_KV [--count N] [--seed S]

Few keys, few members and small numbers, so that commands meet: of the wrong type, on what is missing,
at the limits of a range. Both start empty and are asked the same on one connection each, in batches.
Where the order is nobody's business (members of a set, fields of a hash) it is not compared; of errors
the first word is. What is drawn by lot, and what depends on the moment, is left out. A difference is
printed with the last commands that named its keys, and the seed.

Exits with 77 where there is no redis-server.
"""
import argparse
import glob
import itertools
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEER = os.path.join(TOP, 'build', 'peers', 'redis')
BATCH = 200
PATIENCE = 20  # seconds: longer than a start takes


class Reply:
    """Reads replies of version 2 from a socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)  # it is starting: another process says so in no other way
        self.lines = self.socket.makefile('rb')

    def send(self, commands):
        out = bytearray()
        for words in commands:
            out += b'*%d\r\n' % len(words)
            for word in words:
                out += b'$%d\r\n%s\r\n' % (len(word), word)
        self.socket.sendall(out)

    def read(self):
        line = self.lines.readline()
        if not line.endswith(b'\r\n'):
            raise EOFError('the connection was closed')
        kind, rest = line[:1], line[1:-2]
        if kind == b'$':
            return None if rest == b'-1' else self.lines.read(int(rest) + 2)[:-2]
        if kind == b'*':
            return None if rest == b'-1' else [self.read() for _ in range(int(rest))]
        if kind == b':':
            return int(rest)
        if kind == b'-':
            return ('error', rest.split(b' ')[0])
        return ('status', rest)


# --- words ---

dice = random.Random()


def key():
    return b'k%d' % dice.randrange(12)


def keys(most=3):
    return [key() for _ in range(dice.randint(1, most))]


def member():
    choice = dice.random()
    if choice < 0.5:
        return b'%d' % dice.randint(-3, 20)
    if choice < 0.9:
        return b'm%d' % dice.randrange(30)
    return bytes(dice.randrange(256) for _ in range(dice.randrange(4))) + b'x' * dice.choice([0, 70])


def members(most=4):
    return [member() for _ in range(dice.randint(1, most))]


def number():
    return b'%d' % dice.choice([0, 1, -1, 2, 3, 5, 10, -2, -5, 100, dice.randint(-20, 20)])


def index():
    return b'%d' % dice.randint(-8, 8)


def score():
    return dice.choice([b'%d' % dice.randint(-5, 5), b'%s' % repr(dice.randint(-20, 20) / 4).encode(), b'inf', b'-inf'])


def bound():
    return dice.choice([b'', b'(']) + score()


def lex_key():
    """Of a set whose scores are all the same: for others ranges of members are nobody's business."""
    return b'l%d' % dice.randrange(3)


def lex():
    return dice.choice([b'-', b'+', b'[' + member()[:5], b'(' + member()[:5]])


def some(*words):
    """Each of them by lot."""
    return [word for word in words if dice.random() < 0.4]


def one(*choices):
    """One of these lists of words."""
    return list(dice.choice(choices))


def limit():
    return one([], [], [b'limit', b'%d' % dice.randint(0, 3), b'%d' % dice.randint(-1, 5)])


def nonsense():
    return dice.choice([b'', b'x', b'1.5', b'9223372036854775807', b'99999999999999999999', b' 1', b'nan', b'-0'])


def spoil(words):
    """Now and then a word that does not belong.

    Of ranges of bits 7.0 does not look at one where there is no key; and a set by members has no other scores.
    """
    if words[0] in (b'bitcount', b'bitpos') or words[:2] in ([b'zadd', b'l0'], [b'zadd', b'l1'], [b'zadd', b'l2']):
        return words
    if dice.random() < 0.03:
        words[dice.randrange(1, len(words) + 1):] = [nonsense()]
    elif dice.random() < 0.02 and len(words) > 1:
        words[dice.randrange(1, len(words))] = nonsense()
    return words


# --- commands, by family ---

def pairs(first, second, most=3):
    return [word for _ in range(dice.randint(1, most)) for word in (first(), second())]


def counted(most=3):
    names = keys(most)
    return [b'%d' % len(names)] + names


STRINGS = [
    lambda: [b'set', key(), member()] + one([], [], [b'nx'], [b'xx'], [b'get'], [b'keepttl'], [b'ex', b'1000'], [b'xx', b'get']),
    lambda: [b'get', key()], lambda: [b'mget'] + keys(), lambda: [b'getdel', key()],
    lambda: [b'getex', key()] + one([], [b'persist'], [b'ex', b'1000']),
    lambda: [b'getset', key(), member()], lambda: [b'strlen', key()], lambda: [b'setnx', key(), member()],
    lambda: [b'setex', key(), b'1000', member()], lambda: [b'mset'] + pairs(key, member),
    lambda: [b'msetnx'] + pairs(key, member), lambda: [b'append', key(), member()],
    lambda: [b'getrange', key(), index(), index()], lambda: [b'setrange', key(), b'%d' % dice.randrange(20), member()],
    lambda: [b'incr', key()], lambda: [b'decr', key()], lambda: [b'incrby', key(), number()],
    lambda: [b'decrby', key(), number()], lambda: [b'incrbyfloat', key(), score()],
]
BITS = [
    lambda: [b'setbit', key(), b'%d' % dice.randrange(40), dice.choice([b'0', b'1'])],
    lambda: [b'getbit', key(), b'%d' % dice.randrange(50)],
    lambda: [b'bitcount', key()] + one([], [index(), index()], [index(), index(), b'bit'], [index(), index(), b'byte']),
    lambda: [b'bitpos', key(), dice.choice([b'0', b'1'])] + one([], [index()], [index(), index()], [index(), index(), b'bit']),
    lambda: [b'bitop', dice.choice([b'and', b'or', b'xor']), key()] + keys(), lambda: [b'bitop', b'not', key(), key()],
    lambda: [b'bitfield', key()] + [word for _ in range(dice.randint(1, 3)) for word in one(
        [b'get', dice.choice([b'u8', b'i5', b'u13', b'i64']), b'%d' % dice.randrange(20)],
        [b'set', dice.choice([b'u8', b'i5', b'u13']), b'#%d' % dice.randrange(3), number()],
        [b'overflow', dice.choice([b'wrap', b'sat', b'fail'])],
        [b'incrby', dice.choice([b'u8', b'i5', b'u2', b'i64']), b'%d' % dice.randrange(20), number()])],
]
KEYS = [
    lambda: [b'del'] + keys(), lambda: [b'unlink'] + keys(), lambda: [b'exists'] + keys(), lambda: [b'type', key()],
    lambda: [b'rename', key(), key()], lambda: [b'renamenx', key(), key()],
    lambda: [b'copy', key(), key()] + some(b'replace'), lambda: [b'persist', key()], lambda: [b'dbsize'],
    lambda: [b'touch'] + keys(), lambda: [b'keys', dice.choice([b'*', b'k?', b'k[0-4]', b'*1*'])],
    lambda: [b'expire', key(), dice.choice([b'1000', b'2000', b'-1', b'0'])], lambda: [b'expiretime', key()],
    lambda: [b'expireat', key(), b'%d' % (FAR + dice.randrange(5))] + one([], [b'nx'], [b'xx'], [b'gt'], [b'lt']),
    lambda: [b'pexpireat', key(), dice.choice([b'9999999999999', b'1'])],
]
LISTS = [
    lambda: [b'lpush', key()] + members(), lambda: [b'rpush', key()] + members(), lambda: [b'lpushx', key()] + members(),
    lambda: [b'rpushx', key()] + members(), lambda: [b'lpop', key()] + one([], [b'%d' % dice.randrange(4)]),
    lambda: [b'rpop', key()] + one([], [b'%d' % dice.randrange(4)]), lambda: [b'llen', key()],
    lambda: [b'lrange', key(), index(), index()], lambda: [b'lindex', key(), index()], lambda: [b'lset', key(), index(), member()],
    lambda: [b'linsert', key(), dice.choice([b'before', b'after']), member(), member()],
    lambda: [b'lrem', key(), b'%d' % dice.randint(-2, 2), member()], lambda: [b'ltrim', key(), index(), index()],
    lambda: [b'lpos', key(), member()] + one([], [b'rank', b'%d' % dice.choice([1, 2, -1, -2])], [b'count', b'%d' % dice.randrange(3)],
                                             [b'rank', b'-1', b'count', b'0', b'maxlen', b'%d' % dice.randrange(5)]),
    lambda: [b'lmove', key(), key(), dice.choice([b'left', b'right']), dice.choice([b'left', b'right'])],
    lambda: [b'rpoplpush', key(), key()], lambda: [b'lmpop'] + counted() + [dice.choice([b'left', b'right'])] + one([], [b'count', b'2']),
]
HASHES = [
    lambda: [b'hset', key()] + pairs(member, member), lambda: [b'hsetnx', key(), member(), member()], lambda: [b'hget', key(), member()],
    lambda: [b'hmget', key()] + members(), lambda: [b'hmset', key()] + pairs(member, member), lambda: [b'hdel', key()] + members(),
    lambda: [b'hlen', key()], lambda: [b'hstrlen', key(), member()], lambda: [b'hexists', key(), member()], lambda: [b'hkeys', key()],
    lambda: [b'hvals', key()], lambda: [b'hgetall', key()], lambda: [b'hincrby', key(), member(), number()],
    lambda: [b'hincrbyfloat', key(), member(), score()],
]
SETS = [
    lambda: [b'sadd', key()] + members(), lambda: [b'srem', key()] + members(), lambda: [b'sismember', key(), member()],
    lambda: [b'smismember', key()] + members(), lambda: [b'scard', key()], lambda: [b'smembers', key()],
    lambda: [b'smove', key(), key(), member()], lambda: [dice.choice([b'sinter', b'sunion', b'sdiff'])] + keys(),
    lambda: [dice.choice([b'sinterstore', b'sunionstore', b'sdiffstore']), key()] + keys(),
    lambda: [b'sintercard'] + counted() + one([], [b'limit', b'%d' % dice.randrange(3)]),
]
ZSETS = [
    lambda: [b'zadd', key()] + one([], [b'nx'], [b'xx'], [b'gt'], [b'lt'], [b'xx', b'gt']) + some(b'ch') + pairs(score, member),
    lambda: [b'zadd', key(), b'incr', score(), member()], lambda: [b'zincrby', key(), score(), member()],
    lambda: [b'zrem', key()] + members(), lambda: [b'zscore', key(), member()], lambda: [b'zmscore', key()] + members(),
    lambda: [b'zcard', key()], lambda: [b'zcount', key(), bound(), bound()], lambda: [b'zlexcount', lex_key(), lex(), lex()],
    lambda: [dice.choice([b'zrank', b'zrevrank']), key(), member()],
    lambda: [b'zrange', key(), index(), index()] + some(b'rev') + some(b'withscores'),
    lambda: [b'zrange', key(), bound(), bound(), b'byscore'] + some(b'rev') + limit() + some(b'withscores'),
    lambda: [b'zrange', lex_key(), lex(), lex(), b'bylex'] + some(b'rev') + limit(),
    lambda: [b'zrevrange', key(), index(), index()] + some(b'withscores'),
    lambda: [dice.choice([b'zrangebyscore', b'zrevrangebyscore']), key(), bound(), bound()] + some(b'withscores') + limit(),
    lambda: [dice.choice([b'zrangebylex', b'zrevrangebylex']), lex_key(), lex(), lex()] + limit(),
    lambda: [b'zrangestore', key(), key(), index(), index()] + some(b'rev'),
    lambda: [b'zremrangebyrank', key(), index(), index()], lambda: [b'zremrangebyscore', key(), bound(), bound()],
    lambda: [b'zremrangebylex', lex_key(), lex(), lex()],
    lambda: [b'zadd', lex_key()] + pairs(lambda: b'0', member), lambda: [b'zrem', lex_key()] + members(),
    lambda: [b'zrangestore', key(), lex_key(), lex(), lex(), b'bylex'], lambda: [b'del', lex_key()],
    lambda: [dice.choice([b'zpopmin', b'zpopmax']), key()] + one([], [b'%d' % dice.randrange(4)]),
    lambda: [b'zmpop'] + counted() + [dice.choice([b'min', b'max'])] + one([], [b'count', b'2']),
    lambda: [dice.choice([b'zunion', b'zinter', b'zdiff'])] + counted() + some(b'withscores'),
    lambda: [dice.choice([b'zunionstore', b'zinterstore', b'zdiffstore']), key()] + counted(),
    lambda: (lambda names: [dice.choice([b'zunionstore', b'zinterstore']), key()] + names
             + one([], [b'weights'] + [score() for _ in names[1:]]) + one([], [b'aggregate', dice.choice([b'min', b'max', b'sum'])]))(counted()),
    lambda: [b'zintercard'] + counted() + one([], [b'limit', b'%d' % dice.randrange(3)]),
]
FAMILIES = {'strings': STRINGS, 'bits': BITS, 'keys': KEYS, 'lists': LISTS, 'hashes': HASHES, 'sets': SETS, 'zsets': ZSETS}

# Times from now differ by the moment, so conditions and replies are about times far from now alone.
FAR = 9999999000

# Whose elements come in any order, and in pairs.
UNORDERED = {b'keys': 1, b'smembers': 1, b'sinter': 1, b'sunion': 1, b'sdiff': 1, b'hkeys': 1, b'hvals': 1, b'hgetall': 2}


def plain(reply):
    """Scores with an exponent as they are in 7.2: 7.0 tells digits that do not matter."""
    if isinstance(reply, list):
        return [plain(part) for part in reply]
    if isinstance(reply, bytes) and re.fullmatch(rb'-?[0-9.]+e[+-][0-9]+', reply):
        return float(reply)
    return reply


def comparable(words, reply):
    if words[0][:1] == b'z':
        reply = plain(reply)
    if words[0] == b'expiretime' and isinstance(reply, int) and 0 < reply < FAR:
        return 'soon'
    step = UNORDERED.get(words[0], 0)
    if step and isinstance(reply, list):
        return sorted(tuple(reply[i:i + step]) for i in range(0, len(reply), step))
    return reply


def commands(families, count):
    for _ in range(count):
        yield spoil(dice.choice(dice.choice(families))())


# --- the servers ---

def prepare():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(words, folder, environment):
    return subprocess.Popen(words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            preexec_fn=prepare)


def start_redis(folder):
    program = os.path.join(PEER, 'usr/bin/redis-server')
    environment = dict(os.environ)
    if os.path.exists(program):
        libraries = glob.glob(os.path.join(PEER, 'usr/lib/*-linux-gnu')) + [os.path.join(PEER, 'usr/lib')]
        environment['LD_LIBRARY_PATH'] = ':'.join(libraries)
    else:
        program = '/usr/bin/redis-server'
    if not os.path.exists(program):
        return None
    return start([program, '--port', '0', '--unixsocket', folder + '/redis', '--save', '', '--appendonly', 'no'],
                 folder, environment)


def show(history, words):
    named = set(words[1:])
    for earlier in [h for h in history if named & set(h[1:])][-12:]:
        print('    ', *[repr(word)[1:] for word in earlier])


def compare(ours, theirs, families, count):
    history, done = [], 0
    stream = commands(families, count)
    while done < count:
        batch = list(itertools.islice(stream, BATCH))
        ours.send(batch)
        theirs.send(batch)
        for words in batch:
            got, wanted = comparable(words, ours.read()), comparable(words, theirs.read())
            history.append(words)
            if got != wanted:
                show(history, words)
                print('weft-kv:     ', got)
                print('redis-server:', wanted)
                return False
            done += 1
        del history[:-20000]
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('weft_kv')
    parser.add_argument('--count', type=int, default=int(os.environ.get('WEFT_TEST_OPERATIONS', 100000)))
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 32))
    parser.add_argument('--families', default='')
    options = parser.parse_args()
    dice.seed(options.seed)
    names = options.families.split(',') if options.families else list(FAMILIES)
    with tempfile.TemporaryDirectory() as folder:
        redis = start_redis(folder)
        if not redis:
            print('no redis-server: ./dev peers redis')
            return 77
        weft = start([os.path.abspath(options.weft_kv), '--unix', folder + '/weft'], folder, dict(os.environ))
        try:
            good = compare(Reply(folder + '/weft'), Reply(folder + '/redis'), [FAMILIES[name] for name in names], options.count)
        finally:
            for server in redis, weft:
                server.terminate()
            status = weft.wait()
            redis.wait()
    print('seed %d: %d commands, %s' % (options.seed, options.count, 'the same replies' if good else 'DIFFERENT'))
    return 0 if good and status == 0 else 1


if __name__ == '__main__':
    sys.exit(main())
