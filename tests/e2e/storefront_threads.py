#!/usr/bin/env python3
"""The storefront on several loops: one port, one set of figures, switches that reach all of them.
See shop.py."""
import json
import signal
import unittest

from shop import Storefront, main, read_products

CONNECTIONS = 40  # so many that every loop has some
ANSWERS = 'whole', 'degraded', 'absent', 'late', 'failed', 'lost'


def crowd(shop):
    return [shop.client() for _ in range(CONNECTIONS)]


def ask_all(clients):
    """What each connection says of a product of its own."""
    for number, client in enumerate(clients):
        client.ask('/product/%d' % (number + 1))
    return [(status, json.loads(body)) for status, _, body in (c.answer() for c in clients)]


def close_all(clients):
    for client in clients:
        client.__exit__()


class Threads(unittest.TestCase):
    def check_pages(self, *flags):
        products = list(read_products())
        with Storefront('--threads', '3', *flags) as shop:
            self.assertEqual(shop.until(r'(\d) loops, each')[1], '3')
            clients = crowd(shop)
            for _ in range(5):
                for number, (status, page) in enumerate(ask_all(clients)):
                    self.assertEqual((status, page), (200, products[number]))
            close_all(clients)

    def test_every_loop_answers(self):
        self.check_pages()
        self.check_pages('--tcp')
        self.check_pages('--split')

    def test_figures_are_those_of_all_loops(self):
        with Storefront('--threads', '3') as shop:
            clients = crowd(shop)
            for _ in range(5):
                ask_all(clients)
            counts, since = dict.fromkeys(ANSWERS, 0), 0
            while sum(counts.values()) < 5 * CONNECTIONS:
                for window in shop.stats(since)['windows']:  # of whichever loop is asked
                    since = window['second']
                    for answer in ANSWERS:
                        counts[answer] += window['weft'][answer]
            self.assertEqual(counts, dict.fromkeys(ANSWERS, 0) | {'whole': 5 * CONNECTIONS})
            close_all(clients)

    def test_a_switch_reaches_every_loop(self):
        with Storefront('--threads', '3') as shop:
            clients = crowd(shop)
            for _ in range(3):
                self.assertEqual(shop.post('/switch/reviews/dead'), (200, {'done': True}))
                self.assertTrue(all(page['degraded'] for _, page in ask_all(clients)))
                self.assertEqual(shop.post('/switch/reviews/ok'), (200, {'done': True}))
                self.assertFalse(any(page['degraded'] for _, page in ask_all(clients)))
            self.assertEqual(shop.post('/switch/nothing/ok')[0], 404)
            self.assertEqual(shop.post('/switch/price/ok', 'Origin: http://elsewhere\r\n')[0], 403)
            close_all(clients)

    def test_what_is_under_way_is_answered_after_sigterm(self):
        with Storefront('--threads', '3', '--latency', '100') as shop:
            clients = crowd(shop)
            for client in clients:
                client.ask('/product/1')
            while True:  # all have begun: the kernel has nothing left that could be refused
                window = shop.stats()['windows'][-1:]
                if window and window[0]['weft']['whole'] >= CONNECTIONS:
                    break
            for client in clients:
                self.assertEqual(client.answer()[0], 200)
                client.ask('/product/1')
            shop.get('/health')
            shop.end(signal.SIGTERM)
            statuses = {client.answer()[0] for client in clients}
            self.assertLessEqual(statuses, {200, 0})
            close_all(clients)


main()
