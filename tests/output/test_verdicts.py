"""Verdicts: what the report saves is read whole, merged, and written so that it is read back the
same."""

import pytest

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Target
from autospec_lib.output import verdicts
from autospec_lib.output.verdicts import Verdict

HEAD = 'ID,RA,DEC,VERDICT,REDSHIFT,ORIGIN,QUALITY,CLASS,COMMENT,CHANGED\n'


def saved(tmp_path, text, name='a.csv', encoding='utf-8'):
    path = tmp_path / name
    path.write_text(text, encoding=encoding, newline='')
    return path


def test_a_file_of_the_report_is_read_whole(tmp_path):
    row = '7,150.1,2.2,good,0.4192,Z,3,galaxy,"two, ""lines""\nhere",2026-11-28T10:00:00Z\n'
    one = verdicts.read(saved(tmp_path, HEAD + row))['7']
    assert (one.verdict, one.z, one.quality, one.kind, one.origin) == (
        'good',
        0.4192,
        3,
        'galaxy',
        'Z',
    )
    assert (one.comment, one.position) == ('two, "lines"\nhere', (150.1, 2.2))
    assert one.accepted == 0.4192


@pytest.mark.parametrize('separator', [',', ';', '\t'])
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig'])
@pytest.mark.parametrize('end', ['\n', '\r\n'])
def test_spreadsheets_may_have_saved_it(tmp_path, separator, encoding, end):
    comma = '.' if separator == ',' else ','
    rows = ['id,Verdict,redshift', f'7,GOOD,0{comma}42', ',,', '8,bad,']
    text = end.join(
        row.replace(',', separator) if comma == '.' else row.replace(',', separator, 2)
        for row in rows
    )
    read = verdicts.read(saved(tmp_path, text + end, encoding=encoding))
    assert {ident: (one.verdict, one.z) for ident, one in read.items()} == {
        '7': ('good', 0.42),
        '8': ('bad', None),
    }


@pytest.mark.parametrize(
    ('row', 'facts'),
    [
        ('7,1,2,god,0.4,,,,,', ['row 1', 'ID 7', 'VERDICT', "'god'", 'good']),
        ('7,1,2,good,high,,,,,', ['row 1', 'ID 7', 'REDSHIFT', "'high'", '20']),
        ('7,1,2,good,99,,,,,', ['REDSHIFT', '99']),
        ('7,1,2,good,nan,,,,,', ['REDSHIFT', 'nan']),
        ('7,1,2,good,0.1,,5,,,', ['QUALITY', '5']),
        ('7,1,2,good,0.1,,1.5,,,', ['QUALITY', '1.5']),
        ('7,1,2,good,0.1,,,galaxi,,', ['CLASS', 'galaxy']),
        (',1,2,good,0.1,,,,,', ['row 1', 'no ID']),
        ('7,1,2,good,0,42,,,,,', ['row 1', 'ID 7', '11 cells', '10 columns']),
        ('7,1,2,good,0.1,,,,,\n7,1,2,bad,,,,,,', ['row 2', 'ID 7', 'twice']),
    ],
)
def test_a_faulty_row_is_named_with_what_is_allowed(tmp_path, row, facts):
    with pytest.raises(InputError) as error:
        verdicts.read(saved(tmp_path, f'{HEAD}{row}\n'))
    assert all(fact in str(error.value) for fact in facts)


@pytest.mark.parametrize('rivals', ['x', 'nan 0.1', '99'])
def test_a_faulty_rival_is_named(tmp_path, rivals):
    with pytest.raises(InputError, match=rivals.split()[0]) as error:
        verdicts.read(saved(tmp_path, f'ID,VERDICT,RIVALS\n7,,{rivals}\n'))
    assert all(fact in str(error.value) for fact in ('row 1', 'ID 7', 'RIVALS', '20'))


def test_a_column_that_is_there_twice_is_named(tmp_path):
    with pytest.raises(InputError, match='REDSHIFT'):
        verdicts.read(saved(tmp_path, 'ID,VERDICT,REDSHIFT,Redshift\n7,good,0.42,9\n'))


@pytest.mark.parametrize('content', ['', '\n', 'a b c\n1 2 3\n', 'ID,RA\n1,2\n', '\0\0\0'])
def test_another_file_is_refused_in_one_line(tmp_path, content):
    with pytest.raises(InputError, match=r'a\.csv') as error:
        verdicts.read(saved(tmp_path, content))
    assert len(error.value.faults) == 1


def test_all_faults_of_a_file_come_at_once(tmp_path):
    with pytest.raises(InputError) as error:
        verdicts.read(saved(tmp_path, f'{HEAD}7,1,2,god,,,,,,\n8,1,2,good,x,,,,,\n'))
    assert len(error.value.faults) == 2


def test_what_is_written_is_read_back_the_same(tmp_path):
    given = {
        '7': Verdict('good', -0.01, 3, 'star', 'user', '=1+1', '2026', (150.1, 2.2)),
        '-x': Verdict(
            comment="'-quoted, with\nlines",
            position=(150.1, 2.2),
            differs='a: good',
            rivals=(0.1, 1.4),
        ),
    }
    path = tmp_path / 'verdicts.csv'
    verdicts.write(
        path, given, [Target('-x', 150.1, 2.2, 3), Target(7, 150.1, 2.2, 3), Target(8, 1, 1, 3)]
    )
    assert verdicts.read(path) == given
    assert [line.split(',')[0] for line in path.read_text().splitlines()][:2] == ['ID', "'-x"]
    assert "'=1+1" in path.read_text()


def test_people_who_agree_have_one_verdict_with_both_comments():
    first, second = (
        Verdict('good', z, 3, 'galaxy', comment=comment)
        for z, comment in ((0.42, 'a'), (0.4201, 'b'))
    )
    merged = verdicts.merged([('x', {'7': first}), ('y', {'7': second, '8': second})])
    assert (merged['7'].z, merged['7'].quality, merged['7'].comment, merged['7'].differs) == (
        0.42,
        3,
        'a / b',
        '',
    )
    assert merged['8'] == second


def test_where_only_the_quality_differs_the_lowest_counts_and_both_are_named():
    merged = verdicts.merged(
        [('x', {'7': Verdict('good', 0.42, 3)}), ('y', {'7': Verdict('good', 0.42, 1)})]
    )
    assert (merged['7'].accepted, merged['7'].quality) == (0.42, 1)
    assert 'x: ' in merged['7'].differs
    assert 'y: ' in merged['7'].differs


@pytest.mark.parametrize(
    'other',
    [
        Verdict('good', 1.4, 3),
        Verdict('good', 0.422, 3),  # 420 km/s away
        Verdict('bad'),
        Verdict('good', 0.42, 0),
    ],
)
def test_where_redshifts_differ_none_is_accepted_and_all_are_kept(other):
    merged = verdicts.merged([('x', {'7': Verdict('good', 0.42, 3)}), ('y', {'7': other})])['7']
    assert merged.accepted is None
    assert 0.42 in merged.rivals
    assert merged.differs


def test_those_who_do_not_agree_and_a_third_person_have_all_redshifts():
    open_case = verdicts.merged(
        [('x', {'7': Verdict('good', 0.42, 3)}), ('y', {'7': Verdict('good', 1.4, 3)})]
    )
    one = verdicts.merged([('m', open_case), ('z', {'7': Verdict('good', 0.9, 3)})])['7']
    assert one.rivals == (0.42, 1.4, 0.9)
    assert all(z in one.differs for z in ('0.42', '1.4', '0.9'))


def test_merging_twice_changes_nothing():
    files = [('x', {'7': Verdict('good', 0.42, 3)}), ('y', {'7': Verdict('good', 1.4, 3)})]
    assert verdicts.merged(files) == verdicts.merged(files)
    assert verdicts.merged([('m', verdicts.merged(files))]) == verdicts.merged(files)
