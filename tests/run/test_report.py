"""Counts, summary line and log."""

import re

import pytest

from autospec_lib.run.report import Log, Outcome, Report


@pytest.mark.parametrize(
    ('total', 'outcomes', 'summary', 'code'),
    [
        (1, [Outcome(7, 0.1)], '1 of 1 sources extracted', 0),
        (2, [Outcome(7, 0.1), Outcome(8, 0.1, error='x')], '1 of 2 sources extracted; 1 failed (8)', 1),
        (3, [Outcome(7, 0.1, ('n',))], '1 of 3 sources extracted; 1 with notes (7); 2 not reached', 1),
        (
            12,
            [Outcome(n, 0.1, error='x') for n in range(12)],
            '0 of 12 sources extracted; 12 failed (0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more)',
            1,
        ),
    ],
)
def test_summary_and_exit_code(total, outcomes, summary, code):
    report = Report(total)
    for outcome in outcomes:
        report.add(outcome)
    assert report.summary == summary
    assert report.exit_code == code
    assert report.bugs == 0


def test_the_log_has_the_lines_of_v1_1_2_and_the_notes(tmp_path):
    with Log(tmp_path) as log:
        log.outcome(Outcome(7, 0.1234, ('a note',)))
        log.outcome(Outcome(8, 0.1, error='bug: KeyError', trace='Traceback\nKeyError'))
    lines = log.path.read_text().splitlines()
    assert lines[:3] == ['7: Extracted Successfully in 0.12s', '7: Note, a note', '8: Error, bug: KeyError']
    assert lines[3].startswith('# AutoSpec 2')
    assert lines[4:] == ['# Traceback', '# KeyError']


def test_two_logs_of_one_second_do_not_share_a_file(tmp_path):
    with Log(tmp_path) as one, Log(tmp_path) as other, Log(tmp_path) as third:
        paths = {one.path, other.path, third.path}
    assert len(paths) == 3
    assert all(path.exists() for path in paths)


def test_the_log_is_named_as_by_v1_1_2(tmp_path):
    with Log(tmp_path) as log:
        pass
    assert log.path.parent == tmp_path / 'logs'
    assert re.fullmatch(r'\d{2}[A-Z]\w{2}\d{4}_\d{6}\.log', log.path.name)
