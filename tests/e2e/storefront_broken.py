#!/usr/bin/env python3
"""The storefront's page, figures and switches from outside, and its services as processes that are
killed and stopped. See shop.py."""
import json
import os
import re
import select
import signal
import unittest

from shop import PATIENCE, SANITIZED, SLACK, Client, Storefront, main

RATE = 40 if SANITIZED else 200  # pages a second of a load
DEADLINE = 0.3                   # seconds


def gone(process):
    """Wait until a process, given by a descriptor of it, has ended."""
    return bool(select.select([process], [], [], PATIENCE)[0])


def last(shop, side='weft'):
    return shop.stats()['windows'][-1][side]


class Page(unittest.TestCase):
    def test_page_needs_nothing_from_elsewhere(self):
        with Storefront() as shop:
            status, headers, body = shop.get('/')
            text = body.decode()
            self.assertEqual((status, headers['content-type']), (200, 'text/html; charset=utf-8'))
            self.assertIn("default-src 'none'", headers['content-security-policy'])
            self.assertEqual(re.findall(r'(?:src|href|action)=(?!"?data:)\S*', text), [])
            self.assertEqual(re.findall(r'https?:|@import|url\(', text), [])
            for asked in re.findall(r"(?:fetch|timed)\('([^']*)", text):
                self.assertTrue(asked.startswith('/'), asked)


class Figures(unittest.TestCase):
    def test_each_page_is_counted_once_and_by_its_answer(self):
        with Storefront('--slow', 'reviews=0') as shop:
            with shop.client() as client:
                for number in range(50):
                    self.assertEqual(client.get('/product/%d' % (number + 1))[0], 200)
                self.assertEqual(client.get('/product/1001')[0], 404)
            shop.until(r'^weft')
            shop.post('/switch/price/dead')
            self.assertEqual(shop.get('/product/7')[0], 502)
            shop.until(r'1 x 502')
            counts = {}
            for window in shop.stats()['windows']:
                for answer in 'whole', 'degraded', 'absent', 'late', 'failed', 'lost':
                    counts[answer] = counts.get(answer, 0) + window['weft'][answer]
            self.assertEqual(counts, {'whole': 50, 'degraded': 0, 'absent': 1, 'late': 0,
                                      'failed': 1, 'lost': 0})

    def test_figures_are_right_under_load(self):
        with Storefront('--latency', '20', '--load', str(RATE)) as shop:
            for _ in range(3):
                shop.until(r'^weft .*\| threads +\d')
            stats = shop.stats()
            self.assertEqual((stats['rate'], stats['split'], stats['deadline_ms']), (RATE, False, 300))
            for side in 'weft', 'threads':
                recent = [w[side] for w in stats['windows'] if w[side]][-2:]
                self.assertEqual(sum(f['lost'] + f['missed'] + f['failed'] for f in recent), 0, recent)
                for f in recent:
                    self.assertTrue(f['by_clients'])
                    self.assertAlmostEqual(f['rate'], RATE, delta=RATE / 4)
                    self.assertGreaterEqual(f['p50'], 20)
                    self.assertGreaterEqual(f['p99'], f['p50'])
                    self.assertGreater(f['health_p99'], 0)
                    self.assertGreater(f['memory'], 1 << 20)
                    for part in f['parts']:
                        self.assertGreaterEqual(part['p99'], 20)
            recent = stats['windows'][-1]
            self.assertEqual(recent['weft']['threads'], shop.threads())
            self.assertGreaterEqual(recent['threads']['threads'], 10)

    def test_windows_are_told_once(self):
        with Storefront('--load', str(RATE)) as shop:
            shop.until(r'^weft')
            shop.until(r'^weft')
            seen = [w['second'] for w in shop.stats()['windows']]
            self.assertEqual(seen, list(range(1, len(seen) + 1)))
            shop.until(r'^weft')
            new = [w['second'] for w in shop.stats(seen[-1])['windows']]
            self.assertEqual(new, list(range(seen[-1] + 1, seen[-1] + 1 + len(new))))
            self.assertEqual(shop.stats(10 ** 6)['windows'][0]['second'], 1)  # of another program

    def test_idle_program_is_quiet(self):
        with Storefront() as shop:
            shop.get('/product/7')
            shop.until(r'^weft +1/s, 0 in flight')
            self.assertEqual(select.select([shop.process.stdout], [], [], 2.5)[0], [])
            self.assertGreaterEqual(shop.stats()['windows'][-1]['second'], 3)

    def test_load_goes_on_and_off(self):
        with Storefront() as shop:
            self.assertIsNone(shop.stats(0)['windows'] and last(shop, 'threads') or None)
            self.assertEqual(shop.post('/load/%d' % RATE)[0], 200)
            shop.until(r'^weft .* \| threads')
            self.assertEqual(shop.post('/load/0')[0], 200)
            self.assertEqual(shop.stats()['rate'], 0)
            for rate in '5001', 'x', '-1':
                self.assertEqual(shop.post('/load/' + rate)[0], 404)


class Switches(unittest.TestCase):
    """Thrown from outside, while there is a load on both shops."""

    @classmethod
    def setUpClass(cls):
        cls.shop = Storefront('--latency', '20', '--load', str(RATE))

    @classmethod
    def tearDownClass(cls):
        cls.shop.end()

    def throw(self, name, state):
        self.assertEqual(self.shop.post('/switch/%s/%s' % (name, state))[0], 200)

    def tearDown(self):
        for name in 'reviews', 'price', 'stock':
            self.throw(name, 'ok')

    def test_slow_reviews_degrade_within_the_deadline(self):
        self.throw('reviews', 'slow')
        status, page, took = self.shop.timed('/product/7')
        self.assertEqual((status, page['reviews'], page['degraded']), (200, None, True))
        self.assertLess(took, DEADLINE + SLACK)
        self.shop.until(r'^weft .* degraded.* \| threads .* degraded')
        self.throw('reviews', 'ok')
        self.assertFalse(self.shop.timed('/product/7')[1]['degraded'])

    def test_dead_price_is_502_until_it_is_brought_back(self):
        self.throw('price', 'dead')
        status, page, took = self.shop.timed('/product/7')
        self.assertEqual((status, page['error']), (502, 'price failed'))
        self.assertLess(took, SLACK)
        self.shop.until(r'^weft .* x 502.* \| threads .* x 502')
        self.throw('price', 'dead')  # twice is once
        self.throw('price', 'ok')
        self.assertEqual(self.shop.timed('/product/7')[0], 200)
        self.throw('price', 'ok')

    def test_blocking_stock_is_named_with_a_duration(self):
        before = self.shop.stats()['blocks']['seen']
        self.throw('stock', 'block')
        found = self.shop.until(r'stock blocked the loop for (\d+) ms')
        self.assertGreaterEqual(int(found[1]), 100)  # of 400: who looks on may come late
        blocks = self.shop.stats()['blocks']
        block = next(b for b in blocks['list'] if b['who'] == 'stock')
        self.assertGreater(blocks['seen'], before)
        self.assertEqual((block['loop'], block['goes_on']), ('gateway', False))
        self.assertGreaterEqual(block['ms'], 100)

    def test_blocking_on_a_pool_thread_blocks_no_loop(self):
        self.throw('stock', 'pool')
        self.shop.until(r'^weft .* x 504')
        self.assertEqual(self.shop.threads(), 3)
        for _ in range(2):
            line = self.shop.until(r'^weft.*').group()
            self.assertNotIn('stock blocked', line)

    def test_switch_that_is_none_is_404(self):
        for path in 'nobody/ok', 'price/odd', 'reviews/block', 'catalog/pool', 'price':
            status, _, _ = self.shop.get('/switch/' + path)
            self.assertIn(status, (404, 405), path)
            with self.shop.client() as client:
                self.assertEqual(client.get('/switch/' + path, 'POST')[0], 404, path)

    def test_other_sites_may_not_throw_switches(self):
        for origin, expected in (('http://elsewhere', 403), ('null', 403), ('https://test', 403),
                                 ('http://test', 200)):
            status, _ = self.shop.post('/switch/price/ok', 'Origin: %s\r\n' % origin)
            self.assertEqual(status, expected, origin)
        self.assertEqual(self.shop.post('/load/1', 'Origin: http://elsewhere\r\n')[0], 403)


class Split(unittest.TestCase):
    """A process for each service."""

    def split(self, *flags):
        return Storefront('--split', '--latency', '20', *flags)

    def test_each_service_is_a_process_with_a_port(self):
        with self.split() as shop:
            self.assertEqual(list(shop.services), ['catalog', 'price', 'stock', 'reviews'])
            self.assertIn('kill -9', shop.hint)
            with Client(shop.services['price'][1]) as price:
                self.assertEqual(json.loads(price.get('/price/7')[2])['cents'], 9899)
            shop.get('/product/7')
            shop.until(r'^weft .* 6 threads')
            for service in shop.stats()['services']:
                self.assertEqual(service['process'], shop.services[service['name']][0])

    def test_killed_price_is_502_at_once_until_it_is_brought_back(self):
        with self.split() as shop:
            self.assertEqual(shop.timed('/product/7')[0], 200)
            os.kill(shop.services['price'][0], signal.SIGKILL)
            self.assertTrue(shop.until(r'^price .* was ended by signal 9'))
            status, page, took = shop.timed('/product/7')
            self.assertEqual((status, page['error']), (502, 'price failed'))
            self.assertLess(took, SLACK)
            self.assertEqual([s['lives'] for s in shop.stats()['services']], [True, False, True, True])
            self.assertEqual(shop.post('/switch/price/ok')[0], 200)
            self.assertEqual(shop.timed('/product/7')[0], 200)
            with Client(shop.services['price'][1]) as price:  # the port stays
                self.assertEqual(price.get('/price/7')[0], 200)

    def test_price_killed_by_its_switch(self):
        with self.split() as shop:
            process = os.pidfd_open(shop.services['price'][0])
            self.assertEqual(shop.post('/switch/price/dead')[0], 200)
            self.assertTrue(gone(process))
            os.close(process)
            self.assertEqual(shop.timed('/product/7')[0], 502)
            self.assertEqual(shop.post('/switch/price/ok')[0], 200)
            self.assertEqual(shop.timed('/product/7')[0], 200)

    def test_stopped_reviews_degrade_within_the_deadline(self):
        with self.split() as shop:
            os.kill(shop.services['reviews'][0], signal.SIGSTOP)
            status, page, took = shop.timed('/product/7')
            self.assertEqual((status, page['degraded']), (200, True))
            self.assertLess(took, DEADLINE + SLACK)
            shop.until(r'1 degraded')
            shop.until(r'reviews was stopped by a signal for \d+ ms')
            self.assertTrue(last(shop)['parts'][3]['stopped'])
            self.assertEqual(shop.post('/switch/reviews/ok')[0], 200)
            self.assertFalse(shop.timed('/product/7')[1]['degraded'])

    def test_stopped_stock_is_504_within_the_deadline(self):
        with self.split() as shop:
            os.kill(shop.services['stock'][0], signal.SIGSTOP)
            status, page, took = shop.timed('/product/7')
            self.assertEqual((status, page['error']), (504, 'no answer within 300 ms'))
            self.assertGreaterEqual(took, DEADLINE)
            self.assertLess(took, DEADLINE + SLACK)
            self.assertEqual(shop.get('/health')[0], 200)

    def test_blocking_stock_blocks_its_own_process_alone(self):
        with self.split('--load', str(RATE)) as shop:
            shop.until(r'^weft')
            shop.post('/switch/stock/block')
            found = shop.until(r'stock blocked its own process for (\d+) ms')
            self.assertGreaterEqual(int(found[1]), 100)  # of 400: who looks on may come late
            shop.until(r'^weft')
            worst = max((w['weft'] for w in shop.stats()['windows']), key=lambda f: f['parts'][2]['p99'])
            catalog, price, stock, reviews = [part['p99'] for part in worst['parts']]
            self.assertGreaterEqual(stock, 290)
            if not SANITIZED:
                self.assertLess(max(catalog, price, reviews, worst['health_p99']), 200)

    def end_is_seen(self, how):
        shop = self.split('--load', str(RATE))
        shop.until(r'\| threads')
        with open('/proc/%d/task/%d/children' % (shop.process.pid, shop.process.pid),
                  encoding='ascii') as file:
            children = [os.pidfd_open(int(child)) for child in file.read().split()]
        self.assertEqual(len(children), 7)  # four services, the shop of threads, two loads
        if how == signal.SIGKILL:
            shop.process.kill()
            shop.process.communicate()
        else:
            shop.end(how)
        for child in children:
            self.assertTrue(gone(child))
            os.close(child)

    def test_processes_end_with_the_first_one(self):
        self.end_is_seen(signal.SIGINT)

    def test_processes_end_when_the_first_one_is_killed(self):
        self.end_is_seen(signal.SIGKILL)


if __name__ == '__main__':
    main()
