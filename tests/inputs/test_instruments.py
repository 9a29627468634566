"""One truth in the layouts of all instruments: wavelengths, sums, errors and units are the truth,
without DATA_EXT."""

import warnings
from pathlib import Path

import layouts
import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from builders import DEC, NL, NX, NY, RA, data_ext
from numpy.testing import assert_allclose

from autospec_lib.cli.command import main
from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Target
from autospec_lib.inputs import cube
from autospec_lib.inputs.extensions import FlagRule, flag_rule
from autospec_lib.inputs.instruments import INSTRUMENTS, UNKNOWN

# Spaxels (their longer side): an odd number across, so that the circle is not moved to a corner.
APERTURE = 3.6


def written(tmp_path, layout):
    """The path of a cube in a layout, its truth and its field."""
    if layout.__name__.startswith(('jwst', 'specutils')):
        pytest.importorskip('stdatamodels' if layout.__name__.startswith('jwst') else 'specutils')
    path = tmp_path / layouts.NAMES.get(layout.__name__, 'c.fits')
    field = layouts.field()
    return path, layout(path, field), field


def converted(values, stored, true, power=1):
    """Values in the unit of a file, which must be in the spelling of FITS, in that of the truth."""
    if not true:
        assert not stored
        return values
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        unit = units.Unit(stored, format='fits') if isinstance(stored, str) else stored
        factor = unit.to(units.Unit(true))
    return values * factor**power


@pytest.mark.parametrize('layout', layouts.LAYOUTS, ids=lambda layout: layout.__name__)
def test_every_voxel_is_the_truth(tmp_path, layout):
    path, truth, field = written(tmp_path, layout)
    opened = cube.open_cube(path)
    for part in truth.said:
        assert part in opened.recognised
    assert opened.instrument.prefix == truth.prefix
    assert len(opened.notes) == len(truth.warned), opened.notes
    for part in truth.warned:
        assert any(part in note for note in opened.notes)
    assert opened.grid.medium == truth.medium
    assert_allclose(
        opened.wave * units.Unit(opened.grid.wave_unit).to('Angstrom'), truth.wave, rtol=1e-6
    )
    assert_allclose(opened.pixel, truth.pixel, rtol=1e-6)
    voxels = cube.cut(opened, Target(7, RA, DEC, 200.0)).voxels
    np.testing.assert_array_equal(voxels.bad, field.bad)
    flux = converted(voxels.data, opened.grid.unit, truth.unit)
    assert_allclose(flux, np.where(field.bad, 0, field.flux), rtol=1e-5, atol=1e-5)
    assert (voxels.variance is not None) == truth.noise
    if truth.noise:
        variance = converted(voxels.variance, opened.grid.unit, truth.unit, power=2)
        assert_allclose(variance, np.where(field.bad, 0, field.sigma**2), rtol=1e-5)


def wavelengths(hdus, spectrum):
    """What a spectrum's cards or the table of wavelengths say, in Angstrom."""
    if spectrum.header['CTYPE1'] == 'CHANNEL':
        table = hdus['TAB_WAVE']
        np.testing.assert_array_equal(table.data['CHANNEL'], np.arange(1, NL + 1))
        return table.data['WAVE'] * units.Unit(table.header['TUNIT2']).to('Angstrom')
    from astropy.wcs import WCS

    wcs = WCS(spectrum.header)
    return wcs.wcs_pix2world(np.arange(NL), 0)[0] * wcs.wcs.cunit[0].to('Angstrom')


@pytest.mark.parametrize('layout', layouts.LAYOUTS, ids=lambda layout: layout.__name__)
def test_the_command_gives_true_sums_and_mpdaf_reads_them(tmp_path, layout, capsys):
    from mpdaf.sdetect import Source

    path, truth, field = written(tmp_path, layout)
    radius = round(APERTURE * max(truth.pixel), 3)
    (tmp_path / 'catalog.txt').write_text(f'7 {RA} {DEC}\n')
    (tmp_path / 'param.py').write_text(
        f'DATACUBE = {path.name!r}\nCATALOG = "catalog.txt"\nSIZE = 200\nAPER = {radius}\nSKY_SUB = False\n'
        'XCOR = PLOTS = REPORT = False\n'
    )
    assert main([str(tmp_path), '--check']) == 0
    assert truth.said[0] in capsys.readouterr().out.split('recognised: ')[1].splitlines()[0]
    assert main([str(tmp_path), '-q']) == 0
    assert truth.said[0] in next(iter((tmp_path / 'logs').iterdir())).read_text()
    output = tmp_path / 'output' / 'Source_7.fits'
    y, x = np.indices((NY, NX))
    circle = np.hypot((y - 11) * truth.pixel[0], (x - 13) * truth.pixel[1]) <= radius
    with fits.open(output) as hdus:
        mask = hdus['IMA_MASK_INTER_DATA'].data > 0
        assert 20 < mask.sum() < 400
        for key, inside in (('TOT', mask), (f'APER_{radius:.1f}', mask & circle)):
            (name,) = (hdu.name[:-5] for hdu in hdus if hdu.name.endswith(f'_{key}_DATA'))
            assert name == f'SPE_{truth.prefix}_{key}'
            spectrum = hdus[f'{name}_DATA']
            live = inside & ~field.bad.all(axis=0)
            whole = ~(live & field.bad).any(axis=(1, 2))
            flux = converted(spectrum.data, spectrum.header['BUNIT'], truth.unit)
            light = np.where(live, field.flux, 0).sum(axis=(1, 2))
            assert_allclose(flux[whole], light[whole], rtol=1e-5)
            # A channel with bad voxels is completed by the source's profile.
            assert_allclose(flux, light, rtol=0.02)
            assert_allclose(wavelengths(hdus, spectrum), truth.wave, rtol=1e-6)
            if truth.noise:
                stat = converted(
                    hdus[f'{name}_STAT'].data, spectrum.header['BUNIT'], truth.unit, power=2
                )
                assert_allclose(
                    stat[whole],
                    np.where(live, field.sigma**2, 0).sum(axis=(1, 2))[whole],
                    rtol=1e-5,
                )
    with warnings.catch_warnings():
        # MPDAF warns of units that it cannot read.
        warnings.simplefilter('error' if truth.unit else 'ignore')
        read = Source.from_file(str(output)).spectra[name.removeprefix('SPE_')]
    assert_allclose(
        converted(read.data.data, read.unit if truth.unit else '', truth.unit), flux, rtol=1e-6
    )


def added(path, *hdus, **primary):
    """Add extensions and cards to a file."""
    with fits.open(path, mode='append') as file:
        for hdu in hdus:
            file.append(hdu)
    with fits.open(path, mode='update') as file:
        file[0].header.update(primary)


def voxels(path, entries=()):
    """All voxels of a cube."""
    return cube.cut(cube.open_cube(path, data_ext(*entries)), Target(7, RA, DEC, 200.0)).voxels


@pytest.mark.parametrize(
    ('layout', 'entries'),
    [
        (layouts.manga_lincube, ('FLUX', 'IVAR')),
        (layouts.manga_lincube, (1, 2)),
        (layouts.califa, (0, 'ERROR')),
        (layouts.kcwi, (0, 'UNCERT')),
        (layouts.jwst_nirspec, ('SCI', 'ERR')),
        (layouts.muse, ('DATA', 'STAT')),
        (layouts.eris, ('DATA', 'ERR')),
        (layouts.specutils, (0, 'STD')),
        (layouts.manga_lincube, ('FLUX', 'IVAR', 'MASK')),
    ],
)
def test_data_ext_with_data_and_noise_uses_the_mask_that_belongs_to_them(tmp_path, layout, entries):
    path, truth, field = written(tmp_path, layout)
    opened = cube.open_cube(path, data_ext(*entries))
    assert 'as DATA_EXT says' in opened.recognised
    assert opened.instrument.prefix == truth.prefix
    np.testing.assert_array_equal(voxels(path, entries).bad, field.bad)


def test_data_ext_can_say_that_there_is_no_mask_and_no_noise(tmp_path):
    path, _, field = written(tmp_path, layouts.eris)
    # What the mask would have marked holds one number in this file, which is noticed without a mask
    # too.
    np.testing.assert_array_equal(voxels(path, ('DATA', 'ERR', '')).bad, field.bad)
    without = voxels(path, ('DATA', '', 'DQI'))
    assert without.variance is None
    np.testing.assert_array_equal(without.bad, field.bad)
    assert cube.open_cube(path, data_ext('DATA')).noise is None


def test_data_ext_can_name_a_mask_of_any_name(tmp_path):
    path, _, field = written(tmp_path, layouts.spectral_cube)
    more = np.zeros(field.bad.shape, 'i2')
    more[5, 11, 13] = 1
    added(path, fits.ImageHDU(more, name='HOLES'))
    bad = voxels(path, (0, '', 'HOLES')).bad
    np.testing.assert_array_equal(bad, field.bad | (more > 0))


def test_of_several_kmos_arms_one_is_asked_for(tmp_path):
    path, _, field = written(tmp_path, layouts.kmos)
    with fits.open(path) as hdus:
        second = [
            fits.ImageHDU(hdus[name].data, hdus[name].header)
            for name in ('IFU.3.DATA', 'IFU.3.NOISE')
        ]
    for hdu, name in zip(second, ('IFU.11.DATA', 'IFU.11.NOISE'), strict=True):
        hdu.name = name
        hdu.data *= 2
    added(path, *second)
    with pytest.raises(
        InputError,
        match=r"IFU\.3\.DATA, IFU\.11\.DATA; .* DATA_EXT = 'IFU\.3\.DATA', 'IFU\.3\.NOISE'",
    ):
        cube.open_cube(path)
    chosen = voxels(path, ('IFU.11.DATA', 'IFU.11.NOISE'))
    assert_allclose(chosen.variance, np.where(field.bad, 0, (2 * field.sigma) ** 2), rtol=1e-5)


def test_a_guess_is_a_warning_that_names_the_way_to_settle_it(tmp_path):
    path, _, field = written(tmp_path, layouts.spectral_cube)
    added(path, fits.ImageHDU(field.flux.astype('f4'), name='NARROW'))
    (note,) = (note for note in cube.open_cube(path).notes if 'guess' in note)
    assert 'PRIMARY is taken for the data' in note
    assert 'DATA_EXT = 0' in note
    assert not any('guess' in note for note in cube.open_cube(path, data_ext(0)).notes)


def test_integers_without_a_name_are_not_taken_for_noise(tmp_path):
    path, _, field = written(tmp_path, layouts.spectral_cube)
    added(path, fits.ImageHDU(field.bad.astype('i2')))
    assert cube.open_cube(path).noise is None


def test_noise_without_a_name_of_unknown_kind_is_refused(tmp_path):
    path, _, field = written(tmp_path, layouts.spectral_cube)
    added(path, fits.ImageHDU(field.sigma.astype('f4')))
    with pytest.raises(InputError, match="DATA_EXT = 0, '1: variance'"):
        cube.open_cube(path)


@pytest.mark.parametrize('missing', ['v', 'm', 'vm'])
def test_kcwi_files_that_are_not_there_are_not_used(tmp_path, missing):
    path, _, field = written(tmp_path, layouts.kcwi_idl)
    for letter in missing:
        path.with_name(path.name.replace('_icubes', f'_{letter}cubes')).unlink()
    opened = cube.open_cube(path)
    assert (opened.noise is None) == ('v' in missing)
    assert any('no variance' in note for note in opened.notes) == ('v' in missing)
    assert (opened.flags is None) == ('m' in missing)
    if 'm' not in missing:
        np.testing.assert_array_equal(voxels(path).bad, field.bad)


def test_a_kcwi_variance_of_another_shape_is_refused_by_its_name(tmp_path):
    path, _, field = written(tmp_path, layouts.kcwi_idl)
    other = path.with_name(path.name.replace('_icubes', '_vcubes'))
    fits.PrimaryHDU(field.sigma[:5]).writeto(other, overwrite=True)
    with pytest.raises(InputError, match=f'^{other.name}: has another shape'):
        cube.open_cube(path)


def test_resume_notices_that_a_file_beside_the_cube_has_changed(tmp_path, capsys):
    path, _, _ = written(tmp_path, layouts.kcwi_idl)
    (tmp_path / 'catalog.txt').write_text(f'7 {RA} {DEC}\n')
    (tmp_path / 'param.py').write_text(
        f'DATACUBE = {path.name!r}\nCATALOG = "catalog.txt"\nSIZE = 5\nXCOR = PLOTS = REPORT = False\n'
    )
    for expected in ('keeping 1', 'replacing 1'):
        assert main([str(tmp_path), '-q', '--resume']) == 0
        if expected.startswith('r'):
            with fits.open(
                path.with_name(path.name.replace('_icubes', '_vcubes')), mode='update'
            ) as hdus:
                hdus[0].data = hdus[0].data * 4
                hdus[0].header['HISTORY'] = 'x' * 4000
        capsys.readouterr()
        assert main([str(tmp_path), '--resume', '--check']) == 0
        assert expected in capsys.readouterr().out
    log = sorted((tmp_path / 'logs').iterdir())[0].read_text()
    assert '_vcubes.fits' in log.split('recognised')[0]


def test_specutils_gives_the_same_numbers_for_manga(tmp_path):
    spectrum = pytest.importorskip('specutils').Spectrum
    path, _, _ = written(tmp_path, layouts.manga_lincube)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        theirs = spectrum.read(str(path), format='MaNGA cube')
    opened, ours = cube.open_cube(path), voxels(path)
    assert_allclose(opened.wave, theirs.spectral_axis.to_value('Angstrom'), rtol=1e-9)
    good = ~theirs.mask  # they leave out more than must be
    assert not ours.bad[good].any()
    assert_allclose(ours.data[good], theirs.flux.value[good], rtol=1e-6)
    assert_allclose(1 / ours.variance[good], theirs.uncertainty.array[good], rtol=1e-6)
    rest = (theirs.flux.unit / units.Unit(opened.grid.unit)).decompose()
    assert [str(base) for base in rest.bases] == ['pix']  # astropy's spaxel
    assert rest.scale == pytest.approx(1)


@pytest.mark.parametrize(
    'layout', [layouts.jwst_nirspec, layouts.jwst_miri, layouts.manga_logcube, layouts.pypeit]
)
def test_astropy_gives_the_same_wavelengths(tmp_path, layout):
    from astropy.wcs import WCS

    path, _, _ = written(tmp_path, layout)
    opened = cube.open_cube(path)
    with fits.open(path) as hdus:
        header = hdus[opened.data.name].header
        axis = WCS(header, fobj=hdus).spectral
        theirs = axis.wcs_pix2world(np.arange(NL), 0)[0] * axis.wcs.cunit[0]
        table = np.ravel(hdus['WCS-TABLE'].data['wavelength']) if 'WCS-TABLE' in hdus else None
    assert_allclose(opened.wave, theirs.to_value(opened.grid.wave_unit), rtol=1e-9)
    if layout is layouts.jwst_miri:
        np.testing.assert_array_equal(opened.wave, table)


def test_a_table_of_wavelengths_that_are_linear_gives_a_linear_axis(tmp_path):
    path, _, _ = written(tmp_path, layouts.jwst_miri)
    with fits.open(path, mode='update') as hdus:
        hdus['WCS-TABLE'].data['wavelength'] = layouts.MICRON[None, :, None]
    opened = cube.open_cube(path)
    assert_allclose(opened.wave, layouts.MICRON, rtol=1e-7)
    cards = opened.grid.spectral
    assert (cards['CTYPE1'], cards['CUNIT1']) == ('WAVE', 'um')
    assert_allclose((cards['CRVAL1'], cards['CDELT1']), (4.9, 0.001), rtol=1e-5)


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda hdus: hdus.pop('WCS-TABLE'), "CTYPE3 = 'WAVE-TAB'"),
        (lambda hdus: hdus['WCS-TABLE'].data['wavelength'].fill(5.0), 'does not run'),
        (lambda hdus: hdus['WCS-TABLE'].data['wavelength'].fill(np.nan), 'does not run'),
    ],
)
def test_tables_of_wavelengths_that_cannot_be_used(tmp_path, change, said):
    path, _, _ = written(tmp_path, layouts.jwst_miri)
    with fits.open(path) as hdus:
        change(hdus)
        hdus.writeto(tmp_path / 'changed.fits')
    with pytest.raises(InputError, match=said) as caught:
        cube.open_cube(tmp_path / 'changed.fits')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('shift', [0.0, 40.0])
def test_an_array_of_wavelengths_that_differs_from_the_header_is_said(tmp_path, shift):
    path, truth, _ = written(tmp_path, layouts.manga_lincube)
    with fits.open(path, mode='update') as hdus:
        hdus['WAVE'].data = hdus['WAVE'].data + shift
    opened = cube.open_cube(path)
    assert_allclose(opened.wave, truth.wave)
    assert any('WAVE and the header' in note for note in opened.notes) == (shift > 0)


@pytest.mark.parametrize('linear', [True, False])
def test_an_array_of_wavelengths_stands_in_for_a_header_without_any(tmp_path, linear):
    path, truth, _ = written(tmp_path, layouts.manga_lincube)
    wave = truth.wave if linear else truth.wave**3 / 4750**2
    with fits.open(path, mode='update') as hdus:
        del hdus['FLUX'].header['CRVAL3']
        hdus['WAVE'].data = wave
    opened = cube.open_cube(path)
    assert_allclose(opened.wave, wave)
    assert opened.grid.spectral['CTYPE1'] == ('WAVE' if linear else 'CHANNEL')
    assert any('those of WAVE' in note for note in opened.notes)


def test_weave_with_a_response_of_another_length_is_refused(tmp_path):
    path, _, _ = written(tmp_path, layouts.weave)
    with fits.open(path, mode='update') as hdus:
        hdus['RED_SENSFUNC'].data = np.ones(NL + 1)
    with pytest.raises(InputError, match='RED_SENSFUNC'):
        cube.open_cube(path)


@pytest.mark.parametrize(
    ('unit', 'expected', 'factor'),
    [
        ('1e-17 erg/s/cm2/Angstrom/arcsec2', '10**-17 erg Angstrom-1 s-1 cm-2', 0.25),
        ('erg/s/cm^2/A/arcsec^2', 'erg Angstrom-1 s-1 cm-2', 0.25),
        ('MJy/sr', 'uJy', 0.25 / 206264.806**2 * 1e12),
        ('mJy/arcsec2', 'mJy', 0.25),
        ('count/pixel', 'count', 1.0),
        ('erg/s/cm2/Angstrom', 'erg Angstrom-1 s-1 cm-2', 1.0),
        ('Jy/beam', 'Jy beam-1', 1.0),
        ('furlongs', 'furlongs', 1.0),
    ],
)
def test_surface_brightness_becomes_flux_per_spaxel(tmp_path, unit, expected, factor):
    header = layouts.axis(layouts.sky(0.5))
    header['BUNIT'] = unit
    layouts.write(
        tmp_path / 'c.fits',
        *(layouts.image(np.full((NL, NY, NX), 2.0), n, header) for n in ('DATA', 'VAR')),
    )
    opened = cube.open_cube(tmp_path / 'c.fits')
    assert opened.grid.unit == expected
    cut = cube.cut(opened, Target(7, RA, DEC, 3.0)).voxels
    assert_allclose(cut.data, 2 * factor, rtol=1e-6)
    assert_allclose(cut.variance, 2 * factor**2, rtol=1e-6)
    assert any('surface brightness' in note for note in opened.notes) == (factor != 1)
    assert any('not a unit that astropy knows' in note for note in opened.notes) == (
        unit == 'furlongs'
    )


@pytest.mark.parametrize(
    'name', ['obj/CUBE', 'obj/Central_Datacube_bkg', 'sdetect/minicube', 'sdetect/subcub_mosaic']
)
def test_the_cubes_of_mpdaf_give_mpdafs_numbers(name):
    import mpdaf.obj

    path = Path(mpdaf.__file__).parent / 'data' / f'{name}.fits'
    opened = cube.open_cube(path)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        theirs = mpdaf.obj.Cube(str(path))
        assert_allclose(opened.wave, theirs.wave.coord(), rtol=1e-9)
    _, ny, nx = opened.data.shape
    middle = opened.sky.to_icrs((ny - 1) / 2, (nx - 1) / 2)
    ours = cube.cut(opened, Target(1, float(middle[0]), float(middle[1]), 1000.0)).voxels
    assert not (np.ma.getmaskarray(theirs.data) & ours.good).any()
    np.testing.assert_array_equal(ours.data[ours.good], theirs.data.data[ours.good])
    assert opened.instrument.prefix == 'MUSE'
    assert (ours.variance is None) == (theirs.var is None)
    if theirs.var is not None:
        np.testing.assert_array_equal(ours.variance[ours.good], np.asarray(theirs.var)[ours.good])


@pytest.mark.parametrize(
    ('cards', 'expected', 'words'),
    [
        ({}, FlagRule(), 'any but 0 is bad'),
        ({'MASKNAME': 'MANGA_DRP3PIXMASK'}, FlagRule(1 + 8 + 1024), 'bits 0, 3 and 10 are bad'),
        ({'HDUCLAS2': 'QUALITY', 'HDUCLAS3': 'MASKZERO'}, FlagRule(), 'any but 0 is bad'),
        ({'HDUCLAS2': 'QUALITY', 'HDUCLAS3': 'MASKONE'}, FlagRule(zero_is_bad=True), '0 is bad'),
        ({'HDUCLAS2': 'DATA', 'HDUCLAS3': 'MASKONE'}, FlagRule(), 'any but 0 is bad'),
        (
            {'HDUCLAS2': 'QUALITY', 'HDUCLAS3': 'FLAG32BIT', 'QUALMASK': 5},
            FlagRule(5),
            'bits 0 and 2 are bad',
        ),
        ({'HDUCLAS2': 'QUALITY', 'QUALMASK': '0x10'}, FlagRule(16), 'bit 4 is bad'),
        ({'HDUCLAS2': 'QUALITY', 'QUALMASK': 0xFFFFFFFF}, FlagRule(), 'any but 0 is bad'),
        ({'HDUCLAS2': 'QUALITY', 'QUALMASK': 'none'}, FlagRule(), 'any but 0 is bad'),
    ],
)
def test_which_flags_are_bad(cards, expected, words):
    found = flag_rule(cards, {}, UNKNOWN)
    assert found == expected
    assert str(found) == words


def test_every_instrument_has_a_place_in_the_documents_and_a_prefix_that_names_can_have():
    text = (Path(__file__).resolve().parents[2] / 'docs' / 'instruments.md').read_text(
        encoding='utf-8'
    )
    for instrument in INSTRUMENTS:
        assert instrument.name.split()[0] in text
        assert instrument.prefix.isalnum()
        assert instrument.prefix == instrument.prefix.upper()


def wavelength_first(path):
    """Bring all cubes of a file into the order (y, x, wavelength) of numpy, as OSIRIS has it."""
    new = {'1': '2', '2': '3', '3': '1'}
    with fits.open(path) as hdus:
        changed = []
        for hdu in hdus:
            if not hdu.is_image or len(hdu.shape) != 3:
                changed.append(hdu)
                continue
            header = fits.Header()
            for card in hdu.header.cards:
                name = card.keyword
                if name.startswith(('CTYPE', 'CUNIT', 'CRVAL', 'CRPIX', 'CDELT')):
                    name = name[:-1] + new[name[-1]]
                elif name.startswith(('CD', 'PC')) and name[2:3].isdigit():
                    name = f'{name[:2]}{new[name[2]]}_{new[name[4]]}'
                elif name.startswith('PS3_'):
                    name = f'PS1_{name[4:]}'
                if not name.startswith(
                    ('NAXIS', 'BZERO', 'BSCALE', 'BITPIX', 'SIMPLE', 'XTENSION', 'PCOUNT', 'GCOUNT')
                ):
                    header[name] = card.value
            kind = fits.PrimaryHDU if hdu is hdus[0] else fits.ImageHDU
            changed.append(kind(hdu.data.transpose(1, 2, 0), header))
        fits.HDUList(changed).writeto(path, overwrite=True)


@pytest.mark.parametrize(
    'layout',
    [layouts.kcwi_idl, layouts.manga_lincube, layouts.jwst_miri, layouts.weave],
    ids=lambda one: one.__name__,
)
def test_instruments_are_recognised_in_any_order_of_axes(tmp_path, layout):
    path, truth, field = written(tmp_path, layout)
    for file in tmp_path.iterdir():
        wavelength_first(file)
    opened = cube.open_cube(path)
    assert truth.said[1] in opened.recognised
    assert_allclose(
        opened.wave * units.Unit(opened.grid.wave_unit).to('Angstrom'), truth.wave, rtol=1e-6
    )
    cut = voxels(path)
    np.testing.assert_array_equal(cut.bad, field.bad)
    flux = converted(cut.data, opened.grid.unit, truth.unit)
    assert_allclose(flux, np.where(field.bad, 0, field.flux), rtol=1e-5, atol=1e-5)
    variance = converted(cut.variance, opened.grid.unit, truth.unit, power=2)
    assert_allclose(variance, np.where(field.bad, 0, field.sigma**2), rtol=1e-5)
