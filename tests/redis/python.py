#!/usr/bin/env python3
"""weft-kv as programs with redis-py meet it: values, pipelines, transactions that watch, scripts of many threads,
messages, scans, connections that break, asyncio.

usage: python.py WEFT_KV PEERS [--sanitized] [TEST...]

The module comes from PEERS/redis-py (tools/peers), or from the machine. Exits with 77 where there is none.
"""
import asyncio
import os
import sys
import threading
import unittest

from kv import Kv, PATIENCE

PROGRAM, PEERS, *TESTS = [a for a in sys.argv[1:] if a != '--sanitized'] or (None, '')
sys.path.append(os.path.join(PEERS, 'redis-py', 'usr/lib/python3/dist-packages'))
try:
    import redis
except ImportError:
    print('no redis-py: tools/peers redis-py fetches it')
    sys.exit(77)


class Python(unittest.TestCase):
    def setUp(self):
        self.server = Kv()
        self.addCleanup(self.server.__exit__, None)
        self.host, self.port = self.server.where
        self.redis = self.client()

    def client(self, **options):
        client = redis.Redis(self.host, self.port, socket_timeout=PATIENCE, **options)
        self.addCleanup(client.close)
        return client

    def test_values(self):
        r = self.redis
        self.assertTrue(r.ping())
        self.assertTrue(r.set('a', b'\0\r\n', ex=1000))
        self.assertEqual((r.get('a'), r.get('none'), r.ttl('a')), (b'\0\r\n', None, 1000))
        self.assertEqual((r.incr('n', 5), r.decrby('n', 2), r.incrbyfloat('f', 1.5)), (5, 3, 1.5))
        self.assertIsNone(r.set('a', 1, nx=True))
        self.assertEqual(r.zadd('z', {'x': 1, 'y': 2.5}), 2)
        self.assertEqual(r.zrange('z', 0, -1, withscores=True), [(b'x', 1.0), (b'y', 2.5)])
        self.assertEqual(r.sadd('s', 1, 2, 3), 3)
        self.assertEqual(r.smembers('s'), {b'1', b'2', b'3'})
        self.assertEqual(r.config_get('maxclients'), {'maxclients': '10000'})
        self.assertEqual(r.info()['redis_mode'], 'standalone')
        self.assertIn('redis_version', r.info('server'))
        self.assertEqual(len(r.client_list()), 1)
        self.assertEqual(r.command_count(), len(r.command()))
        with self.assertRaises(redis.ResponseError):
            r.incr('z')
        with self.assertRaises(redis.ResponseError):
            r.execute_command('NOSUCH')

    def test_pipelines_and_scans(self):
        with self.redis.pipeline(transaction=False) as pipe:
            for n in range(5000):
                pipe.set('key:%d' % n, n)
            self.assertEqual(pipe.execute(), [True] * 5000)
        self.assertEqual({int(k[4:]) for k in self.redis.scan_iter('key:*', count=100)}, set(range(5000)))
        self.assertEqual(len(self.redis.keys('key:1*')), 1111)
        self.assertEqual(self.redis.mget('key:7', 'none', 'key:4999'), [b'7', None, b'4999'])
        self.redis.zadd('z', {'m%d' % n: n for n in range(1000)})
        self.assertEqual(dict(self.redis.zscan_iter('z')), {b'm%d' % n: float(n) for n in range(1000)})

    def add(self, times):
        r = self.client()

        def step(pipe):
            value = int(pipe.get('sum') or 0)
            pipe.multi()
            pipe.set('sum', value + 1)
        for _ in range(times):
            r.transaction(step, 'sum')

    def test_transactions_of_threads_lose_nothing(self):
        threads = [threading.Thread(target=self.add, args=(50,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.redis.get('sum'), b'200')
        with self.redis.pipeline() as pipe:
            pipe.watch('sum')
            self.redis.incr('sum')
            pipe.multi()
            pipe.get('sum')
            with self.assertRaises(redis.WatchError):
                pipe.execute()

    def test_messages(self):
        with self.redis.pubsub() as listener:
            listener.subscribe('news')
            listener.psubscribe('w*')
            self.assertEqual([listener.get_message(timeout=PATIENCE)['type'] for _ in range(2)], ['subscribe', 'psubscribe'])
            for n in range(100):
                self.assertEqual(self.redis.publish('news' if n % 2 else 'weather', n), 1)
            heard = [listener.get_message(timeout=PATIENCE) for _ in range(100)]
            self.assertEqual([int(message['data']) for message in heard], list(range(100)))
            self.assertEqual(heard[0]['pattern'], b'w*')
            listener.ping()
            self.assertEqual(listener.get_message(timeout=PATIENCE)['type'], 'pong')

    def test_who_waits_and_who_is_killed(self):
        waiter = threading.Thread(target=lambda: self.taken.append(self.client().bzpopmin('queue', PATIENCE)))
        self.taken = []
        waiter.start()
        self.redis.zadd('queue', {'job': 7})
        waiter.join()
        self.assertEqual(self.taken, [(b'queue', b'job', 7.0)])
        self.assertIsNone(self.redis.bzpopmin('queue', 0.02))
        other = self.client(client_name='other')
        identity = other.client_id()
        self.assertEqual(self.redis.client_kill_filter(_id=identity), 1)
        self.assertTrue(other.ping())  # over a new connection
        self.assertEqual(other.client_getname(), 'other')

    def test_asyncio(self):
        try:
            from redis.asyncio import Redis
        except ImportError:
            self.skipTest('this version has no asyncio')

        async def ask():
            async with Redis(host=self.host, port=self.port) as r:
                await asyncio.gather(*[r.incr('n') for _ in range(200)])
                return await r.get('n')
        self.assertEqual(asyncio.run(ask()), b'200')


if __name__ == '__main__':
    Kv.program = PROGRAM
    unittest.main(argv=sys.argv[:1] + TESTS, warnings='ignore')
