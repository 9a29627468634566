"""A headless Firefox, driven by its own protocol (Marionette), which needs no further program."""

import json
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from browser import Browser

FIREFOX = shutil.which('firefox-esr') or shutil.which('firefox')
# The commands of Marionette by method and last part of the path of the WebDriver protocol.
COMMANDS = {
    ('POST', 'url'): 'Navigate',
    ('POST', 'refresh'): 'Refresh',
    ('POST', 'rect'): 'SetWindowRect',
    ('POST', 'sync'): 'ExecuteScript',
    ('POST', 'element'): 'FindElement',
    ('POST', 'click'): 'ElementClick',
    ('POST', 'clear'): 'ElementClear',
    ('POST', 'value'): 'ElementSendKeys',
    ('GET', 'text'): 'GetElementText',
    ('POST', 'actions'): 'PerformActions',
    ('GET', 'screenshot'): 'TakeScreenshot',
}


class Firefox(Browser):
    """One window, with the methods of `Browser` but for those on windows and the console.

    Scripts see the document, and not the constants of the page's own scripts.
    """

    def __init__(self, profile, size=(1400, 900)):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        (Path(profile) / 'user.js').write_text(f'user_pref("marionette.port", {port});\n')
        command = [FIREFOX, '--headless', '--marionette', '--no-remote', '--profile', str(profile)]
        self.driver = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        self.number = 0
        self.root = ''
        self.pipe = self.until(lambda: socket.create_connection(('127.0.0.1', port)), 60)
        self.pipe.settimeout(60)
        self._receive()  # it says what it is
        self._ask('WebDriver:NewSession', {})
        self.size(*size)

    def __exit__(self, *_):
        with suppress(OSError, AssertionError):
            self._ask('Marionette:Quit', {'flags': ['eForceQuit']})
        self.pipe.close()
        super().__exit__()

    def _receive(self):
        length = b''
        while not length.endswith(b':'):
            length += self.pipe.recv(1)
        text = b''
        while len(text) < int(length[:-1]):
            text += self.pipe.recv(int(length[:-1]) - len(text))
        return json.loads(text)

    def _ask(self, command, parameters):
        self.number += 1
        text = json.dumps([0, self.number, command, parameters]).encode()
        self.pipe.sendall(b'%d:%s' % (len(text), text))
        _, _, error, result = self._receive()
        assert error is None, error['message']
        return result

    def _send(self, method, path, body=None):
        parts = path.strip('/').split('/')
        if method == 'DELETE':
            return None
        parameters = dict(body or {})
        if len(parts) == 3:
            parameters['id'] = parts[1]
        result = self._ask(f'WebDriver:{COMMANDS[method, parts[-1]]}', parameters)
        return result.get('value', result) if isinstance(result, dict) else result
