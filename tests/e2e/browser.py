"""Chromium without a window, driven by its own protocol: JSON texts that end with NUL, written to its
descriptor 3 and read from 4. No websocket, no driver, no package."""
import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

PATIENCE = 20  # seconds

NAMES = 'chromium', 'chromium-browser', 'google-chrome'
COMMAND = next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page; what it logs and throws is kept in `complaints`."""

    def __init__(self, *flags):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_read, self.output = os.pipe()
        self.input, to_write = os.pipe()
        ends = [os.dup(os.dup(os.dup(end))) for end in (to_read, to_write)]  # not 3 or 4 themselves

        def prepare():
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            [COMMAND, '--headless', '--remote-debugging-pipe', '--user-data-dir=' + self.folder.name,
             '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
             '--disable-background-networking', '--hide-scrollbars', *flags, 'about:blank'],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=prepare, close_fds=False, start_new_session=True)
        for end in [to_read, to_write, *ends]:
            os.close(end)
        self.data, self.number, self.session = b'', 0, None
        self.complaints, self.requests = [], []
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self.session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in 'Page', 'Runtime', 'Log', 'Network':
            self.call(domain + '.enable')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.input)
        os.close(self.output)
        self.folder.cleanup()

    def receive(self, deadline):
        while b'\0' not in self.data:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.input], [], [], left)[0]:
                raise TimeoutError('the browser says nothing')
            more = os.read(self.input, 1 << 16)
            if not more:
                raise ConnectionError('the browser has ended')
            self.data += more
        message, self.data = self.data.split(b'\0', 1)
        return json.loads(message)

    def note(self, message):
        method, params = message.get('method'), message.get('params', {})
        if method == 'Runtime.exceptionThrown':
            details = params['exceptionDetails']
            self.complaints.append(details.get('exception', {}).get('description', details['text']))
        elif method == 'Runtime.consoleAPICalled' and params['type'] in ('error', 'warning', 'assert'):
            self.complaints.append(str([a.get('value') for a in params['args']]))
        elif method == 'Log.entryAdded' and params['entry']['level'] in ('error', 'warning'):
            self.complaints.append(params['entry']['text'])
        elif method == 'Network.requestWillBeSent':
            self.requests.append(params['request']['url'])

    def call(self, method, **params):
        self.number += 1
        message = {'id': self.number, 'method': method, 'params': params}
        if self.session:
            message['sessionId'] = self.session
        os.write(self.output, json.dumps(message).encode() + b'\0')
        deadline = time.monotonic() + 2 * PATIENCE  # a promise may use up all of one
        while (answer := self.receive(deadline)).get('id') != self.number:
            self.note(answer)
        if 'error' in answer:
            raise RuntimeError('%s: %s' % (method, answer['error']))
        return answer['result']

    def open(self, url):
        self.call('Page.navigate', url=url)
        self.until('document.readyState === "complete" && location.href !== "about:blank"')

    def size(self, width, height, dark=False, scale=1):
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height,
                  deviceScaleFactor=scale, mobile=width < 600)
        self.call('Emulation.setEmulatedMedia', features=[
            {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}])

    def value(self, expression):
        """What a JavaScript expression gives; promises are waited for."""
        result = self.call('Runtime.evaluate', expression=expression, awaitPromise=True,
                           returnByValue=True)
        if 'exceptionDetails' in result:
            raise RuntimeError(result['exceptionDetails'].get('exception', {}).get('description'))
        return result['result'].get('value')

    def until(self, expression, patience=PATIENCE):
        """Wait until the expression is true: looked at with every picture the page draws."""
        return self.value('''new Promise((done, fail) => {
            const end = performance.now() + %d, look = () => {
                const value = (() => { try { return %s; } catch (error) { return false; } })();
                if (value) done(value);
                else if (performance.now() > end) fail(new Error('never: ' + %s));
                else setTimeout(look, 20);
            };
            look();
        })''' % (patience * 1000, expression, json.dumps(expression)))

    def screenshot(self, path, whole=True):
        data = self.call('Page.captureScreenshot', format='png', captureBeyondViewport=whole)['data']
        with open(path, 'wb') as file:
            file.write(base64.b64decode(data))
