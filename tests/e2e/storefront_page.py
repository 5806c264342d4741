#!/usr/bin/env python3
"""The storefront's page as its readers see it: in Chromium, driven by browser.py. See shop.py.

Pictures of it are kept in the folder that WEFT_PICTURES names, if it does."""
import json
import os
import sys
import unittest

import browser
from shop import SANITIZED, Storefront, main

RATE = 100
PICTURES = os.environ.get('WEFT_PICTURES')


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shop = Storefront('--latency', '20')
        cls.browser = browser.Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        cls.shop.end()

    def setUp(self):
        self.browser.size(1100, 900)
        self.browser.open(self.shop.url + '/')
        self.browser.until('windows.length > 0')

    def tearDown(self):
        for name in 'reviews', 'price', 'stock', 'store':
            self.shop.post('/switch/%s/ok' % name)
        self.shop.post('/load/0')
        # A page that cannot be had is logged by the browser itself: that is what price is killed for.
        self.assertEqual([c for c in self.browser.complaints if 'status of 50' not in c], [])
        self.assertEqual([r for r in self.browser.requests
                          if not r.startswith((self.shop.url + '/', 'data:'))], [])

    def move(self, name, value):
        self.browser.value('document.querySelector("[name=%s][value=\\"%s\\"]").click()' % (name, value))
        self.browser.until('!moving && stats.%s' % (
            'rate === %s' % value if name == 'load' else
            'store.lives === %s' % ('true' if value == 'ok' else 'false') if name == 'store' else
            'services.some(s => s.name === "%s" && s.state === "%s")' % (name, value)))

    def figure(self, row, side):
        """A condition on the number in a cell of the table."""
        return 'Number($("figures").tBodies[0].rows[%d].cells[%d].textContent.replace(",", ""))' % (
            row, side + 1)

    def picture(self, name):
        if PICTURES:
            self.browser.screenshot(os.path.join(PICTURES, name + '.png'))

    def test_product_is_shown(self):
        self.browser.until('$("product").textContent.includes("Kelpmoor Quiet Tea Towel")')
        self.browser.until('$("product").textContent.includes("€ 98.99, 259 in stock")')
        self.assertEqual(self.browser.value('$("product").querySelectorAll("li").length'), 3)

    def test_load_moves_the_figures_of_both_sides(self):
        self.move('load', RATE)
        for side in 0, 1:
            self.browser.until('%s > %d' % (self.figure(4, side), RATE / 2))  # pages a second
            self.browser.until('%s >= 20' % self.figure(5, side))             # p50
        self.browser.until('%s === 2 && %s > 9' % (self.figure(1, 0), self.figure(1, 1)))  # threads
        self.browser.until('$("key-weft").textContent.includes("complete")')
        self.browser.until('document.querySelectorAll("#chart path[d^=M]").length === 2')
        self.picture('load')

    def test_slow_reviews_are_seen(self):
        self.move('load', RATE)
        self.move('reviews', 'slow')
        self.browser.until('$("product").textContent.includes("Reviews are missing today")')
        for side in 'weft', 'threads':
            self.browser.until('$("key-%s").textContent.includes("without reviews")' % side)
        self.browser.until('$("say").textContent.startsWith("Reviews take two seconds")')
        self.picture('reviews')

    def test_dead_price_is_seen_and_brought_back_by_its_button(self):
        self.move('load', RATE)
        self.move('price', 'dead')
        self.browser.until('$("product").textContent.includes("price failed")')
        self.browser.until('$("key-weft").textContent.includes("failed (502)")')
        self.picture('price')
        self.browser.value('document.querySelector("#services button").click()')
        self.browser.until('stats.services[1].lives && $("product").textContent.includes("98.99")')
        self.browser.until('document.querySelector("[name=price][value=ok]").checked')

    def test_blocking_stock_is_named(self):
        self.move('load', RATE)
        self.move('stock', 'block')
        self.browser.until('/stock blocked the loop for (39|4)\\d+ ms/.test($("blocks").textContent)')
        if not SANITIZED:
            self.browser.until('%s > 200 && %s < 200' % (self.figure(7, 0), self.figure(7, 1)))
        self.picture('stock')

    def test_store_is_seen_and_sells(self):
        self.move('load', RATE)
        self.browser.until('$("store").rows[0].cells[1].textContent.startsWith("1,00")')
        self.browser.until('parseInt($("store").rows[1].cells[1].textContent) > %d' % (RATE / 2))
        self.browser.until('document.querySelector("button.buy") !== null')
        self.browser.value('document.querySelector("button.buy").click()')
        self.browser.until('$("product").textContent.includes("You have bought 1.")')
        self.browser.until('$("product").textContent.includes("Like it: ")')
        # A browser has six connections: how many of the fifty ask at one time is its business, so they ask again.
        self.browser.until('(tries = (window.tries || 0) + 1) % 25 === 1 && $("crowd").click(), '
                           '/, ([2-9]|[1-9]\\d+)$/.test($("store").rows[2].cells[1].textContent)')
        self.picture('store')

    def test_dead_store_is_named_and_brought_back(self):
        self.move('load', RATE)
        self.move('store', 'dead')
        self.browser.until('$("product").textContent.includes("the store does not answer")')
        self.browser.until('$("key-weft").textContent.includes("failed (502)")')
        self.browser.until('$("say").textContent.startsWith("The store is dead")')
        self.picture('store-dead')
        self.browser.value('document.querySelector("#services button").click()')
        self.browser.until('stats.store.lives && $("product").querySelector(".price") !== null')

    def test_switch_moved_by_somebody_else_is_seen(self):
        self.shop.post('/switch/reviews/slow')
        self.browser.until('document.querySelector("[name=reviews][value=slow]").checked')

    def test_tasks_are_shown_while_their_tab_is_open(self):
        self.move('load', RATE)
        self.browser.value('$("tab-tasks").click()')
        self.browser.until('/^ +task \\d+ \'.*parked: waits for a client/m.test($("tree").textContent)')
        self.browser.until('/^ +at gateway_product\\+0x/m.test($("tree").textContent)')
        first = self.browser.value('$("tree").textContent')
        self.browser.until('$("tree").textContent !== %s' % json.dumps(first))
        self.assertTrue(self.browser.value('$("shop").hidden && $("figures").clientWidth === 0'))
        self.picture('tasks')
        self.browser.value('$("calls").click()')
        self.browser.until('!/^ +at /m.test($("tree").textContent)')
        asked = len(self.browser.requests)
        self.browser.value('$("tab-shop").click()')
        self.browser.until('$("tasks").hidden && document.querySelectorAll("#chart path").length === 2')
        self.browser.until('windows.length > 3')
        self.assertFalse([r for r in self.browser.requests[asked + 2:] if r.endswith('/tasks')])

    def test_phone_needs_no_scrolling_sideways(self):
        self.browser.size(360, 740, dark=True)
        self.move('load', RATE)
        self.browser.until('%s > 0' % self.figure(4, 1))
        self.assertLessEqual(self.browser.value('document.documentElement.scrollWidth'), 360)
        self.assertEqual(self.browser.value('getComputedStyle(document.body).backgroundColor'),
                         'rgb(23, 24, 26)')
        self.picture('phone')


if __name__ == '__main__':
    if not browser.COMMAND:
        print('not installed: chromium')
        sys.exit(77)
    main()
