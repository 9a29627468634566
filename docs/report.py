"""The pictures of the report in docs/report.md: the demonstration in Chromium.

AutoSpec --demo
echo 'REDSHIFT = True' >> autospec_demo/param.py && AutoSpec autospec_demo
python docs/report.py autospec_demo/output docs/report.jpg docs/map.jpg
"""

import io
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'tests'))

from browser import Browser

SIZE = 1600, 1160
KEYS = 'Enter', 'Enter', 'Shift+2', 'Enter', '0', 'Left', 'Left', 'Left', 'Left'


def shoot(output: Path) -> Image.Image:
    """Source 6 after a few redshifts were judged."""
    with tempfile.TemporaryDirectory() as profile, Browser(profile, SIZE) as browser:
        browser.open((output / 'index.html').resolve().as_uri() + '#6')
        drawn = "return document.querySelectorAll('#plot .scatterlayer path').length > 0"
        browser.until(lambda: browser.run(drawn))
        for key in KEYS:
            browser.press(key)
            time.sleep(1)
        browser.run("document.getElementById('live').classList.remove('shown')")
        time.sleep(3)
        return Image.open(io.BytesIO(browser.picture())).convert('RGB')


def shoot_map(output: Path) -> Image.Image:
    """The map beside source 6, with the narrow band at its brightest line and the spectrum of a spaxel."""
    with tempfile.TemporaryDirectory() as profile, Browser(profile, SIZE) as browser:
        browser.open((output / 'index.html').resolve().as_uri() + '#6')
        browser.until(lambda: browser.run("return document.querySelectorAll('#plot .scatterlayer path').length > 0"))
        for key in (*KEYS, 'n', 'm'):
            browser.press(key)
            time.sleep(1)
        browser.run('Narrow.spectrumOf(Source.data.centre.map(Math.round)); document.activeElement.blur()')
        browser.run("document.getElementById('live').classList.remove('shown')")
        time.sleep(3)
        return Image.open(io.BytesIO(browser.picture())).convert('RGB')


if __name__ == '__main__':
    shoot(Path(sys.argv[1])).save(sys.argv[2], quality=88)
    shoot_map(Path(sys.argv[1])).save(sys.argv[3], quality=88)
