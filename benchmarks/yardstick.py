"""The method of AutoSpec 1.1.2 with MPDAF's own objects: what `speed.py` measures AutoSpec against.

The steps and their order are those of v1.1.2 (Griffiths & Conselice 2018), written afresh:
`Cube.subcube`, white light and images of a `Source`, its masks and `extract_spectra`, masked arrays
for continuum and cross-correlation, MPDAF's plot methods and `Source.write`. Source Extractor is
replaced by ``sep``, which spares the yardstick a process and four files for each image.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import astropy.units as u
import numpy as np
import sep
from mpdaf.obj import Cube, Image
from mpdaf.sdetect import Source

from autospec_lib.config import param_file, sextractor
from autospec_lib.core.segmentation_settings import SegmentationSettings
from autospec_lib.core.types import Target
from autospec_lib.inputs import catalogue


class Yardstick:
    """An open cube with its aligned images; `extract` does one source and adds to ``seconds`` by
    stage."""

    def __init__(
        self, folder: Path, cube: str, images: tuple[str, ...], sex: SegmentationSettings
    ) -> None:
        logging.getLogger('mpdaf').setLevel(logging.ERROR)
        self.cube = Cube(str(folder / cube))
        white = self.cube.sum(axis=0)  # loads the cube, as v1.1.2 does
        names = [Path(name).stem.upper() for name in images]
        self.images = {
            tag: Image(str(folder / n)).align_with_image(white)
            for tag, n in zip(names, images, strict=True)
        }
        self.images['HALPHA'] = self.cube.get_image((7095, 7180), subtract_off=True)
        self.sex = sex
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time within to a stage."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def extract(
        self, target: Target, reference: str, degree: int, output: Path, plots: bool
    ) -> None:
        """One source from cube to files."""
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            source = Source.from_data(
                ID=target.id, ra=target.ra, dec=target.dec, origin=('', '', '', '')
            )
            with self.stage('read'):
                source.add_cube(self.cube, 'MUSE', size=target.size)
                source.add_white_image(self.cube, size=target.size)
                for tag, image in self.images.items():
                    source.add_image(image, name=tag)
            with self.stage('segment'):
                self._segment(source)
            with self.stage('extract'):
                tags = [key for key in source.images if not key.startswith(('SEG_', 'MASK_'))]
                self._spectra(source, tags, (1.0, 2.0))
            with self.stage('cross-correlate'):
                self._cross_correlate(source, reference, degree)
            if plots:
                with self.stage('plot'):
                    _plot(source, output, f'{reference}_SKYSUB')
            source.cubes.clear()
            with self.stage('write'):
                source.write(str(output / f'Source_{target.id}.fits'))

    def _segment(self, source: Source) -> None:
        white = source.images['MUSE_WHITE']
        start, step = white.wcs.pix2sky([0, 0], unit=u.deg)[0], white.get_step(unit=u.arcsec)
        for tag in ['MUSE_WHITE', *self.images]:
            image = source.images[tag]
            if not image.wcs.isEqual(white.wcs, start_atol=0.0):
                image = image.resample(white.shape, start, step, flux=True)
            data = np.ascontiguousarray(image.data.filled(np.nan), np.float32)
            bad = ~np.isfinite(data)
            (width, height), (fw, fh) = self.sex.back_size, self.sex.back_filtersize
            background = sep.Background(data, mask=bad, bw=width, bh=height, fw=fw, fh=fh)
            _, labels = sep.extract(
                np.where(bad, -1e30, data - background.back()).astype(np.float32),
                self.sex.detect_thresh[0],
                err=background.globalrms,
                minarea=self.sex.detect_minarea,
                filter_kernel=self.sex.kernel,
                filter_type='conv',
                deblend_nthresh=self.sex.deblend_nthresh,
                deblend_cont=self.sex.deblend_mincont,
                segmentation_map=True,
            )
            source.images['SEG_' + tag] = Image(
                wcs=white.wcs, data=labels, dtype=np.uint8, copy=False
            )
        tags = [key for key in source.images if key.startswith('SEG_')]
        source.find_sky_mask(tags)
        source.find_union_mask(tags)
        source.find_intersection_mask(tags)

    def _spectra(
        self, source: Source, tags: list[str], apertures: tuple[float, ...] | None
    ) -> None:
        mask = 'MASK_INTER' if source.images['MASK_INTER'].data.any() else 'MASK_UNION'
        source.extract_spectra(
            source.cubes['MUSE'], obj_mask=mask, tags_to_try=tags, apertures=apertures
        )

    def _cross_correlate(self, source: Source, reference: str, degree: int) -> None:
        cube, spectrum = source.cubes['MUSE'], source.spectra[f'{reference}_SKYSUB']
        values = cube.data.filled(0).reshape(cube.shape[0], -1)
        x = np.arange(cube.shape[0])
        continuum = np.polynomial.polynomial.polyval(
            x, np.polynomial.polynomial.polyfit(x, values, degree)
        )
        flat_cube = cube.new_from_obj(
            cube, data=(values - continuum.T).reshape(cube.shape), var=cube.var
        )
        flat = spectrum - spectrum.poly_spec(degree)
        source.spectra[f'{reference}_CONTSUB_SKYSUB'] = flat
        white = source.images['MUSE_WHITE']
        for tag, one, other in (('', spectrum, cube), ('_CONTSUB', flat, flat_cube)):
            product = one * other
            key = 'CROSS_CORRELATION' + tag
            source.images[key] = white.new_from_obj(white, data=product.data.filled(0).sum(axis=0))
            self._spectra(source, [key], None)


def _plot(source: Source, output: Path, reference: str) -> None:
    import matplotlib

    matplotlib.use('agg')
    import matplotlib.pyplot as plt

    folder = output / 'images' / str(source.ID)
    folder.mkdir(parents=True, exist_ok=True)
    images = [key for key in source.images if not key.startswith(('SEG_', 'MASK_', 'CROSS'))]
    sheets = {
        'IMAGES': (2, [*images, *('SEG_' + key for key in images)]),
        'MASKS': (1, [key for key in source.images if key.startswith('MASK_')]),
        'XCOR': (1, [key for key in source.images if key.startswith('CROSS')]),
    }
    for name, (rows, keys) in sheets.items():
        columns = len(keys) // rows
        plt.figure(figsize=(columns * 2.5, rows * 2.5))
        for number, key in enumerate(keys, 1):
            plt.subplot(rows, columns, number)
            source.images[key].plot(title=key)
        plt.tight_layout()
        plt.savefig(folder / f'{source.ID}_{name}.jpg')
    keys = [reference, *(key for key in source.spectra if key.startswith('CROSS'))]
    plt.figure(figsize=(10, len(keys) * 2.5))
    for number, key in enumerate(keys, 1):
        plt.subplot(len(keys), 1, number)
        source.spectra[key].plot(title=key)
    plt.tight_layout()
    plt.savefig(folder / f'{source.ID}_SPECTRA.jpg')
    plt.close('all')


def main() -> None:
    """Extract all sources of a folder, as a run from the shell does."""
    warnings.simplefilter('ignore')
    folder = Path(sys.argv[1])
    params, _ = param_file.load(folder / 'param.py')
    listed = catalogue.load(folder / params.catalog, params.mode, params.size, params.ref)
    settings, _ = sextractor.load(folder)
    yardstick = Yardstick(folder, params.datacube, params.img, settings)
    for target in listed.targets:
        yardstick.extract(
            target, 'HALPHA', params.cont_poly, folder / 'yardstick', bool(params.plots)
        )


if __name__ == '__main__':
    main()
