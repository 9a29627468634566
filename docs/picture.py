"""Put the four plots of one source together into the README's picture.

python docs/picture.py autospec_demo/output/images/6 docs/demo.jpg
"""

import sys
from pathlib import Path

from PIL import Image

WIDTH = 1280


def resized(picture: Image.Image, width: int) -> Image.Image:
    """The same picture, this wide."""
    return picture.resize(
        (width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS
    )


def compose(folder: Path) -> Image.Image:
    """Images on the left, cross-correlation maps and masks on the right, spectra below."""
    images, maps, masks, spectra = (
        Image.open(next(folder.glob(f'*_{key}.jpg')))
        for key in ('IMAGES', 'XCOR', 'MASKS', 'SPECTRA')
    )
    masks = resized(masks, maps.width)
    top = Image.new(
        'RGB', (images.width + maps.width, max(images.height, maps.height + masks.height)), 'white'
    )
    top.paste(images, (0, 0))
    top.paste(maps, (images.width, 0))
    top.paste(masks, (images.width, maps.height))
    top, spectra = resized(top, WIDTH), resized(spectra, WIDTH)
    picture = Image.new('RGB', (WIDTH, top.height + spectra.height), 'white')
    picture.paste(top, (0, 0))
    picture.paste(spectra, (0, top.height))
    return picture


if __name__ == '__main__':
    compose(Path(sys.argv[1])).save(sys.argv[2], quality=88)
