"""Narrow bands and images that only weight spectra, by the command: files, notes, faults, --check,
--resume."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from builders import DEC, NX, NY, RA, gaussian, sky_header
from numpy.testing import assert_allclose, assert_array_equal

from autospec_lib.cli.command import main

LINE_FLUX = 2000 * 1.5 * 1.25 * np.sqrt(2 * np.pi)  # of `small_cube`, at 4768.75 Angstrom in air
Z = 4768.75 * 1.00028 / 1215.67 - 1
BAND = 'NB_4762_4775'


@pytest.fixture
def run(folder, capsys):
    """Run the command in the folder with these parameters and rows of the catalogue; exit code and
    what it printed."""
    image = 500 * gaussian(11, 13, 1.5) + np.random.default_rng(3).normal(size=(NY, NX)) / 100
    fits.PrimaryHDU(image.astype('f4'), sky_header()).writeto(folder / 'w.fits')
    standard = (folder / 'param.py').read_text()

    def run_with(text, *options, rows=((7, Z),)):
        (folder / 'catalog.txt').write_text(
            'ID RA DEC Z\n' + ''.join(f'{i} {RA:.7f} {DEC:.7f} {z}\n' for i, z in rows)
        )
        (folder / 'param.py').write_text(f'{standard}{text}\n')
        code = main([str(folder), *options])
        return code, ''.join(capsys.readouterr())

    return run_with


def notes(folder, ident=7):
    with fits.open(folder / 'output' / f'Source_{ident}.fits') as hdus:
        return ' '.join(value for card, value in hdus[0].header.items() if card.startswith('NOTE'))


def test_narrow_bands_are_images_with_spectra_maps_and_variance(folder, run):
    assert run("NARROWBAND = (4762, 4775), 'Lya'\nREF = 'NB_Lya'\nPLOTS = REPORT = True")[0] == 0
    from mpdaf.sdetect import Source

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        source = Source.from_file(str(folder / 'output' / 'Source_7.fits'))
    for tag in (BAND, 'NB_LYALPHA'):
        image = source.images[tag]
        assert str(image.unit) == '1e-20 erg / (s cm2)'
        noise = np.sqrt(image.var.sum())
        assert image.data.sum() == pytest.approx(LINE_FLUX, abs=4 * noise)
        assert noise < 0.1 * LINE_FLUX
        assert {f'SEG_{tag}'} < set(source.images)
        assert f'{tag}_SKYSUB' in source.spectra
    assert source.header['REFSPEC'] == 'NB_LYALPHA_SKYSUB'
    assert source.header['NNOTES'] == 0
    row = Table.read(folder / 'output' / 'summary.ecsv')[0]
    assert row[f'SN_{BAND}'] > 5
    assert row['REFERENCE'] == 'NB_LYALPHA_SKYSUB'
    assert len(list((folder / 'output' / 'images' / '7').iterdir())) == 4


def test_a_source_without_redshift_or_line_in_the_cube_is_extracted_with_a_note(folder, run):
    code, said = run("NARROWBAND = 'Lya'\nREF = 'NB_Lya'", rows=((7, Z), (8, '--'), (9, 1.0)))
    assert code == 0, said
    for ident, facts in (
        (8, ['NB_LYALPHA', 'redshift']),
        (9, ['NB_LYALPHA', '2427.', 'outside', '4755.']),
    ):
        found = notes(folder, ident)
        assert all(fact in found for fact in [*facts, 'white light used']), found
        with fits.open(folder / 'output' / f'Source_{ident}.fits') as hdus:
            assert hdus[0].header['REFSPEC'] == 'MUSE_WHITE_SKYSUB'
            assert not any('NB_' in hdu.name for hdu in hdus)
    assert notes(folder) == ''
    code, said = run("NARROWBAND = 'Lya'", '--check', rows=((7, Z), (8, '--'), (9, 1.0)))
    lines = {line.split(':')[0]: line for line in said.splitlines()}
    assert 'NB_LYALPHA 476' in lines['source 7']
    assert 'no NB_LYALPHA' in lines['source 8']
    assert 'outside' in lines['source 9']


def test_a_catalogue_without_redshifts_is_told_before_the_run(run):
    said = run("NARROWBAND = 'Lya'", '--check', rows=((7, '--'),))[1]
    assert all(fact in said for fact in ('warning: catalog.txt', 'column Z', 'NARROWBAND'))


@pytest.mark.parametrize('options', [[], ['--check']])
@pytest.mark.parametrize(
    'entry', ['(4700, 4760)', '(6840, 6870)', '(4765.1, 4765.2)', '(4755, 4782)']
)
def test_a_range_that_the_cube_does_not_have_is_refused(folder, run, entry, options):
    code, said = run(f'NARROWBAND = {entry}', *options)
    assert code == 2
    (line,) = said.splitlines()
    assert line.startswith(f'param.py: NARROWBAND: {entry[1:-1].replace(", ", " to ")} Angstrom ')
    assert not (folder / 'output').exists()


def test_the_check_names_bands_and_weights(run):
    said = run("NARROWBAND = (4762, 4775)\nWEIGHT = 'w.fits'", '--check')[1]
    assert f'narrow band: {BAND}, 4762 to 4775 Angstrom\n' in said
    assert 'images: W\n' in said
    assert 'for weights alone: W\n' in said


def test_an_image_for_weights_takes_no_part_in_masks(folder, run):
    stored = {}
    for parameter in ('WEIGHT', 'IMG', None):
        text = f"{parameter} = 'w.fits'\nREF = 'w'" if parameter else ''
        assert run(f"OBJ_MASK = 'UNION'\n{text}")[0] == 0
        with fits.open(folder / 'output' / 'Source_7.fits') as hdus:
            stored[parameter] = {hdu.name: hdu.data for hdu in hdus}
    weight, img, none = stored.values()
    assert weight.keys() - none.keys() == {
        'IMA_W_DATA',
        'SPE_W_SKYSUB_DATA',
        'SPE_W_SKYSUB_STAT',
    } | {f'SPE_W_CONTSUB_SKYSUB_{part}' for part in ('DATA', 'STAT')}
    assert img.keys() - weight.keys() == {'IMA_SEG_W_DATA'}
    assert_array_equal(weight['IMA_MASK_UNION_DATA'], none['IMA_MASK_UNION_DATA'])
    assert_allclose(weight['IMA_W_DATA'], img['IMA_W_DATA'])
    assert (img['IMA_MASK_UNION_DATA'] != none['IMA_MASK_UNION_DATA']).any()


def test_an_image_for_weights_is_moved_as_others_are(folder, run):
    assert run("WEIGHT = 'w.fits'\nIMG_SHIFT = (-0.4, 0.2)")[0] == 0
    with fits.open(folder / 'output' / 'Source_7.fits') as hdus:
        white, image = (np.nan_to_num(hdus[f'IMA_{tag}_DATA'].data) for tag in ('MUSE_WHITE', 'W'))
    peaks = [np.unravel_index(part.argmax(), part.shape) for part in (white, image)]
    assert np.subtract(peaks[1], peaks[0]).tolist() == [1, 2]


def test_an_image_for_weights_that_cannot_be_used_is_refused_by_its_parameter(folder, run):
    header = sky_header()
    header['CRVAL2'] += 1
    fits.PrimaryHDU(np.ones((9, 9), 'f4'), header).writeto(folder / 'far.fits')
    code, said = run("WEIGHT = 'far.fits'")
    assert code == 2
    assert all(fact in said for fact in ('far.fits', 'overlap', 'take it out of WEIGHT'))


def test_a_band_without_use_in_masks_leaves_them_to_the_users_map(folder, run):
    fits.PrimaryHDU((gaussian(11, 13) > 0.02).astype('i2'), sky_header()).writeto(
        folder / 'mine.fits'
    )
    masks = []
    for text in ('', 'NARROWBAND = (4762, 4775)'):
        assert run(f"USE_IMGS = False\nSEG = 'mine.fits'\n{text}")[0] == 0
        with fits.open(folder / 'output' / 'Source_7.fits') as hdus:
            masks.append(hdus['IMA_MASK_UNION_DATA'].data)
    assert_array_equal(*masks)


@pytest.mark.parametrize(
    'text', ["WEIGHT = 'w.fits'", 'NARROWBAND = (4762, 4775)', "NARROWBAND = 'Lya'"]
)
def test_a_resumed_run_knows_of_bands_and_weights(folder, run, text):
    path = folder / 'output' / 'Source_7.fits'
    assert run('')[0] == 0
    dates = [path.stat().st_mtime_ns]
    for _ in range(2):
        assert run(text, '--resume')[0] == 0
        dates.append(path.stat().st_mtime_ns)
    assert dates[0] < dates[1] == dates[2]


def test_shapes_of_the_joint_extraction_may_be_from_a_band(folder, run):
    assert run("NARROWBAND = (4762, 4775)\nDEBLEND = 'nb_4762_4775'")[0] == 0
    with fits.open(folder / 'output' / 'Source_7.fits') as hdus:
        assert 'SPE_DEBLEND_SKYSUB_DATA' in {hdu.name for hdu in hdus}
