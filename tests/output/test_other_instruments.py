"""Summary, spectra as tables and the MARZ file of cubes of many kinds: log and table axes, other
units, no noise."""

import shutil
import warnings

import layouts
import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Table
from builders import DEC, NX, NY, RA
from numpy.testing import assert_allclose

from autospec_lib.cli.command import main

KINDS = (
    'muse',
    'manga_logcube',
    'califa',
    'kcwi',
    'jwst_nirspec',
    'jwst_miri',
    'weave',
    'sinfoni',
    'nameless',
)


@pytest.fixture(params=KINDS, scope='module')
def extracted(request, tmp_path_factory):
    """A working folder after a run with all files of this kind, and what its cube is."""
    if request.param.startswith('jwst'):
        pytest.importorskip('stdatamodels')
    folder = tmp_path_factory.mktemp('run')
    layout = getattr(layouts, request.param)
    path = folder / layouts.NAMES.get(request.param, 'c.fits')
    truth = layout(path, layouts.field())
    (folder / 'catalog.txt').write_text(f'7 {RA} {DEC}\n')
    (folder / 'param.py').write_text(
        f'DATACUBE = {path.name!r}\nCATALOG = "catalog.txt"\nSIZE = 200\nPLOTS = REPORT = False\nOUT_1D = MARZ = True\n'
    )
    assert main([str(folder), '-q']) == 0
    return folder, truth


def test_they_have_the_wavelengths_and_units_of_the_cube(extracted):
    folder, truth = extracted
    path = folder / 'output' / 'spectra' / f'7_{truth.prefix}_TOT.fits'
    header = fits.getheader(path, 1)
    assert header['AIRORVAC'] == (truth.medium or 'unknown')
    with fits.open(folder / 'output' / 'marz.fits') as hdus:
        assert_allclose(hdus['WAVELENGTH'].data, np.sort(truth.wave), rtol=1e-6)
        assert hdus[0].header['VACUUM'] is (truth.medium == 'vacuum')
        assert np.isfinite(hdus[0].data).all()
        assert (hdus['VARIANCE'].data > 0).all()
    if not truth.unit or not any(
        units.Unit(truth.unit).is_equivalent(one) for one in ('Jy', 'erg s-1 cm-2 Angstrom-1')
    ):
        return
    from specutils import Spectrum

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        read = Spectrum.read(path)
    assert_allclose(read.spectral_axis.to_value('Angstrom'), truth.wave, rtol=1e-6)
    row = Table.read(folder / 'output' / 'summary.ecsv')[0]
    assert np.nanmedian(read.flux.value) == pytest.approx(row[f'FLUX_{truth.prefix}_TOT'], rel=1e-5)
    assert 0 < row['MAG_WHITE'] < 40


def test_a_file_measured_again_gives_the_same_row(extracted, tmp_path):
    folder = shutil.copytree(extracted[0], tmp_path / 'copy')
    before = Table.read(folder / 'output' / 'summary.ecsv')
    (folder / 'output' / 'summary.ecsv').unlink()
    assert main([str(folder), '-q', '--resume']) == 0
    after = Table.read(folder / 'output' / 'summary.ecsv')
    assert after['STATUS'][0] == 'kept'
    for name in set(before.colnames) - {'STATUS', 'SECONDS'}:
        old, new = (
            np.ma.filled(table[name], np.nan if table[name].dtype.kind == 'f' else None)
            for table in (before, after)
        )
        if before[name].dtype.kind == 'f':
            assert_allclose(new, old, rtol=1e-3, err_msg=name)
        else:
            assert list(new) == list(old), name


@pytest.mark.parametrize(
    ('name', 'tag'), [('IMG', 'manga_white'), ('IMG', 'manga_tot'), ('SEG', 'manga_white')]
)
def test_an_image_with_a_name_that_the_instruments_prefix_makes_is_a_fault(
    tmp_path, capsys, name, tag
):
    layouts.manga_lincube(tmp_path / 'c.fits', layouts.field())
    fits.PrimaryHDU(np.ones((NY, NX), 'i2'), layouts.sky()).writeto(tmp_path / f'{tag}.fits')
    (tmp_path / 'catalog.txt').write_text(f'7 {RA} {DEC}\n')
    text = f'DATACUBE = "c.fits"\nCATALOG = "catalog.txt"\nPLOTS = REPORT = False\n{name} = "{tag}.fits"\n'
    (tmp_path / 'param.py').write_text(text)
    assert main([str(tmp_path), '--check']) == 2
    error = capsys.readouterr().err
    assert f"{name} = '{tag}.fits'" in error
    assert tag.upper() in error
    (tmp_path / 'param.py').write_text(f'{text}PREFIX = "MUSE"\n')
    assert main([str(tmp_path), '--check']) == 0
