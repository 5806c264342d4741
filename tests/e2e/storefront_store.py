#!/usr/bin/env python3
"""What the storefront keeps in its store: stock, visitors, and a cache; inside the program, and with
--elsewhere at the distribution's redis-server (tools/peers redis), which is killed and comes back.
See shop.py.

Exits with 77 where it needs a redis-server and there is none."""
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from shop import PATIENCE, PROGRAM, SLACK, TESTS, Storefront, main, read_products

PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../build/peers/redis')
REDIS = os.path.join(PEER, 'usr/bin/redis-server')
if not os.path.exists(REDIS):
    REDIS = shutil.which('redis-server')
SCARCE = min((p for p in read_products() if p['stock']['pieces'] > 0),
             key=lambda p: p['stock']['pieces'])
LONG = '--deadline', '10000'  # the machine may be busy


class Visitor:
    """A browser: it keeps its cookie."""

    def __init__(self, shop):
        self.shop = shop
        self.cookie = ''

    def ask(self, path, method='GET'):
        with self.shop.client() as client:
            client.ask(path, method, self.cookie and 'Cookie: a=b; %s; c=d\r\n' % self.cookie)
            status, headers, body = client.answer()
        if 'set-cookie' in headers:
            self.attributes = headers['set-cookie']
            self.cookie = self.attributes.split(';')[0]
        return status, body

    def json(self, path, method='GET'):
        status, body = self.ask(path, method)
        return status, json.loads(body)


def pieces(shop, product):
    return json.loads(shop.get('/product/%d' % product)[2])['stock']['pieces']


def figures(shop):
    """The store's, all seconds together, once the last one has been counted."""
    seen = shop.stats()['windows'][-1:]
    last = seen[0]['second'] if seen else 0
    while True:
        windows = shop.stats()['windows']
        if windows and windows[-1]['second'] >= last + 2:
            return {key: sum(w['store'][key] for w in windows) for key in windows[0]['store']}


class Kept:
    """What holds wherever the store is."""
    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.shop = Storefront(*LONG, *cls.flags)

    @classmethod
    def tearDownClass(cls):
        cls.shop.end()

    def test_purchase_takes_a_piece_and_gives_a_cookie(self):
        visitor = Visitor(self.shop)
        before = pieces(self.shop, 7)
        status, sale = visitor.json('/buy/7', 'POST')
        self.assertEqual((status, sale), (200, {'bought': 7, 'left': before - 1, 'remembered': True}))
        self.assertEqual(pieces(self.shop, 7), before - 1)
        self.assertRegex(visitor.attributes, r'\Avisitor=[0-9a-f]{32}; Path=/; HttpOnly; SameSite=Lax\Z')

    def test_visitor_is_remembered_over_requests(self):
        visitor = Visitor(self.shop)
        visitor.json('/buy/7', 'POST')
        cookie = visitor.cookie
        visitor.json('/buy/8', 'POST')
        visitor.json('/buy/7', 'POST')
        self.assertEqual(visitor.cookie, cookie)
        for product in range(20, 30):
            self.assertEqual(visitor.json('/product/%d' % product)[0], 200)
        status, known = visitor.json('/visitor')
        self.assertEqual((status, known['seen']), (200, list(range(29, 21, -1))))
        self.assertEqual({i['id']: i['pieces'] for i in known['cart']}, {7: 2, 8: 1})

    def test_who_buys_nothing_is_not_remembered(self):
        visitor = Visitor(self.shop)
        for path in '/product/7', '/like/7', '/visitor', '/health', '/':
            visitor.ask(path)
        self.assertEqual(visitor.cookie, '')

    def test_cookie_that_is_made_up_is_as_none(self):
        nobody = {'seen': [], 'cart': []}
        for value in '0' * 32, 'x' * 32, '0' * 31, '', '%00' * 10 + '00':
            visitor = Visitor(self.shop)
            visitor.cookie = 'visitor=' + value
            visitor.ask('/product/7')
            self.assertEqual(visitor.json('/visitor'), (200, nobody))
        visitor.cookie = 'visitor=' + '0' * 32
        visitor.json('/buy/7', 'POST')
        self.assertNotEqual(visitor.cookie, 'visitor=' + '0' * 32)

    def test_last_piece_is_sold_once(self):
        product, left = SCARCE['product']['id'], pieces(self.shop, SCARCE['product']['id'])
        self.assertGreater(left, 0)
        for _ in range(left - 1):
            self.assertEqual(Visitor(self.shop).json('/buy/%d' % product, 'POST')[0], 200)
        clients = [self.shop.client() for _ in range(20)]
        for client in clients:
            client.ask('/buy/%d' % product, 'POST')
        answers = sorted(client.answer()[0] for client in clients)
        for client in clients:
            client.__exit__()
        self.assertEqual(answers, [200] + [409] * 19)
        self.assertEqual(pieces(self.shop, product), 0)
        self.assertEqual(Visitor(self.shop).json('/buy/%d' % product, 'POST'), (409, {'error': 'sold out'}))

    def test_many_buyers_take_as_many_pieces(self):
        before = pieces(self.shop, 9)
        clients = [self.shop.client() for _ in range(30)]
        for client in clients:
            client.ask('/buy/9', 'POST')
        left = []
        for client in clients:
            status, _, body = client.answer()
            self.assertEqual(status, 200, body)
            left.append(json.loads(body)['left'])
            client.__exit__()
        self.assertEqual(sorted(left), list(range(before - 30, before)))

    def test_strange_purchases(self):
        for path, status in (('/buy/0', 404), ('/buy/1001', 404), ('/buy/x', 400), ('/buy/-1', 400)):
            self.assertEqual(Visitor(self.shop).ask(path, 'POST')[0], status, path)
        self.assertEqual(self.shop.get('/buy/7')[0], 405)
        self.assertEqual(self.shop.post('/buy/7', 'Origin: http://elsewhere\r\n')[0], 403)

    def test_what_is_alike_is_of_the_category(self):
        category = {p['product']['id']: p['product']['category'] for p in read_products()}
        for product in 1, 500, 1000:
            status, _, body = self.shop.get('/like/%d' % product)
            self.assertEqual(status, 200)
            for other in json.loads(body)['like']:
                self.assertEqual(category[other['id']], category[product])
                self.assertNotEqual(other['id'], product)
        self.assertEqual(self.shop.get('/like/1001')[0], 404)
        self.assertEqual(self.shop.get('/like/x')[0], 400)


class Inside(Kept, unittest.TestCase):
    """The store inside the program."""


class InsideTcp(Kept, unittest.TestCase):
    flags = '--tcp',


class Threads(Kept, unittest.TestCase):
    """One store for several loops."""
    flags = '--threads', '2'


class Split(Kept, unittest.TestCase):
    """One store for several processes."""
    flags = '--split',


class SplitThreads(Kept, unittest.TestCase):
    flags = '--split', '--threads', '2'


class Figures(unittest.TestCase):
    def test_many_who_ask_for_what_is_missing_let_the_catalog_be_asked_once(self):
        with Storefront('--slow', 'catalog=1000', *LONG) as shop:
            clients = [shop.client() for _ in range(50)]
            for client in clients:
                client.ask('/like/7')
            texts = set()
            for client in clients:
                status, _, body = client.answer()
                self.assertEqual(status, 200)
                texts.add(body)
                client.__exit__()
            self.assertEqual(len(texts), 1)
            self.assertEqual(shop.get('/like/7')[2], texts.pop())
            counted = figures(shop)
            self.assertEqual([counted[k] for k in ('misses', 'shared', 'hits', 'failed')], [1, 49, 1, 0])

    def test_load_does_not_fill_the_store(self):
        with Storefront('--load', '40') as shop:
            for _ in range(3):
                shop.until(r'^weft ')
            while (stats := shop.stats())['store']['keys'] < 0:
                pass
            self.assertEqual(stats['store'], {'inside': True, 'lives': True, 'keys': 1000})
            self.assertGreater(stats['windows'][-1]['store']['asked'], 10)

    def test_visitor_who_does_not_come_is_forgotten(self):
        with Storefront('--session', '600', *LONG) as shop:
            visitor = Visitor(shop)
            start = before = time.monotonic()
            visitor.json('/buy/7', 'POST')
            visitor.ask('/product/8')
            while time.monotonic() < start + 1.8:  # each request prolongs all of it
                began, known = time.monotonic(), visitor.json('/visitor')[1]
                if time.monotonic() >= before + 0.6:
                    break  # the machine is busy: it may have come too late
                self.assertEqual(known, {'seen': [8], 'cart': [{'id': 7, 'pieces': 1}]})
                before = began
            while shop.stats()['store']['keys'] != 1000:
                pass
            self.assertEqual(visitor.json('/visitor'), (200, {'seen': [], 'cart': []}))


class Broken(unittest.TestCase):
    """The switch of the store inside."""

    def check(self, *flags):
        with Storefront(*LONG, *flags) as shop:
            Visitor(shop).json('/buy/7', 'POST')
            for _ in range(2):
                self.assertEqual(shop.post('/switch/store/dead'), (200, {'done': True}))
                status, page, took = shop.timed('/product/7')
                self.assertEqual((status, page['error']), (502, 'stock failed'))
                self.assertIn('the store does not answer', page['detail'])
                self.assertLess(took, SLACK)
                self.assertEqual(Visitor(shop).json('/buy/7', 'POST')[0], 503)
                self.assertEqual(shop.get('/health')[0], 200)  # what needs no store goes on
                self.assertEqual(shop.get('/like/7')[0], 200)
                self.assertFalse(shop.stats()['store']['lives'])
                self.assertEqual(shop.post('/switch/store/ok'), (200, {'done': True}))
                while shop.get('/product/7')[0] != 200:
                    pass  # the clients come back by themselves
                self.assertTrue(shop.stats()['store']['lives'])
            for state in 'slow', 'block', 'pool', 'odd':
                self.assertEqual(shop.post('/switch/store/' + state)[0], 404)

    def test_store_that_cannot_come_back_is_not_said_to_be_there(self):
        with Storefront('--split') as shop:
            with open('/proc/%d/cmdline' % shop.services['stock'][0], encoding='ascii') as words:
                port = int(re.search(r'127.0.0.1:(\d+)\0\Z', words.read())[1])
            self.assertEqual(shop.post('/switch/store/dead')[0], 200)
            with socket.create_server(('127.0.0.1', port)):  # somebody else has its port now
                self.assertEqual(shop.post('/switch/store/ok')[0], 500)
                self.assertFalse(shop.stats()['store']['lives'])
            self.assertEqual(shop.post('/switch/store/ok')[0], 200)
            self.assertTrue(shop.stats()['store']['lives'])

    def test_dead_store_is_said_and_comes_back(self):
        self.check()
        self.check('--threads', '2')
        self.check('--split')


def redis_server(folder, port=0):
    """redis-server at a Unix socket in the folder: the process, once it answers."""
    path = os.path.join(folder, 'redis.sock')
    libraries = ':'.join(glob.glob(os.path.join(PEER, 'usr/lib/*-linux-gnu')))  # nothing of it is installed
    process = subprocess.Popen([REDIS, '--port', str(port), '--unixsocket', path, '--save', '', '--appendonly', 'no',
                                '--dir', folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=dict(os.environ, LD_LIBRARY_PATH=libraries))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if redis_ask(path, 'PING') == '+PONG':
                return process
        except OSError:
            pass
    process.kill()
    raise AssertionError('redis-server does not answer')


def redis_ask(path, line):
    """The first line that it replies."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(PATIENCE)
        stream.connect(path)
        stream.sendall(line.encode() + b'\r\n')
        return stream.makefile().readline().strip()


class Elsewhere(Kept, unittest.TestCase):
    """At a real Redis."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = os.path.join(cls.folder.name, 'redis.sock')
        cls.redis = redis_server(cls.folder.name)
        cls.flags = '--store', 'unix:' + cls.path
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.redis.kill()
        cls.redis.wait()
        cls.folder.cleanup()

    def test_stock_is_there_and_what_is_there_is_sold(self):
        self.assertRegex(redis_ask(self.path, 'DBSIZE'), r':\d{4}')
        redis_ask(self.path, 'SET stock:33 1')
        self.assertEqual(pieces(self.shop, 33), 1)
        self.assertEqual(Visitor(self.shop).json('/buy/33', 'POST')[1]['left'], 0)
        self.assertEqual(Visitor(self.shop).json('/buy/33', 'POST')[0], 409)
        redis_ask(self.path, 'SET stock:33 -5')
        self.assertEqual(pieces(self.shop, 33), 0)

    def test_it_has_no_switch(self):
        self.assertEqual(self.shop.post('/switch/store/dead')[0], 404)

    def test_visitor_expires_there(self):
        visitor = Visitor(self.shop)
        visitor.json('/buy/7', 'POST')
        name = visitor.cookie.split('=')[1]
        self.assertEqual(redis_ask(self.path, 'EXISTS session:%s cart:%s' % (name, name)), ':2')
        self.assertRegex(redis_ask(self.path, 'TTL session:' + name), r':1[78]\d\d')
        redis_ask(self.path, 'PEXPIRE session:%s 1' % name)
        while redis_ask(self.path, 'EXISTS session:' + name) != ':0':
            pass
        self.assertEqual(visitor.json('/visitor'), (200, {'seen': [], 'cart': []}))


class Lost(unittest.TestCase):
    """A Redis that goes away, and comes back."""

    def redis_server(self, folder):
        process = redis_server(folder)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def check(self, *flags):
        with tempfile.TemporaryDirectory() as folder:
            redis = self.redis_server(folder)
            address = 'unix:' + os.path.join(folder, 'redis.sock')
            with Storefront('--store', address, *LONG, *flags) as shop:
                self.assertTrue(shop.stats()['store']['lives'], 'before it was asked')
                self.assertEqual(shop.get('/product/7')[0], 200)
                redis.kill()
                redis.wait()
                status, page, _ = shop.timed('/product/7')
                self.assertEqual((status, page['error']), (502, 'stock failed'))
                self.assertIn('the store does not answer', page['detail'])
                self.assertEqual(shop.get('/health')[0], 200)
                self.assertEqual(shop.get('/like/7')[0], 200)
                while shop.stats()['store']['lives']:
                    pass
                os.unlink(os.path.join(folder, 'redis.sock'))
                redis = self.redis_server(folder)
                while shop.get('/product/7')[0] != 200:
                    pass
                self.assertEqual(Visitor(shop).json('/buy/7', 'POST')[0], 200)
                self.assertEqual(redis_ask(address[5:], 'EXISTS stock:7'), ':1')
            redis.kill()
            redis.wait()

    def test_killed_redis_is_said_and_comes_back(self):
        self.check()
        self.check('--threads', '2')
        self.check('--split')

    def test_stopped_redis_is_named_before_the_deadline(self):
        with tempfile.TemporaryDirectory() as folder:
            redis = self.redis_server(folder)
            with Storefront('--store', 'unix:' + os.path.join(folder, 'redis.sock'), '--deadline', '3000') as shop:
                self.assertEqual(shop.get('/product/7')[0], 200)
                redis.send_signal(signal.SIGSTOP)
                status, page, took = shop.timed('/product/7')
                self.assertEqual((status, page['detail']), (502, 'the store does not answer: it does not answer in time'))
                self.assertGreaterEqual(took, 2)
                redis.send_signal(signal.SIGCONT)
                while shop.get('/product/7')[0] != 200:
                    pass
            redis.kill()
            redis.wait()


class Starts(unittest.TestCase):
    def test_shop_starts_without_the_store_it_is_told_of(self):
        with tempfile.TemporaryDirectory() as folder:
            with Storefront('--store', 'unix:%s/none' % folder, *LONG) as shop:
                while shop.stats()['store']['lives']:
                    pass  # until it was asked
                self.assertEqual(shop.get('/product/7')[0], 502)
                self.assertEqual(shop.get('/health')[0], 200)

    def test_address_that_is_none_is_said(self):
        for address in 'rediss://host', 'redis://', 'x' * 300:
            done = subprocess.run([PROGRAM, '--listen', '127.0.0.1:0', '--store', address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  timeout=PATIENCE)
            self.assertNotEqual(done.returncode, 0, address)
            self.assertIn('store', done.stderr)


if __name__ == '__main__':
    if '--elsewhere' in TESTS:
        TESTS[:] = ['Elsewhere', 'Lost']
        if not REDIS:
            print('no redis-server: ./dev peers redis')
            sys.exit(77)
    elif not TESTS:
        TESTS[:] = ['Inside', 'InsideTcp', 'Threads', 'Split', 'SplitThreads', 'Figures', 'Broken', 'Starts']
    main()
