"""The log: its name, a line for every source, and how a run ended."""

import re
from contextlib import closing
from types import SimpleNamespace

from autospec_lib.run.closing_sentence import sentence
from autospec_lib.run.log import Log
from autospec_lib.run.results import Outcome


def test_the_log_has_the_lines_of_v1_1_2_and_the_notes(tmp_path):
    with closing(Log(tmp_path)) as log:
        log.add(Outcome(7, 0.1234, ('a note',)))
        log.add(Outcome(8, 0.1, error='bug: KeyError', trace='Traceback\nKeyError'))
    lines = log.path.read_text().splitlines()
    assert lines[:3] == [
        '7: Extracted Successfully in 0.12s',
        '7: Note, a note',
        '8: Error, bug: KeyError',
    ]
    assert lines[3].startswith('# AutoSpec 2')
    assert lines[4:] == ['# Traceback', '# KeyError']


def test_the_log_ends_with_why_a_run_stopped_and_the_results(tmp_path):
    rows = {7: {'ID': 7, 'STATUS': 'extracted'}}
    with closing(Log(tmp_path)) as log:
        for state, why in (('running', ''), ('interrupted', 'a full disk'), ('finished', '')):
            results = SimpleNamespace(state=state, why=why, rows=rows, chosen={7})
            log.end(results)
    last = f'# {sentence(results)}'
    assert log.path.read_text().splitlines() == ['# a full disk', last, last]


def test_two_logs_of_one_second_do_not_share_a_file(tmp_path):
    with (
        closing(Log(tmp_path)) as one,
        closing(Log(tmp_path)) as other,
        closing(Log(tmp_path)) as third,
    ):
        paths = {one.path, other.path, third.path}
    assert len(paths) == 3
    assert all(path.exists() for path in paths)


def test_the_log_is_named_as_by_v1_1_2(tmp_path):
    with closing(Log(tmp_path)) as log:
        pass
    assert log.path.parent == tmp_path / 'logs'
    assert re.fullmatch(r'\d{2}[A-Z]\w{2}\d{4}_\d{6}\.log', log.path.name)
