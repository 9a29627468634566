"""A headless Chromium, driven through chromedriver by the WebDriver protocol (W3C)."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress

CHROMIUM = (
    shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
)
DRIVER = shutil.which('chromedriver')
FLAGS = (
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-dev-shm-usage',
    '--hide-scrollbars',
    # Pages live for a second: what makes scripts fast that run for long takes a quarter of the
    # time.
    '--disable-features=ScriptStreaming',
    '--js-flags=--no-flush-bytecode,--no-opt,--no-maglev',
)
ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'
KEYS = {
    'Enter': '\ue007',
    'Shift': '\ue008',
    'Control': '\ue009',
    'Escape': '\ue00c',
    'Home': '\ue011',
    'Left': '\ue012',
    'Up': '\ue013',
    'Right': '\ue014',
    'Down': '\ue015',
}


class Browser:
    """One window; as a context manager it ends browser and driver."""

    def __init__(self, profile, size=(1400, 900)):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        self.driver = subprocess.Popen(
            [DRIVER, f'--port={port}'],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.root = f'http://127.0.0.1:{port}'
        arguments = [*FLAGS, f'--user-data-dir={profile}', f'--window-size={size[0]},{size[1]}']
        options = {
            'binary': CHROMIUM,
            'args': arguments,
            'prefs': {'download.default_directory': str(profile)},
        }
        wanted = {'goog:chromeOptions': options, 'goog:loggingPrefs': {'browser': 'ALL'}}
        self.until(lambda: self._send('GET', '/status')['ready'])
        session = self._send('POST', '/session', {'capabilities': {'alwaysMatch': wanted}})
        self.root += f'/session/{session["sessionId"]}'

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with suppress(OSError, AssertionError):
            self._send('DELETE', '')
        # The driver's group: a browser that hangs would stay.
        os.killpg(self.driver.pid, signal.SIGKILL)
        self.driver.wait()

    def _send(self, method, path, body=None):
        data = None if method != 'POST' else json.dumps(body or {}).encode()
        request = urllib.request.Request(
            self.root + path, data, {'Content-Type': 'application/json'}, method=method
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.loads(answer.read())['value']
        except urllib.error.HTTPError as error:
            raise AssertionError(json.loads(error.read())['value']['message']) from error

    def until(self, condition, seconds=30):
        """Wait until a call gives something true, and give it."""
        end = time.monotonic() + seconds
        while True:
            try:
                found = condition()
            except (OSError, AssertionError):
                found = None
            if found:
                return found
            assert time.monotonic() < end, 'it did not happen in time'
            time.sleep(0.05)

    def open(self, address):
        """Go to an address."""
        self._send('POST', '/url', {'url': address})

    def reload(self):
        """Load the page again."""
        self._send('POST', '/refresh')

    def window(self):
        """The handle of the window that is at hand."""
        return self._send('GET', '/window')

    def use(self, handle=None):
        """Go to another window, by its handle; None: to a new one."""
        handle = handle or self._send('POST', '/window/new', {'type': 'tab'})['handle']
        self._send('POST', '/window', {'handle': handle})

    def close(self):
        """Close the window that is at hand; then another one must be used."""
        self._send('DELETE', '/window')

    def choose(self, selector, path):
        """Choose a file of this machine in a control for files."""
        self._send('POST', f'/element/{self.find(selector)}/value', {'text': str(path)})

    def size(self, width, height):
        """Change the window's size."""
        self._send('POST', '/window/rect', {'width': width, 'height': height})

    def run(self, script, *arguments):
        """What a script gives."""
        return self._send('POST', '/execute/sync', {'script': script, 'args': list(arguments)})

    def find(self, selector):
        """The first element that a CSS selector finds."""
        return self._send('POST', '/element', {'using': 'css selector', 'value': selector})[ELEMENT]

    def click(self, selector):
        """Click into the middle of an element."""
        self._send('POST', f'/element/{self.find(selector)}/click')

    def type(self, selector, text):
        """Type into an element in place of what is there."""
        found = self.find(selector)
        self._send('POST', f'/element/{found}/clear')
        self._send('POST', f'/element/{found}/value', {'text': text})

    def text(self, selector):
        """What a user reads in an element."""
        return self._send('GET', f'/element/{self.find(selector)}/text')

    def press(self, *keys):
        """Press keys, wherever the focus is; 'Shift+g' holds Shift down meanwhile."""
        actions = []
        for key in keys:
            *held, last = [KEYS.get(one, one) for one in (key.split('+') if key != '+' else key)]
            actions += [{'type': 'keyDown', 'value': one} for one in (*held, last)]
            actions += [{'type': 'keyUp', 'value': one} for one in (last, *reversed(held))]
        self._send(
            'POST', '/actions', {'actions': [{'type': 'key', 'id': 'keys', 'actions': actions}]}
        )

    def drag(self, start, end):
        """Press the mouse's button at a place in the window, move, and let it go."""
        place = {'type': 'pointerMove', 'duration': 50}
        moves = [
            {**place, 'x': start[0], 'y': start[1]},
            {'type': 'pointerDown', 'button': 0},
            {**place, 'x': end[0], 'y': end[1]},
            {'type': 'pointerUp', 'button': 0},
        ]
        self._send(
            'POST', '/actions', {'actions': [{'type': 'pointer', 'id': 'mouse', 'actions': moves}]}
        )

    def picture(self, selector=None):
        """The window, or an element, as a PNG."""
        path = '/screenshot' if selector is None else f'/element/{self.find(selector)}/screenshot'
        return base64.b64decode(self._send('GET', path))

    def log(self):
        """What is on the console since the last look: level and message."""
        return [
            (one['level'], one['message'])
            for one in self._send('POST', '/se/log', {'type': 'browser'})
        ]


def fresh(window, address, size=(1400, 900)):
    """The page in a window, freshly opened and with nothing kept; no error may be on its console at
    the end."""
    window.size(*size)
    window.open(address)
    if window.run('return localStorage.length + sessionStorage.length'):  # a test has failed
        window.run('localStorage.clear(); sessionStorage.clear()')
        window.open('about:blank')
        window.open(address)
    window.log()
    window.address = address
    yield window
    window.run('localStorage.clear(); sessionStorage.clear()')
    assert not [line for line in window.log() if line[0] in ('SEVERE', 'WARNING')]
    assert window.run('return window.broken === undefined')
