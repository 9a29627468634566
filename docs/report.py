"""The picture of the report in docs/report.md: the demonstration in Chromium.

AutoSpec --demo && python docs/report.py autospec_demo/output docs/report.jpg
"""

import io
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'tests'))

from browser import Browser

SIZE = 1440, 1000
VERDICTS = """
const given = [['6', 'good', 0.0858], ['4', 'good', 0.0857], ['1', 'good', 0.0859], ['2', 'doubtful', null]];
for (const [id, verdict, z] of given) {
  Verdicts.change(id, { verdict, z });
  Table.redraw(id);
}
Source.judge();
"""


def shoot(output: Path) -> Image.Image:
    """Source 6 with a redshift and a few verdicts."""
    with tempfile.TemporaryDirectory() as profile, Browser(profile, SIZE) as browser:
        browser.open((output / 'index.html').resolve().as_uri() + '#6')
        drawn = "return document.querySelectorAll('#plot .scatterlayer path').length > 0"
        browser.until(lambda: browser.run(drawn))
        browser.run(VERDICTS)
        browser.run('Source.redshift(0.0858); document.activeElement.blur()')
        time.sleep(1)
        return Image.open(io.BytesIO(browser.picture())).convert('RGB')


if __name__ == '__main__':
    shoot(Path(sys.argv[1])).save(sys.argv[2], quality=88)
