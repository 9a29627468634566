"""What is checked and measured before the first source: files, where a job's files are, offsets of
its images."""

import re

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from builders import cube_header, gaussian, sky_header, write_cube

from autospec_lib.cli.command import main
from autospec_lib.config import param_file
from autospec_lib.run import schedule
from autospec_lib.run.interruption import Interruption
from autospec_lib.run.job import prepare


@pytest.mark.parametrize('link', ['symlink_to', 'hardlink_to', None])
def test_an_input_where_a_source_would_be_written_is_refused(folder, capsys, link):
    (folder / 'output').mkdir()
    place = folder / 'output' / 'Source_7.fits'
    if link is None:
        (folder / 'datacube.fits').rename(place)
    else:
        getattr(place, link)(folder / 'datacube.fits')
    with (folder / 'param.py').open('a') as file:
        file.write("DATACUBE = 'output/Source_7.fits'\n" if link is None else '')
    before = place.read_bytes()
    for options in ([], ['--check']):
        assert main([str(folder), *options]) == 2
        assert f'{place}: is the input' in capsys.readouterr().err
    assert place.read_bytes() == before


def test_logs_being_a_file_is_found_by_check_too(folder, capsys):
    (folder / 'logs').write_text('')
    assert main([str(folder), '--check']) == 2
    assert 'logs: is a file' in capsys.readouterr().err


def test_an_input_that_no_source_is_called_may_lie_in_the_output_folder(folder):
    (folder / 'datacube.fits').rename(folder / '77.fits')
    with (folder / 'param.py').open('a') as file:
        file.write("DATACUBE = '77.fits'\nOUTPUT = '.'\nPRE_OUT = ''\n")
    assert main([str(folder), '-q']) == 0
    assert (folder / '7.fits').exists()
    with (folder / 'catalog.txt').open('a') as file:
        file.write('77 150.0 2.0\n')
    assert main([str(folder), '-q', '--id', '7']) == 0
    assert main([str(folder), '-q']) == 2


def test_a_job_holds_where_its_files_are_wherever_it_is_worked_on(
    folder, monkeypatch, tmp_path_factory
):
    monkeypatch.chdir(folder)
    (folder / 'output').mkdir()
    params, _ = param_file.load(folder / 'param.py')
    job, targets, _ = prepare(folder.relative_to(folder), params)
    monkeypatch.chdir(tmp_path_factory.mktemp('elsewhere'))
    assert next(iter(schedule.serial(job, targets, Interruption()))).error is None
    assert (folder / 'output' / 'Source_7.fits').exists()


# (y, x) of sources in spaxels
PLACES = np.stack(np.mgrid[8:60:15, 8:60:22], axis=-1).reshape(-1, 2) + np.random.default_rng(
    8
).uniform(-3, 3, (12, 2))


def write_field(folder, image_offset=(0.0, 0.0), catalogue_offset=(0.0, 0.0)):
    """Twelve sources, and two images; coordinates are off by (dRA, dDec) in arcsec."""
    shape, rng, header = (60, 62), np.random.default_rng(9), cube_header()
    flux = rng.uniform(300, 900, len(PLACES))
    light = sum(f * gaussian(*place, 1.8, shape) for f, place in zip(flux, PLACES, strict=True))
    data = light * np.linspace(0.9, 1.1, 31)[:, None, None] + rng.normal(size=(31, *shape))
    write_cube(folder / 'datacube.fits', data.astype('f4'), np.ones(data.shape, 'f4'), header)
    wcs = WCS(header).celestial
    ra, dec = wcs.all_pix2world(*PLACES.T[::-1], 0)
    for name, offset in (('hst', image_offset), ('r', (0.0, 0.0))):
        fine = sky_header(crpix=(57.0, 53.0), pixel=0.1)
        x, y = WCS(fine).all_world2pix(ra, dec, 0)
        image = sum(
            f * gaussian(*place, 1.5, (190, 194))
            for f, place in zip(flux, zip(y, x, strict=True), strict=True)
        )
        fine['CRVAL1'] += offset[0] / 3600 / np.cos(np.radians(fine['CRVAL2']))
        fine['CRVAL2'] += offset[1] / 3600
        fits.PrimaryHDU((image + 0.05 * rng.normal(size=image.shape)).astype('f4'), fine).writeto(
            folder / f'{name}.fits'
        )
    ra = ra + catalogue_offset[0] / 3600 / np.cos(np.radians(dec))
    rows = [
        f'{number} {a} {d}\n'
        for number, (a, d) in enumerate(zip(ra, dec + catalogue_offset[1] / 3600, strict=True))
    ]
    (folder / 'catalog.txt').write_text(''.join(rows))


def weighted_fluxes(folder, setting, capsys):
    """The fluxes of sources weighted by the first image, and the lines on offsets of the check and
    of the log."""
    lines = (
        "IMG = 'hst.fits', 'r.fits'",
        f'IMG_SHIFT = {setting}',
        "OBJ_MASK = 'UNION'",
        'SIZE = 3',
        'PLOTS = REPORT = XCOR = False',
        '',
    )
    (folder / 'param.py').write_text('\n'.join(lines))
    assert main([str(folder), '--check']) == 0
    check = ''.join(capsys.readouterr())
    assert main([str(folder), '-q']) == 0
    log = max((folder / 'logs').iterdir(), key=lambda path: path.stat().st_mtime_ns).read_text()
    facts = [
        re.findall(r'(?:offset|warning): (\w+\.\w+): .*?([\d.]+) \+-', text)
        for text in (check, log)
    ]
    assert sorted(facts[0]) == sorted(facts[1])
    fluxes = []
    for number in range(len(PLACES)):
        with fits.open(folder / 'output' / f'Source_{number}.fits') as hdus:
            fluxes.append(hdus['SPE_HST_SKYSUB_DATA'].data.mean())
    return np.array(fluxes), {name: float(value) for name, value in facts[0]}, check


@pytest.mark.long
def test_offsets_of_images_and_catalogue_are_measured_and_corrected(tmp_path, capsys):
    folders = [tmp_path / 'right', tmp_path / 'off']
    for folder, offset in zip(folders, ((0.0, 0.0), (0.8, -0.5)), strict=True):
        folder.mkdir()
        write_field(folder, offset)
    right, distances, check = weighted_fluxes(folders[0], (), capsys)
    assert set(distances) == {'hst.fits', 'r.fits', 'catalog.txt'}
    assert max(distances.values()) < 0.03
    assert 'warning' not in check
    off, distances, check = weighted_fluxes(folders[1], (), capsys)
    assert distances['hst.fits'] == pytest.approx(np.hypot(0.8, 0.5), abs=0.03)
    assert 'warning: hst.fits' in check
    assert 'IMG_SHIFT' in check
    (angles,) = re.findall(r'hst.fits: .*\(dRA, dDec\) = \((\S+), (\S+)\)', check)
    np.testing.assert_allclose(np.array(angles, float), (-0.8, 0.5), atol=0.03)
    assert np.median(off / right) < 0.8
    for setting in ("'measured'", (-0.8, 0.5), ((-0.8, 0.5), ()), ('measured', 'measured')):
        corrected, distances, check = weighted_fluxes(folders[1], setting, capsys)
        np.testing.assert_allclose(corrected, right, rtol=0.03)
        # One pair of numbers moves both images.
        assert ('warning: r.fits' in check) == (setting == (-0.8, 0.5))
        assert 'warning: hst.fits' not in check


def test_a_catalogue_that_is_off_is_a_warning(tmp_path, capsys):
    write_field(tmp_path, catalogue_offset=(-0.4, 0.3))
    (tmp_path / 'param.py').write_text('')
    assert main([str(tmp_path), '--check']) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    numbers = re.search(r'([\d.]+) \+- .*\(dRA, dDec\) = \((\S+), (\S+)\)', warning).groups()
    np.testing.assert_allclose(np.array(numbers, float), [0.5, 0.4, -0.3], atol=0.05)


def test_measured_without_a_certain_offset_moves_nothing(folder, capsys):
    data = np.random.default_rng(1).normal(size=(40, 40)).astype('f4')
    fits.PrimaryHDU(data, sky_header()).writeto(folder / 'hst.fits')
    for setting in ('', "IMG_SHIFT = 'measured'"):
        with (folder / 'param.py').open('a') as file:
            file.write(f"IMG = 'hst.fits'\n{setting}\n")
        assert main([str(folder), '--check']) == 0
        said = ''.join(capsys.readouterr())
        assert 'offset' not in said.replace('its offset is', '')
        assert ('warning: hst.fits' in said) == bool(setting)
