"""The pictures of the report in docs/report.md and docs/redshift-survey.md: demonstrations in
Chromium.

AutoSpec --demo
echo 'REDSHIFT = True' >> autospec_demo/param.py && AutoSpec autospec_demo
AutoSpec --demo sim
echo 'REDSHIFT = True' >> autospec_sim/param.py && AutoSpec autospec_sim
python docs/report.py autospec_demo/output docs/report.jpg docs/map.jpg autospec_sim/output docs/redshift-survey.jpg
"""

import io
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'tests'))

from browser import Browser

SIZE = 1600, 1160
KEYS = 'Enter', 'Enter', 'Shift+2', 'Enter', '0', 'Left', 'Left', 'Left', 'Left'


def shoot(output: Path, ident: str, keys: Sequence[str]) -> Image.Image:
    """A source, after some keys were pressed."""
    with tempfile.TemporaryDirectory() as profile, Browser(profile, SIZE) as browser:
        browser.open((output / 'index.html').resolve().as_uri() + f'#{ident}')
        drawn = "return document.querySelectorAll('#plot .scatterlayer path').length > 0"
        browser.until(lambda: browser.run(drawn))
        for key in keys:
            browser.press(key)
            time.sleep(1)
        browser.run("document.getElementById('live').classList.remove('shown')")
        time.sleep(3)
        return Image.open(io.BytesIO(browser.picture())).convert('RGB')


def shoot_map(output: Path) -> Image.Image:
    """The map beside source 6, with the narrow band at its brightest line and the spectrum of a
    spaxel."""
    with tempfile.TemporaryDirectory() as profile, Browser(profile, SIZE) as browser:
        browser.open((output / 'index.html').resolve().as_uri() + '#6')
        browser.until(
            lambda: browser.run(
                "return document.querySelectorAll('#plot .scatterlayer path').length > 0"
            )
        )
        for key in (*KEYS, 'n', 'm'):
            browser.press(key)
            time.sleep(1)
        browser.run(
            'Narrow.spectrumOf(Source.data.centre.map(Math.round)); document.activeElement.blur()'
        )
        browser.run("document.getElementById('live').classList.remove('shown')")
        time.sleep(3)
        return Image.open(io.BytesIO(browser.picture())).convert('RGB')


if __name__ == '__main__':
    demo, report, field, simulated, survey = map(Path, sys.argv[1:])
    shoot(demo, '6', KEYS).save(report, quality=88)
    shoot_map(demo).save(field, quality=88)
    shoot(simulated, '17', ()).save(survey, quality=88)
