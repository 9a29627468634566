"""The PSF of a field is that of stars of one shape, and nothing else gives one."""

import re

import numpy as np
import pytest
from astropy.io import fits
from builders import DEC, PIXEL, RA, cube_header, sky_header, write_cube
from known_spectra import STAR_FORMING, emission, template
from numpy.testing import assert_allclose

from autospec_lib.cli.command import main
from autospec_lib.core.moffat import moffat, shape_matrix
from autospec_lib.core.numerics import linear_weights
from autospec_lib.core.types import Cutout, Grid, Target, Voxels
from autospec_lib.run.psf_from_stars import measure

NL, SIDE, STEP = 921, 48, 5.0
WAVE = 4750 + STEP * np.arange(NL)
FWHM, BETA = 4.0 * (WAVE / WAVE[0]) ** -0.3, 2.6  # pixels
PLACES = {1: (10.0, 11.3), 2: (12.4, 36.0), 3: (36.2, 10.0), 4: (35.6, 34.8)}
STARS = [template(WAVE, 'stars', number, 1e-4) for number in (4, 12, 20)]
GALAXY = template(WAVE, 'galaxies', 1, 0.21) + emission(WAVE, 0.21, STAR_FORMING, 3.0)


def image(place, widths=FWHM, e1=0.0, shape=(SIDE, SIDE)):
    """An elliptical Moffat function at each wavelength."""
    between = linear_weights(np.linspace(0, 1, 9), np.linspace(0, 1, NL))
    nodes = moffat(shape, place, shape_matrix(widths[:: NL // 8], e1, 0.0), BETA)
    return np.tensordot(between, nodes, axes=1)


def field(folder, sources, settings='', order=1, z=0.0):
    """Write a folder with these sources: spectrum and image by ID.

    With ``order`` -1 wavelengths descend; ``z`` is the redshift of all sources in the catalogue.
    """
    header, rng = cube_header(), np.random.default_rng(4)
    header.update(sky_header(crpix=(1, 1)))
    header['CRVAL3'], header['CD3_3'] = WAVE[::order][0], order * STEP
    cube = sum(400 * spectrum[:, None, None] * profile for spectrum, profile in sources.values())
    noisy = cube + rng.normal(size=(NL, SIDE, SIDE))
    write_cube(
        folder / 'datacube.fits', noisy[::order].astype('f4'), np.ones(noisy.shape, 'f4'), header
    )
    rows = [
        f'{ident} {RA - PLACES[ident][1] * PIXEL / 3600 / np.cos(np.radians(DEC)):.7f} '
        f'{DEC + PLACES[ident][0] * PIXEL / 3600:.7f} {z}\n'
        for ident in sources
    ]
    (folder / 'catalog.txt').write_text(''.join(['ID RA DEC Z\n', *rows]))
    (folder / 'param.py').write_text(
        f"DATACUBE = 'datacube.fits'\nCATALOG = 'catalog.txt'\nSIZE = 3\nPLOTS = REPORT = False\n{settings}"
    )
    return folder


def three_stars_and_a_galaxy():
    sources = {ident: (star, image(PLACES[ident])) for ident, star in enumerate(STARS, 1)}
    return sources | {4: (GALAXY, image(PLACES[4], 1.3 * FWHM))}


def psf_line(text):
    """FWHM in blue and red, exponent and IDs of the stars in what the program prints; None if it
    says nothing."""
    found = re.search(
        r'PSF: ([\d.]+) to ([\d.]+) arcsec, beta ([\d.]+), from \d stars \((.*?)\)', text
    )
    return found and (*map(float, found.groups()[:3]), found[4])


@pytest.mark.long
def test_check_and_log_say_the_psf_and_only_the_parameter_uses_it(tmp_path, capsys):
    field(tmp_path, three_stars_and_a_galaxy(), 'DEBLEND = True\n')
    assert main([str(tmp_path), '--check']) == 0
    blue, red, beta, stars = psf_line(capsys.readouterr().out)
    assert_allclose((blue, red), FWHM[[0, -1]] * PIXEL, atol=0.01)
    assert beta == pytest.approx(BETA, abs=0.11)
    assert stars == '1, 2, 3'
    for settings, is_used in (('', False), ("PSF = 'stars'\n", True)):
        with (tmp_path / 'param.py').open('a') as file:
            file.write(settings)
        assert main([str(tmp_path), '-q', '--id', '1']) == 0
        newest = max((tmp_path / 'logs').iterdir(), key=lambda path: path.stat().st_mtime_ns)
        assert psf_line(newest.read_text())[3] == '1, 2, 3'
        with fits.open(tmp_path / 'output' / 'Source_1.fits') as hdus:
            assert ('SPE_MUSE_PSF_SKYSUB_DATA' in hdus) is is_used
            assert ('PSFBETA' in hdus[0].header) is is_used
            if is_used:  # of the wings, some count as sky
                widths = hdus[0].header['PSFFWHM1'], hdus[0].header['PSFFWHM2']
                assert_allclose(widths, FWHM[[0, -1]] * PIXEL, atol=0.01)
                assert_allclose(
                    np.median(hdus['SPE_MUSE_PSF_SKYSUB_DATA'].data / STARS[0]), 400, rtol=0.03
                )


def test_blue_comes_first_where_wavelengths_descend(tmp_path, capsys):
    field(tmp_path, three_stars_and_a_galaxy(), 'DEBLEND = True\n', order=-1)
    assert main([str(tmp_path), '--check']) == 0
    assert_allclose(psf_line(capsys.readouterr().out)[:2], FWHM[[0, -1]] * PIXEL, atol=0.01)


def test_sources_of_a_redshift_in_the_catalogue_are_no_stars(tmp_path, capsys):
    field(tmp_path, three_stars_and_a_galaxy(), 'DEBLEND = True\n', z=0.02)
    assert main([str(tmp_path), '--check']) == 0
    assert psf_line(capsys.readouterr().out) is None


@pytest.mark.parametrize('ident', [2, 4])
def test_galaxies_as_narrow_as_a_star_give_no_psf_and_the_run_goes_on(tmp_path, capsys, ident):
    sources = {1: (STARS[0], image(PLACES[1])), ident: (GALAXY, image(PLACES[ident]))}
    field(tmp_path, sources, "PSF = 'stars'\n")
    assert main([str(tmp_path), '--id', '1']) == 0
    told = capsys.readouterr()
    assert "PSF = 'stars'" in told.err
    assert psf_line(told.out + told.err) is None
    with fits.open(tmp_path / 'output' / 'Source_1.fits') as hdus:
        assert 'SPE_MUSE_PSF_SKYSUB_DATA' not in hdus
        assert any("'stars'" in str(text) for text in hdus[0].header['NOTE*'].values())


def cutouts(*profiles):
    """Cut-outs of bright sources with these profiles."""
    rng = np.random.default_rng(2)
    for ident, profile in enumerate(profiles, 1):
        data = 400 * profile + rng.normal(size=profile.shape)
        voxels = Voxels(data, np.ones(data.shape))
        yield Cutout(
            Target(ident, 0.0, 0.0, 5.0), voxels, WAVE, (12.3, 11.8), (PIXEL, PIXEL), Grid({}, {})
        )


def stamp(scale=1.0, e1=0.0):
    return image((12.0, 12.0), scale * FWHM, e1, (25, 25))


@pytest.mark.parametrize(
    ('profiles', 'stars'),
    [
        ([stamp(), stamp(), stamp(1.06)], [1, 2]),
        ([stamp(), stamp(1.06), stamp(1.12)], []),
        ([stamp(), stamp(), stamp(0.9)], []),
        ([stamp(), stamp(e1=0.1)], []),
        ([stamp(e1=0.2), stamp(e1=0.2)], []),
        ([stamp(), 0.1 * stamp()], []),
        ([stamp()], []),
        ([], []),
    ],
    ids=[
        'two alike',
        'none alike',
        'one narrower',
        'another elongation',
        'too long',
        'faint',
        'one',
        'none',
    ],
)
def test_two_stars_of_one_round_shape_and_nothing_narrower_give_a_psf(profiles, stars):
    psf, found = measure(cutouts(*profiles), lambda _: True)
    assert sorted(found) == stars
    assert (psf is None) is (not stars)
    if psf is not None:
        assert_allclose(psf.fwhm(np.linspace(0, 1, NL)), FWHM, rtol=0.01)


def test_shapes_without_spectra_of_stars_give_no_psf():
    assert measure(cutouts(stamp(), stamp()), lambda _: False) == (None, [])
