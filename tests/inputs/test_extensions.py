"""Which extensions are data, noise and flags, which flags are bad, and layers that contradict the
data."""

import numpy as np
import pytest
from astropy.io import fits
from builders import DEC, NL, NX, NY, RA, cube_header, data_ext, gaussian, small_cube, write_cube
from numpy.testing import assert_allclose, assert_array_equal

from autospec_lib.cli.command import main
from autospec_lib.core.errors import InputError, SourceError
from autospec_lib.core.types import Target
from autospec_lib.inputs import cube

TARGET = Target(1, RA, DEC, 3.0)
RNG = np.random.default_rng(3)


def two_cubes(path, versions):
    """Two cubes with noise and flags of their own, whose extensions have the same names."""
    hdus = [fits.PrimaryHDU()]
    for number in (1, 2):
        flags = np.zeros((NL, NY, NX), 'i4')
        flags[:, 8 + number, 13] = 1
        layers = {
            'SCI': small_cube(number)[0] * number,
            'VAR': np.full((NL, NY, NX), 4.0 * number, 'f4'),
            'DQ': flags,
        }
        for name, array in layers.items():
            hdus.append(
                fits.ImageHDU(array, cube_header(), name=name, ver=number if versions else None)
            )
    fits.HDUList(hdus).writeto(path)
    return path


@pytest.mark.parametrize('versions', [True, False])
def test_noise_and_flags_are_those_of_the_same_cube(tmp_path, versions):
    path = two_cubes(tmp_path / 'c.fits', versions)
    for number, extension in ((1, 1), (2, 4)):
        cut = cube.cut(cube.open_cube(path, data_ext(extension)[:1]), TARGET)
        assert cut.voxels.variance is None
        opened = cube.open_cube(path, data_ext(extension, f'{extension + 1}: variance'))
        voxels = cube.cut(opened, TARGET).voxels
        assert np.unique(voxels.variance[voxels.good]) == [4.0 * number]
        row, column = (int(i[0]) for i in np.nonzero(voxels.blank[1:-1, 1:-1]))
        assert opened.shape == (NY, NX)
        assert (row, column) == (3 + number, 6)


def test_one_of_several_cubes_must_be_chosen(tmp_path):
    with pytest.raises(
        InputError,
        match=r'holds 2 cubes: SCI \(extension 1\), SCI \(extension 4\).*DATA_EXT = 1, 2',
    ):
        cube.open_cube(two_cubes(tmp_path / 'c.fits', True))


@pytest.mark.parametrize(
    ('cards', 'flag_cards', 'is_bad'),
    [
        ({}, {}, lambda flags: flags != 0),
        (
            {},
            {'MASKNAME': 'MANGA_DRP3PIXMASK'},
            lambda flags: flags & (1 << 10 | 1 << 0 | 1 << 3) != 0,
        ),
        (
            {'INSTRUME': 'MaNGA'},
            {'MASKNAME': 'MANGA_DAPSPECMASK'},
            lambda flags: flags & 0b11111 != 0,
        ),
        ({'INSTRUME': 'GNIRS'}, {}, lambda flags: flags & (1 | 4 | 8 | 16) != 0),
        ({'INSTRUME': 'GMOS-N'}, {}, lambda flags: flags & (1 | 4 | 8 | 16) != 0),
    ],
)
def test_flags_have_the_bits_of_their_definition(tmp_path, cards, flag_cards, is_bad):
    flags = RNG.integers(0, 1 << 11, (NL, NY, NX)).astype('i4')
    write_cube(tmp_path / 'c.fits', *small_cube(), DQ=flags)
    with fits.open(tmp_path / 'c.fits', mode='update') as hdus:
        hdus[0].header.update(cards)
        hdus['DQ'].header.update(flag_cards)
    opened = cube.open_cube(tmp_path / 'c.fits')
    cut = cube.cut(opened, TARGET)
    y, x = (round(float(i)) for i in cube.box_of(opened, TARGET)[0])
    half = cut.shape[0] // 2
    expected = is_bad(flags)[:, y - half : y + half + 1, x - half : x + half + 1]
    assert_array_equal(cut.voxels.bad, expected)


@pytest.mark.parametrize(
    ('kind', 'zero'), [('f4', 4), ('i2', 2**15), ('i4', 2**31), ('i8', 2**63), ('u1', -(2**7))]
)
@pytest.mark.parametrize('bits', [0, 1 | 4])
def test_flags_stored_less_an_offset_have_their_bits(tmp_path, kind, zero, bits):
    """FITS stores unsigned integers so; numbers with decimals may have an offset too."""
    data, _ = small_cube()
    flags = RNG.integers(0, 1 << 4, data.shape)
    write_cube(tmp_path / 'c.fits', data, DQ=(flags.astype(object) - zero).astype(kind))
    with fits.open(tmp_path / 'c.fits', mode='update') as hdus:
        hdus['DQ'].header.update({'BZERO': zero, 'HDUCLAS2': 'QUALITY', 'QUALMASK': bits})
    array = cube.open_cube(tmp_path / 'c.fits').flags
    ys, xs = slice(2, 9), slice(0, 4)
    expected = flags & bits if bits else flags
    assert_array_equal(array.are_set(ys, xs, bits=bits), expected[:, ys, xs] != 0)


def test_a_mask_that_is_0_where_bad_can_be_stated(tmp_path):
    good = RNG.random((NL, NY, NX)) < 0.9
    write_cube(
        tmp_path / 'c.fits', *small_cube(), MASK=good.astype('u1'), OTHER=(~good).astype('u1')
    )
    cuts = [
        cube.cut(cube.open_cube(tmp_path / 'c.fits', data_ext('DATA', 'STAT', entry)), TARGET)
        for entry in ('MASK: 0 is bad', 'OTHER')
    ]
    assert_array_equal(cuts[0].voxels.bad, cuts[1].voxels.bad)
    assert 0.05 < cuts[0].voxels.bad.mean() < 0.15


BAD_LAYERS = {
    'noise of 0': (
        {'STAT': np.zeros((NL, NY, NX), 'f4')},
        ['STAT', '0', "DATA_EXT = 'DATA', ''"],
        ['MASK'],
    ),
    'mask of 1': (
        {'STAT': np.ones((NL, NY, NX), 'f4'), 'MASK': np.ones((NL, NY, NX), 'u1')},
        ['MASK', "DATA_EXT = 'DATA', 'STAT', 'MASK: 0 is bad'"],
        ['not finite'],
    ),
    'mask of 1 per spaxel': (
        {'MASK': np.ones((NY, NX), 'u1')},
        ['MASK', "'DATA', '', 'MASK: 0 is bad'"],
        ['STAT'],
    ),
    'no value': ({'DATA': np.full((NL, NY, NX), np.nan, 'f4')}, ['DATA'], ['STAT', 'DATA_EXT']),
    'two arrays': (
        {
            'STAT': np.where(np.arange(NL) < NL - 1, 1, -1)[:, None, None]
            * np.ones((NL, NY, NX), 'f4')
        }
        | {'MASK': np.where(np.arange(NL) < NL - 1, 1, 0)},
        ['STAT', 'MASK', f'{1 / NL:.1%}', f'{1 - 1 / NL:.1%}'],
        ['DATA_EXT'],
    ),
}


@pytest.mark.parametrize(('layers', 'named', 'not_named'), BAD_LAYERS.values(), ids=BAD_LAYERS)
def test_the_array_that_makes_all_voxels_bad_is_named(tmp_path, capsys, layers, named, not_named):
    layers = {'DATA': small_cube()[0]} | layers
    hdus = [
        fits.ImageHDU(array, cube_header() if array.ndim == 3 else None, name=key)
        for key, array in layers.items()
    ]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / 'c.fits')
    with pytest.raises(SourceError, match='no usable voxel') as error:
        cube.cut(cube.open_cube(tmp_path / 'c.fits'), TARGET)
    (tmp_path / 'catalog.txt').write_text(f'7 {RA} {DEC}\n')
    (tmp_path / 'param.py').write_text("DATACUBE = 'c.fits'\n")
    assert main([str(tmp_path), '--check']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any('source 7' in line and 'will fail' in line for line in lines)
    for text in (str(error.value), *(line for line in lines if line.startswith('voxels'))):
        assert all(word in text for word in named)
        assert not any(word in text for word in not_named)


def test_check_finds_the_sources_without_a_usable_voxel(tmp_path, capsys):
    data, variance = small_cube()
    data[:, :, 17:] = np.nan
    write_cube(tmp_path / 'c.fits', data, variance)
    opened = cube.open_cube(tmp_path / 'c.fits')
    (ra, other), (dec, _) = opened.sky.to_icrs([11, 11], [22, 13])
    (tmp_path / 'catalog.txt').write_text(f'7 {ra} {dec}\n8 {other} {dec}\n')
    (tmp_path / 'param.py').write_text("DATACUBE = 'c.fits'\nSIZE = 1\nPLOTS = REPORT = False\n")
    # Named, they stay; rows beyond the data are left out otherwise.
    assert main([str(tmp_path), '--check', '--id', '7', '8']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(':')[0] for line in lines if 'will fail' in line] == ['source 7']
    assert main([str(tmp_path), '--check', '--id', '8']) == 0
    assert lines[-3:] == capsys.readouterr().out.splitlines()[-3:]  # memory, disk, number
    assert lines[-1] == 'sources to extract: 1'
    assert main([str(tmp_path), '--check', '--id', '7']) == 0
    assert capsys.readouterr().out.splitlines()[-1] == 'sources to extract: 0'
    assert main([str(tmp_path), '-q', '--id', '7', '8']) == 1
    assert [path.name for path in (tmp_path / 'output').glob('Source_*')] == ['Source_8.fits']


@pytest.mark.parametrize('order', ['wavelength first', 'wavelength last'])
def test_a_sample_of_a_large_cube_is_evenly_spaced(tmp_path, monkeypatch, order):
    data, variance = small_cube()
    write_cube(tmp_path / 'c.fits', data, variance)
    if order == 'wavelength last':
        header = cube_header()
        for name in ('CTYPE', 'CRPIX', 'CRVAL', 'CUNIT'):
            header[f'{name}1'], header[f'{name}3'] = header[f'{name}3'], header[f'{name}1']
        header['CD1_1'], header['CD3_3'] = header['CD3_3'], header['CD1_1']
        write_cube(tmp_path / 'c.fits', data.T.copy(), variance.T.copy(), header)
    opened = cube.open_cube(tmp_path / 'c.fits')
    whole = cube.sample(opened).voxels
    assert_array_equal(whole.data, opened.data.read(slice(0, NY), slice(0, NX)))
    monkeypatch.setattr(cube, 'SAMPLE_BYTES', 14 * data.nbytes // NL)
    monkeypatch.setattr(cube, 'MOST_BYTES', 30 * data.nbytes // NL)
    some = cube.sample(opened)
    if order == 'wavelength last':  # any channel costs the whole cube
        assert some is None
    else:
        assert_array_equal(some.voxels.data, data[1::4])
        assert_array_equal(some.voxels.variance, variance[1::4])


@pytest.mark.parametrize('name', ['DQ', 'STAT'])
@pytest.mark.parametrize('axis', ['sky', 'wavelength'])
def test_layers_of_fewer_axes_are_spread(tmp_path, name, axis):
    layer = RNG.integers(0, 2, (NY, NX) if axis == 'sky' else NL)
    layer = layer.astype('i4') if name == 'DQ' else 1.0 + layer
    whole = np.broadcast_to(layer if axis == 'sky' else layer[:, None, None], (NL, NY, NX)).copy()
    cuts = []
    for number, array in enumerate((layer, whole)):
        path = tmp_path / f'{number}.fits'
        hdus = [fits.PrimaryHDU(), fits.ImageHDU(small_cube()[0], cube_header(), name='DATA')]
        fits.HDUList([*hdus, fits.ImageHDU(array, name=name)]).writeto(path)
        opened = cube.open_cube(path)
        assert not any('compressed' in note for note in opened.notes)
        cuts.append(cube.cut(opened, TARGET).voxels)
    for attribute in ('data', 'variance', 'bad'):
        assert_array_equal(getattr(cuts[0], attribute), getattr(cuts[1], attribute))
    assert (cuts[0].bad is not None) == (name == 'DQ')


def test_a_layer_of_another_shape_is_refused_by_name(tmp_path):
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(small_cube()[0], cube_header(), name='DATA')]
    fits.HDUList([*hdus, fits.ImageHDU(np.zeros((NY + 1, NX), 'i4'), name='DQ')]).writeto(
        tmp_path / 'c.fits'
    )
    with pytest.raises(InputError, match='extension DQ has another shape'):
        cube.open_cube(tmp_path / 'c.fits')


@pytest.mark.parametrize(
    ('card', 'step', 'said'),
    [
        ('CRVAL3', 50.0, 'wavelength'),
        ('CD3_3', 0.5, 'wavelength'),
        ('CRPIX1', 3.0, 'sky'),
        ('CRVAL2', 0.01, 'sky'),
    ],
)
def test_flags_on_another_grid_are_named(tmp_path, card, step, said):
    header = cube_header()
    header[card] += step
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(small_cube()[0], cube_header(), name='DATA')]
    fits.HDUList([*hdus, fits.ImageHDU(np.zeros((NL, NY, NX), 'i4'), header, name='DQ')]).writeto(
        tmp_path / 'c.fits'
    )
    (warning,) = (line for line in cube.open_cube(tmp_path / 'c.fits').notes if 'DQ' in line)
    assert said in warning


def test_noise_on_another_grid_that_has_no_name_goes_by_its_number(tmp_path):
    header = cube_header()
    header['CRPIX1'] += 3.0
    hdus = [
        fits.PrimaryHDU(small_cube()[0], cube_header()),
        fits.ImageHDU(np.ones((NL, NY, NX), 'f4'), header),
    ]
    fits.HDUList(hdus).writeto(tmp_path / 'c.fits')
    opened = cube.open_cube(tmp_path / 'c.fits', data_ext(0, '1: variance'))
    assert any('extension 1 is on another grid' in note for note in opened.notes)


@pytest.mark.parametrize('fill', [0.0, -999.0, 1e30])
def test_fill_values_are_no_data(tmp_path, fill):
    data, variance = small_cube()
    data[:, 9:11, 10:12] = fill  # spaxels without data in the object
    lost = RNG.random(data.shape) < 0.05
    data[lost] = fill
    write_cube(tmp_path / 'c.fits', data, variance)
    cut = cube.cut(cube.open_cube(tmp_path / 'c.fits'), TARGET)
    opened = cube.open_cube(tmp_path / 'c.fits')
    y, x = (round(float(i)) for i in cube.box_of(opened, TARGET)[0])
    half = cut.shape[0] // 2
    expected = (data == np.float32(fill))[:, y - half : y + half + 1, x - half : x + half + 1]
    assert_array_equal(cut.voxels.bad, expected)
    assert any('no data' in note for note in cut.notes)


def test_the_flux_of_a_source_does_not_depend_on_lost_voxels_in_its_centre(tmp_path):
    """Every second channel lacks the brightest spaxel: the completed sum is that of the whole
    source."""
    spectrum = 1000 + 2000 * np.exp(-0.5 * ((np.arange(NL) - 15) / 1.5) ** 2)
    data = spectrum[:, None, None] * gaussian(11, 13) + 0.1 * np.random.default_rng(4).normal(
        size=(NL, NY, NX)
    )
    flags = np.zeros((NL, NY, NX), 'i4')
    flags[::2, 11, 13] = 1
    (tmp_path / 'catalog.txt').write_text(f'7 {RA} {DEC}\n')
    lines = (
        'DATACUBE = "c.fits"',
        'CATALOG = "catalog.txt"',
        'SIZE = 4',
        'PLOTS = REPORT = False',
        '',
    )
    (tmp_path / 'param.py').write_text('\n'.join(lines))
    write_cube(tmp_path / 'c.fits', data.astype('f4'), np.full(data.shape, 0.01, 'f4'), DQ=flags)
    assert main([str(tmp_path), '-q']) == 0
    with fits.open(tmp_path / 'output' / 'Source_7.fits') as hdus:
        flux, variance = (hdus[f'SPE_MUSE_TOT_SKYSUB_{part}'].data for part in ('DATA', 'STAT'))
        mask = hdus['IMA_MASK_INTER_DATA'].data > 0
        cards = hdus[0].header
    ratio = flux / spectrum
    assert_allclose(ratio[::2].mean() / ratio[1::2].mean(), 1, atol=5e-3)
    assert np.all(variance[::2] > variance[1::2].max())
    assert cards['NCOMPL'] == len(flags[::2])
    assert_allclose(cards['COMPMAX'], gaussian(11, 13)[11, 13] / ratio.mean(), atol=2e-3)
    assert mask.sum() > 50


def layered(path, *layers, **primary):
    """A file with these layers: pairs of a name and an array, which has coordinates if it is a
    cube."""
    hdus = [
        fits.ImageHDU(array, cube_header() if array.ndim == 3 else None, name=name)
        for name, array in layers
    ]
    fits.HDUList([fits.PrimaryHDU(header=fits.Header(primary)), *hdus]).writeto(path)
    return path


def variance_of(opened):
    voxels = cube.cut(opened, TARGET).voxels
    return np.unique(voxels.variance[voxels.good]).tolist()


CUBE = np.ones((NL, NY, NX), 'f4')


def test_noise_and_flags_belong_to_one_of_several_cubes_by_order_and_shape(tmp_path):
    data, flags = small_cube()[0], np.zeros((NL, NY, NX), 'i4')
    bad = flags + 1
    grouped = (
        ('SCI', data),
        ('SCI', data),
        ('VAR', CUBE),
        ('VAR', 4 * CUBE),
        ('DQ', bad),
        ('DQ', flags),
    )
    assert variance_of(cube.open_cube(layered(tmp_path / '1.fits', *grouped), data_ext(2, 4))) == [
        4.0
    ]
    first_alone = ('SCI', data), ('VAR', CUBE), ('DQ', bad), ('SCI', data), ('VAR', 4 * CUBE)
    opened = cube.open_cube(layered(tmp_path / '2.fits', *first_alone), data_ext(4, 'VAR'))
    assert opened.flags is None
    assert variance_of(opened) == [4.0]
    small = ('SCI', data[:, :9, :9]), ('DQ', bad[:, :9, :9]), ('SCI', data), ('VAR', CUBE)
    assert cube.open_cube(layered(tmp_path / '3.fits', *small), data_ext(3, 4)).flags is None
    with_images = ('DATA', data[0]), ('DATA', data), ('STAT', 9 * CUBE[0]), ('STAT', 4 * CUBE)
    assert variance_of(cube.open_cube(layered(tmp_path / '4.fits', *with_images))) == [4.0]


def test_a_name_of_several_cubes_is_refused_as_data(tmp_path):
    with pytest.raises(
        InputError,
        match=r'holds 2 cubes: SCI \(extension 1\), SCI \(extension 4\).*DATA_EXT = 1, 2',
    ):
        cube.open_cube(two_cubes(tmp_path / 'c.fits', True), data_ext('SCI', 'VAR'))


def test_the_definition_of_flags_may_stand_in_the_first_header(tmp_path):
    flags = RNG.integers(0, 1 << 11, (NL, NY, NX)).astype('i4')
    for name, bits in (('MANGA_DAPSPECMASK', 0b11111), ('MANGA_OTHER', 0)):
        path = tmp_path / f'{name}.fits'
        layered(path, ('FLUX', small_cube()[0]), ('MASK', flags), INSTRUME='MaNGA', MASKNAME=name)
        assert cube.open_cube(path).flag_rule.bits == bits


@pytest.mark.parametrize('shape', [(NY, NX), (NL,)])
def test_an_unused_weight_of_fewer_axes_is_named(tmp_path, shape):
    path = layered(tmp_path / 'c.fits', ('DATA', small_cube()[0]), ('WEIGHT', np.ones(shape, 'f4')))
    (note,) = (note for note in cube.open_cube(path).notes if 'no variance' in note)
    assert "DATA_EXT = 'DATA', 'WEIGHT'" in note


@pytest.mark.parametrize(
    ('name', 'unit', 'power'), [('STAT', '1e-36 erg2 / (s2 cm4 Angstrom2)', 2), ('ERR', None, 1)]
)
def test_noise_in_another_unit_than_the_data_is_converted(tmp_path, name, unit, power):
    path = layered(tmp_path / 'c.fits', ('DATA', small_cube()[0]), (name, CUBE))
    with fits.open(path, mode='update') as hdus:
        hdus['DATA'].header['BUNIT'] = '1e-20 erg / (s cm2 Angstrom)'
        hdus[name].header['BUNIT'] = unit or '1e-18 erg / (s cm2 Angstrom)'
    opened = cube.open_cube(path)
    assert variance_of(opened) == pytest.approx([1e4])
    assert any(
        name in note and '1e-20 erg' in note and f'{100**power:g}' in note for note in opened.notes
    )


@pytest.mark.parametrize('scale', [1, 1.37])
@pytest.mark.parametrize('rate', [0.003, 0.05, 0.5])
def test_zeros_of_counts_are_data(tmp_path, rate, scale):
    counts = RNG.poisson(rate, (NL, NY, NX)) * scale
    write_cube(tmp_path / 'c.fits', counts.astype('i2' if scale == 1 else 'f4'))
    cut = cube.cut(cube.open_cube(tmp_path / 'c.fits'), TARGET)
    assert cut.voxels.good.all()


@pytest.mark.parametrize(('kind', 'share'), [('i2', 0.1), ('f4', 0.01)])
def test_few_fill_values_and_those_among_integers_are_no_data(tmp_path, kind, share):
    data = RNG.normal(50, 3, (NL, NY, NX)).astype(kind)
    lost = RNG.random(data.shape) < share
    data[lost] = -999
    write_cube(tmp_path / 'c.fits', data)
    cut = cube.cut(cube.open_cube(tmp_path / 'c.fits'), TARGET)
    assert cut.voxels.data[cut.voxels.good].min() > 0
    assert 0.5 * share < cut.voxels.bad.mean() < 2 * share


def test_zeros_among_rounded_numbers_are_no_data(tmp_path):
    data = np.round(RNG.normal(0, 3, (NL, NY, NX)), 2)
    lost = RNG.random(data.shape) < 0.2
    data[lost] = 0
    write_cube(tmp_path / 'c.fits', data.astype('f4'))
    cut = cube.cut(cube.open_cube(tmp_path / 'c.fits'), TARGET)
    assert 0.15 < cut.voxels.bad.mean() < 0.25
