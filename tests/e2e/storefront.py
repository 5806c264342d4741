#!/usr/bin/env python3
"""The storefront from outside: the program is started, and talked to as its users do. See shop.py."""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import unittest

from shop import PATIENCE, PROGRAM, SANITIZED, SLACK, Storefront, main, read_products


class Pages(unittest.TestCase):
    """What is answered, with the services in memory, however busy the machine is."""
    flags = ('--deadline', '10000')
    files_max = 10

    @classmethod
    def setUpClass(cls):
        cls.shop = Storefront(*cls.flags)

    @classmethod
    def tearDownClass(cls):
        cls.shop.end()

    def test_every_product_is_as_in_the_file(self):
        pages = list(read_products())
        self.assertEqual(len(pages), 1000)
        with self.shop.client() as client:
            for page in pages:
                status, headers, body = client.get('/product/%d' % page['product']['id'])
                self.assertEqual((status, json.loads(body)), (200, page))
                self.assertEqual(headers['content-type'], 'application/json')

    def test_unknown_product_is_404(self):
        for path in '/product/0', '/product/1001', '/product/999999999', '/products', '/product/7/':
            self.assertEqual(self.shop.get(path)[0], 404, path)

    def test_id_that_is_no_number_is_400(self):
        for path in ('/product/abc', '/product/7x', '/product/-7', '/product/%37%00',
                     '/product/7%2F8', '/product/1234567890', '/product/%zz'):
            self.assertEqual(self.shop.get(path)[0], 400, path)

    def test_other_methods(self):
        with self.shop.client() as client:
            self.assertEqual(client.get('/product/7', 'POST')[0], 405)
            _, got, body = client.get('/product/7')
            status, headed, nothing = client.get('/product/7', 'HEAD')
            self.assertEqual((status, nothing), (200, b''))
            self.assertEqual(headed['content-length'], got['content-length'])
            self.assertEqual(int(got['content-length']), len(body))
            self.assertEqual(client.get('/health')[::2], (200, b'ok\n'))
            self.assertIn(b'<title>', client.get('/')[2])

    def test_tasks_are_shown(self):
        status, headers, body = self.shop.get('/tasks')
        self.assertEqual((status, headers['content-type']), (200, 'text/plain; charset=utf-8'))
        self.assertRegex(body.decode(), r"(?m)^loop: \d+ tasks of \d+ spawned, ")
        self.assertRegex(body.decode(), r"(?m)^ +task \d+ 'pulse_beat', parked: waits for sleep, for ")
        self.assertRegex(body.decode(), r"(?m)^ +at stage_tasks\+0x|, running; spawned at ")

    def test_pipelined_requests_are_answered_in_order(self):
        with self.shop.client() as client:
            numbers = list(range(1, 51))
            request = 'GET /product/%d HTTP/1.1\r\nHost: test\r\n\r\n'
            client.send(''.join(request % n for n in numbers))
            got = [json.loads(client.answer()[2])['product']['id'] for _ in numbers]
            self.assertEqual(got, numbers)

    def test_request_byte_by_byte(self):
        with self.shop.client() as client:
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b'GET /product/7 HTTP/1.1\r\nHost: test\r\n\r\n':
                client.send(bytes([byte]))
            self.assertEqual(client.answer()[0], 200)

    @unittest.skipUnless(shutil.which('curl'), 'curl is not installed')
    def test_curl_keeps_its_connection(self):
        out = subprocess.run(['curl', '-sS', '-o', os.devnull, '-w', '%{http_code} %{num_connects}\n',
                              self.shop.url + '/product/[1-5]'],
                             check=True, stdout=subprocess.PIPE, text=True, timeout=PATIENCE).stdout
        self.assertEqual(out.split(), ['200', '1'] + ['200', '0'] * 4)

    def round_of_clients(self, pages):
        """64 clients, each with so many requests in its pipeline."""
        clients = [self.shop.client() for _ in range(64)]
        for n, client in enumerate(clients):
            for page in range(pages):
                client.ask('/product/%d' % (n + page + 1))
        for n, client in enumerate(clients):
            for page in range(pages):
                status, _, body = client.answer()
                self.assertEqual(status, 200, body)
                self.assertEqual(json.loads(body)['product']['id'], n + page + 1)
        self.assertEqual(self.shop.threads(), 2)  # the loop and the observer
        for client in clients:
            client.__exit__()
        self.shop.get('/health')  # by its answer the others are gone

    def test_many_clients_leave_nothing_behind(self):
        pages = 1 if SANITIZED else 16
        for _ in range(4):
            self.round_of_clients(pages)
        growth = []
        for _ in range(11):
            before = self.shop.resident()
            self.round_of_clients(pages)
            growth.append(self.shop.resident() - before)
        self.assertLessEqual(self.shop.files(), self.files_max)
        # More requests at one time than ever before cost memory once. A leak of 64 bytes in a page
        # costs 64 KiB in every round.
        if not SANITIZED:
            self.assertLess(sorted(growth)[len(growth) // 4], 64 << 10, growth)

    def test_garbage_is_refused_and_harms_nobody(self):
        seed = int(os.environ.get('WEFT_SEED', 0)) or random.randrange(1, 1 << 32)
        print('repeat with WEFT_SEED=%d' % seed)
        dice = random.Random(seed)
        starts = b'', b'GET ', b'GET /product/7 HTTP/1.1\r\n', b'GET / HTTP/1.1\r\nHost: test\r\n'
        for _ in range(1000):
            with self.shop.client() as client:
                client.send(dice.choice(starts) + dice.randbytes(dice.randrange(1, 300)))
                client.socket.shutdown(socket.SHUT_WR)
                try:
                    answer = client.input.read()
                except ConnectionResetError:
                    continue
                self.assertRegex(answer, rb'\A(HTTP/1.1 (200|4\d\d|50[15]) |\Z)')
        self.assertEqual(self.shop.get('/product/7')[0], 200)


class Quit(unittest.TestCase):
    """Ctrl-\\ asks what it waits for."""

    def test_quit_signal_prints_the_tasks(self):
        with Storefront(complaint=r"loop: (.*\n)+ +task \d+ 'pulse_beat', parked(.*\n)+") as shop:
            shop.process.send_signal(signal.SIGQUIT)
            self.assertEqual(shop.get('/health')[0], 200)


class PagesTcp(Pages):
    """The same, with the services on TCP ports."""
    flags = ('--deadline', '10000', '--tcp')
    files_max = 17 + 4 * 64 * 2  # the client keeps 64 connections for each service; both ends


class Failures(unittest.TestCase):
    """Services that are slow, clients that are strange."""

    def test_late_reviews_degrade_the_page(self):
        for flags in (), ('--tcp',):
            with Storefront('--slow', 'reviews=60000', '--deadline', '100', *flags) as shop:
                status, page, took = shop.timed('/product/7')
                self.assertEqual((status, page['reviews'], page['degraded']), (200, None, True))
                self.assertEqual(page['product']['id'], 7)
                self.assertLess(took, 0.1 + SLACK)
                self.assertGreaterEqual(took, 0.1)

    def test_late_required_part_is_504_at_the_deadline(self):
        for name in 'catalog', 'price', 'stock':
            with Storefront('--slow', name + '=60000', '--deadline', '100') as shop:
                status, page, took = shop.timed('/product/7')
                self.assertEqual((status, page['error']), (504, 'no answer within 100 ms'))
                self.assertLess(took, 0.1 + SLACK)
                self.assertGreaterEqual(took, 0.1)
                self.assertEqual(shop.get('/health')[0], 200)

    def test_latencies_of_the_services_do_not_add_up(self):
        with Storefront('--latency', '100', '--deadline', '10000') as shop:
            status, page, took = shop.timed('/product/7')
            self.assertEqual((status, page['degraded']), (200, False))
            self.assertGreaterEqual(took, 0.1)
            self.assertLess(took, 0.1 + SLACK)

    def test_silent_clients_are_408(self):
        with Storefront('--client-timeout', '100') as shop:
            for start in b'', b'\r\n', b'G', b'GET / HT', b'GET / HTTP/1.1\r\nHost: te':
                with shop.client() as client:
                    client.send(start)
                    status, headers, _ = client.answer()
                    self.assertEqual((status, headers['connection']), (408, 'close'), start)
                    self.assertTrue(client.closed())
            with shop.client() as client:
                client.send(b'GET /health HTTP/1.1\r\nHost: test\r\n\r\n')
                self.assertEqual(client.answer()[0], 200)
                self.assertTrue(client.closed())  # it has not asked: there is nothing to answer

    def test_malformed_and_oversized_requests_are_refused(self):
        line = 'GET /product/7 HTTP/1.1\r\n'
        with Storefront() as shop:
            for request, expected in ((
                    ('nonsense\r\n\r\n', 400),
                    (line + '\r\n', 400),
                    (line + 'Host: a\r\nHost: b\r\n\r\n', 400),
                    (line + 'Host : a\r\n\r\n', 400),
                    (line + 'Host: a\r\n folded: b\r\n\r\n', 400),
                    (line + 'Host: a\nX: b\r\n\r\n', 400),
                    (line + 'Host: a\r\nContent-Length: 1, 2\r\n\r\n', 400),
                    ('GET / HTTP/3.0\r\nHost: a\r\n\r\n', 505),
                    ('GET /%s HTTP/1.1\r\nHost: a\r\n\r\n' % ('x' * 9000), 414),
                    (line + 'Host: a\r\n' + 'X: y\r\n' * 200 + '\r\n', 431),
                    (line + 'Host: a\r\nX: ' + 'y' * (65 << 10) + '\r\n\r\n', 431))):
                with shop.client() as client:
                    client.send(request)
                    status, headers, _ = client.answer()
                    self.assertEqual((status, headers['connection']), (expected, 'close'),
                                     request[:60])
                    self.assertTrue(client.closed())
            self.assertEqual(shop.get('/product/7')[0], 200)

    def test_more_clients_than_descriptors(self):
        paused = r'(weft runtime warning: .* pauses accepting .*\n)*'
        with Storefront(files=64, complaint=paused) as shop:
            clients = [shop.client() for _ in range(100)]
            for client in clients:
                client.ask('/product/7', more='Connection: close\r\n')
            for client in clients:
                self.assertEqual(client.answer()[0], 200)
                client.__exit__()
            self.assertEqual(shop.get('/product/7')[0], 200)


class Ends(unittest.TestCase):
    """Starting and ending."""

    def test_signals_end_it(self):
        for flags in (), ('--tcp',):
            for how in signal.SIGINT, signal.SIGTERM:
                shop = Storefront(*flags)
                with shop.client() as idle:
                    self.assertEqual(idle.get('/product/7')[0], 200)
                    shop.end(how)
                    self.assertTrue(idle.closed())

    def test_request_in_flight_is_answered_after_ctrl_c(self):
        for flags in (), ('--tcp',):
            shop = Storefront('--slow', 'catalog=200', '--deadline', '5000', *flags)
            with shop.client() as client:
                client.ask('/product/7')
                client.ask('/health')
                shop.get('/health')  # so it has read the first by now
                start = time.monotonic()
                shop.process.send_signal(signal.SIGINT)
                status, headers, body = client.answer()
                self.assertEqual((status, json.loads(body)['degraded']), (200, False))
                shop.ended(start)

    def test_request_that_takes_too_long_does_not_hold_it_up(self):
        shop = Storefront('--latency', '60000', '--deadline', '60000', '--drain', '100')
        with shop.client() as client:
            client.ask('/product/7')
            shop.get('/health')
            shop.end()

    def test_next_free_port_is_taken(self):
        with Storefront(listen=()) as first, Storefront(listen=()) as second:
            self.assertNotEqual(first.port, second.port)
            for shop in first, second:
                self.assertIn(shop.port, range(8080, 8181))
                self.assertEqual(shop.url, 'http://127.0.0.1:%d' % shop.port)
                self.assertEqual(shop.example, 'try: curl %s/product/7' % shop.url)
                self.assertEqual(shop.get('/health')[0], 200)

    def run_with(self, *flags):
        done = subprocess.run([PROGRAM, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=PATIENCE)
        return done.returncode, done.stdout, done.stderr

    def test_flags(self):
        status, out, err = self.run_with('--help')
        self.assertEqual((status, out.split()[0], err), (0, 'usage:', ''))
        status, out, err = self.run_with('--version')
        self.assertEqual((status, err), (0, ''))
        self.assertRegex(out, r'\Astorefront \d+\.\d+\.\d+\n\Z')
        for flags in (['--nonsense'], ['word'], ['--listen'], ['--deadline', 'soon'],
                      ['--slow', 'price'], ['--slow', 'nobody=1'], ['--slow', 'price=-1'],
                      ['--client-timeout', '0'], ['--drain', '99999999999']):
            status, out, err = self.run_with(*flags)
            self.assertEqual((status, out), (2, ''), flags)
            self.assertIn('usage: storefront', err)

    def test_address_that_cannot_be_had(self):
        with Storefront() as shop:
            for address in '127.0.0.1:%d' % shop.port, '127.0.0.1', '127.0.0.1:http!':
                status, out, err = self.run_with('--listen', address)
                self.assertEqual((status, out), (1, ''), address)
                self.assertRegex(err, r'\Astorefront: .*\n\Z')


if __name__ == '__main__':
    main()
