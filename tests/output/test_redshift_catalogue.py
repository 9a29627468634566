"""The catalogue of redshifts: which redshift counts, and the file."""

import warnings

import numpy as np
import pytest
from astropy import units
from astropy.table import Table

from autospec_lib.output import redshift_catalogue, summary
from autospec_lib.output.redshift_catalogue import Counting, counting
from autospec_lib.output.verdicts import Verdict

CGS = 'erg s-1 cm-2 Angstrom-1'
ROW = {
    'ID': 4,
    'RA': 150.0,
    'DEC': 2.0,
    'NOTES': 'MASK_INTER is empty: MASK_UNION used; redshift: 0.4000 is also that of source 7, 1.2 arcsec away',
    'Z': 0.4,
    'Z_ERR': 1e-4,
    'ZPROB': 0.97,
    'ZQUAL': 3,
    'ZTYPE': 'gal',
    'ZBLEND': 1.25,
    'ZNEIGHB': 7,
    'ZSPEC': 'MUSE_WHITE_SKYSUB',
    'HBETA_FLUX': 120.0,
    'HBETA_FLUX_ERR': 3.0,
}


@pytest.mark.parametrize(
    ('change', 'z', 'quality'),
    [
        ({}, 0.4, 3),
        ({'ZQUAL': 2}, 0.4, 2),
        ({'ZPROB': 0.95}, 0.4, 3),
        ({'ZPROB': 0.949, 'ZQUAL': 2}, None, 0),
        ({'ZQUAL': 1}, None, 0),  # a neighbour explains it
        ({'ZPROB': 0.4, 'ZQUAL': 0, 'Z': None, 'Z_ERR': None, 'ZTYPE': None}, None, 0),
        (dict.fromkeys(('ZPROB', 'ZQUAL', 'Z', 'Z_ERR', 'ZTYPE')), None, 0),  # a source that failed
    ],
)
def test_a_measured_redshift_counts_if_it_is_sure(change, z, quality):
    one = counting(ROW | change)
    assert (one.z, one.quality) == (z, quality)
    assert (one.origin, one.kind, one.error) == (('AUTOSPEC', 'gal', 1e-4) if z else ('', '', None))


@pytest.mark.parametrize(
    ('verdict', 'expected'),
    [
        (Verdict('good', 0.4001, 1), Counting(0.4001, 1e-4, 'VISUAL', 1, 'gal')),
        (Verdict('good', 3.2, 2, 'Lya'), Counting(3.2, None, 'VISUAL', 2, 'LAE')),
        (Verdict('', 0.0, 3, 'star'), Counting(0.0, None, 'VISUAL', 3, 'star')),
        (Verdict('good', 1.1), Counting(1.1, None, 'VISUAL', 2, '')),
        (Verdict('doubtful', 1.1), Counting(1.1, None, 'VISUAL', 1, '')),
        (Verdict(quality=0), Counting(None, None, 'VISUAL', 0, '')),
        (Verdict('bad'), Counting(None, None, 'VISUAL', 0, '')),
        (Verdict(kind='nothing'), Counting(None, None, 'VISUAL', 0, '')),
        (
            Verdict(differs='a: 0.4; b: 1.1', rivals=(0.4, 1.1)),
            Counting(None, None, 'VISUAL', 0, ''),
        ),
    ],
)
def test_a_verdict_counts_before_a_measured_redshift(verdict, expected):
    assert counting(ROW, verdict) == expected
    if expected.error is None:
        assert counting({}, verdict) == expected


@pytest.mark.parametrize(('word', 'quality'), [('good', 3), ('doubtful', 1), ('', 3)])
def test_a_verdict_without_a_redshift_leaves_the_measured_one(word, quality):
    assert counting(ROW, Verdict(word, comment='nice')) == Counting(
        0.4, 1e-4, 'AUTOSPEC', quality, 'gal'
    )


@pytest.mark.parametrize('idents', [(4, 9), ('a b', 'Ä,"1"'), ('4', '9')])
def test_the_file_opens_without_options(tmp_path, idents):
    failed = {'ID': idents[1], 'RA': 1.0, 'DEC': -3.0, 'ERROR': 'none'}
    rows = [ROW | {'ID': idents[0], 'ZNEIGHB': idents[1]}, failed]
    redshift_catalogue.write(
        tmp_path,
        rows,
        f'10**-20 {CGS}',
        {idents[1]: 0.7},
        {str(idents[1]): Verdict('good', 0.71, 2, 'galaxy')},
    )
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        table = Table.read(tmp_path / 'redshifts.ecsv')
    assert table.colnames == [column.name for column in redshift_catalogue.COLUMNS]
    assert table['ID'].tolist() == [*idents]
    assert table['Z'].tolist() == [0.4, 0.71]
    assert table['Z_FROM'].tolist() == ['AUTOSPEC', 'VISUAL']
    assert table['QUALITY'].tolist() == [3, 2]
    assert table['TYPE'].tolist() == ['gal', 'gal']
    assert table['Z_BEST'].tolist() == [0.4, None]
    assert table['P'].tolist() == [0.97, None]
    assert table['Z_CATALOG'].tolist() == [None, 0.7]
    assert table['Z_SECOND'].tolist() == [1.25, None]
    assert table['SPECTRUM'].tolist() == ['MUSE_WHITE_SKYSUB', None]
    assert table['NEIGHBOUR'][0] == idents[1]
    assert table['NOTES'].tolist() == ['0.4000 is also that of source 7, 1.2 arcsec away', None]
    assert (
        table['HBETA_FLUX'].unit == table['HBETA_FLUX_ERR'].unit == units.Unit('1e-20 erg s-1 cm-2')
    )
    assert table['HBETA_FLUX'].tolist() == [120.0, None]
    assert all(np.ma.getmaskarray(table[column.name])[1] for column in summary.OF_LINES)


def test_the_rows_of_the_summary_are_not_changed(tmp_path):
    row = dict(ROW)
    redshift_catalogue.write(tmp_path, [row], CGS, {}, {})
    assert row == ROW
