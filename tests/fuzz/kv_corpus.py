#!/usr/bin/env python3
"""Write the corpus of fuzz_kv: at least one input for each command that beside.py makes, and for some others.

usage: kv_corpus.py FOLDER

The same at each call: a file per command, with commands of its family in front of it, so that there are
values to work on. What a fuzzer has found besides has names of its own and stays.
"""
import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
WARM_UP = 40
OTHERS = {
    'lines': ['SET k 1 GET', 'GET k', 'SCAN 0 MATCH * COUNT 3 TYPE string', 'RANDOMKEY', 'OBJECT ENCODING k', 'OBJECT HELP'],
    'pick': ['SADD s a b c 1 2 3', 'SPOP s 2', 'SPOP s', 'SRANDMEMBER s -5', 'SRANDMEMBER s 2', 'SSCAN s 0 COUNT 2'],
    'zpick': ['ZADD z 1 a 2 b 3 c', 'ZRANDMEMBER z -4 WITHSCORES', 'ZRANDMEMBER z 2', 'ZSCAN z 0 MATCH a*'],
    'hpick': ['HSET h a 1 b 2 c x', 'HRANDFIELD h -4 WITHVALUES', 'HRANDFIELD h 2', 'HSCAN h 0 NOVALUES'],
    'wait': ['BZPOPMIN z 0', 'BLPOP l 1', 'ZADD z 1 a', 'RPUSH l a b', 'BLMOVE l l LEFT RIGHT 1', 'BZMPOP 1 1 z MIN'],
    'times': ['SET k v PX 100', 'GETEX k PERSIST', 'PSETEX k 5 v', 'SETEX k 5 v', 'TTL k', 'PTTL k', 'PEXPIRE k 7 GT',
              'EXPIREAT k 1', 'PEXPIRETIME k', 'EXPIRETIME k', 'PEXPIREAT k 99999999999999'],
    'large': ['SETRANGE k 500000 x', 'SETBIT k 4000000 1', 'BITCOUNT k', 'BITOP NOT d k', 'SRANDMEMBER s -16777216'],
    'multi': ['WATCH k', 'MULTI', 'INCR k', 'SADD s a', 'BLPOP l 0', 'EXEC', 'MULTI', 'DISCARD', 'UNWATCH'],
    'talk': ['SUBSCRIBE c', 'PSUBSCRIBE c*', 'PUBLISH c m', 'UNSUBSCRIBE', 'PUNSUBSCRIBE', 'PING', 'RESET', 'MONITOR'],
    'server': ['INFO', 'CONFIG GET *', 'CONFIG SET set-max-listpack-entries 2', 'CLIENT LIST', 'COMMAND COUNT', 'DBSIZE',
               'SLOWLOG GET', 'LATENCY DOCTOR', 'TIME', 'FLUSHALL SYNC', 'FLUSHDB', 'HELLO 3', 'QUIT'],
}


def load_beside():
    path = os.path.join(HERE, '..', 'redis', 'beside.py')
    spec = importlib.util.spec_from_file_location('beside', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def encode(words):
    return b'*%d\r\n' % len(words) + b''.join(b'$%d\r\n%s\r\n' % (len(word), word) for word in words)


def by_command(beside):
    """Name of a command -> an input that ends with it."""
    inputs = {}
    for family in beside.FAMILIES.values():
        for _ in range(4000):
            words = beside.dice.choice(family)()
            name = words[0].decode()
            if name not in inputs:
                before = [beside.dice.choice(family)() for _ in range(WARM_UP)]
                inputs[name] = b''.join(map(encode, before + [words]))
    return inputs


def main():
    folder = sys.argv[1]
    beside = load_beside()
    beside.dice.seed(1)
    inputs = by_command(beside)
    for name, lines in OTHERS.items():
        inputs['other-' + name] = ''.join(line + '\r\n' for line in lines).encode()
    os.makedirs(folder, exist_ok=True)
    for number, (name, text) in enumerate(sorted(inputs.items())):
        with open(os.path.join(folder, name), 'wb') as file:
            file.write(bytes([number % 8, 128]) + text)


if __name__ == '__main__':
    main()
