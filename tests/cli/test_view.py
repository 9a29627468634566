"""``--view``: the page is opened, or its place is told, or it is served."""

import os
import shlex
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path

import pytest

from autospec_lib.cli import main
from autospec_lib.cli.terminal import has_display
from autospec_lib.output.report import page
from autospec_lib.run import viewing

REMOTE = (
    'SSH_CONNECTION',
    'SSH_CLIENT',
    'SSH_TTY',
    'DISPLAY',
    'WAYLAND_DISPLAY',
    'WSL_DISTRO_NAME',
)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """No display, no ssh, no browser."""
    for name in REMOTE:
        monkeypatch.delenv(name, raising=False)
    opened = []
    monkeypatch.setattr(webbrowser, 'open', lambda address: opened.append(address) or True)
    return opened


@pytest.fixture
def report(tmp_path):
    """A working folder with a report in OUTPUT = results."""
    (tmp_path / 'param.py').write_text("OUTPUT = 'results'\n")
    for name in ('datacube.fits', 'catalog.txt'):
        (tmp_path / name).touch()
    page.install(tmp_path / 'results')
    return tmp_path


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere there is always a display')
def test_with_a_display_the_browser_opens_the_page(report, here, monkeypatch, capsys):
    monkeypatch.setenv('DISPLAY', ':0')
    assert main(['--view', str(report)]) == 0
    assert here == [(report / 'results' / 'index.html').as_uri()]
    assert str(report / 'results' / 'index.html') in capsys.readouterr().out


@pytest.mark.parametrize('display', ['', ':10'])
def test_over_ssh_it_says_what_to_copy(report, here, monkeypatch, capsys, display):
    monkeypatch.setenv('SSH_CONNECTION', '1.2.3.4 1 5.6.7.8 22')
    monkeypatch.setenv('DISPLAY', display)
    assert main(['--view', str(report)]) == 0
    said = capsys.readouterr().out
    assert f'{report}/results' in said
    assert '--port' in said
    assert here == []


def test_what_is_to_be_copied_is_one_word_of_the_shell(report, tmp_path, capsys):
    moved = tmp_path / 'my field'
    (report / 'results').rename(moved)
    assert main(['--view', str(moved)]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if 'scp' in line)
    assert shlex.split(line)[-2].endswith(f':{moved}')


def test_an_output_folder_that_was_copied_is_found(report, tmp_path_factory, capsys):
    copied = tmp_path_factory.mktemp('laptop') / 'copy'
    (report / 'results').rename(copied)
    assert main(['--view', str(copied)]) == 0
    assert str(copied / 'index.html') in capsys.readouterr().out


def test_a_folder_whose_inputs_are_gone_is_shown_all_the_same(report, capsys):
    (report / 'results').rename(report / 'output')
    (report / 'param.py').write_text('DATACUBE = "gone.fits"\n')
    assert main(['--view', str(report)]) == 0
    assert 'output' in capsys.readouterr().out


@pytest.mark.parametrize('text', [None, '<h1>mine</h1>'])
def test_without_a_report_there_is_a_fault(report, capsys, text):
    (report / 'results' / 'index.html').unlink()
    if text:
        (report / 'results' / 'index.html').write_text(text)
    assert main(['--view', str(report)]) == 2
    said = capsys.readouterr().err
    assert 'results/index.html' in said
    assert 'REPORT = True' in said


@pytest.mark.parametrize(
    'words',
    [
        ['--port', '80'],
        ['--view', '--port', 'x'],
        ['--view', '--port', '70000'],
        ['--view', '--check'],
    ],
)
def test_options_that_make_no_sense_are_refused(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert words[-2 if '--port' in words else -1] in capsys.readouterr().err


def test_a_port_that_is_taken_is_a_fault(report, capsys):
    with viewing.server(report, 0) as server:
        assert main(['--view', str(report), '--port', str(server.server_port)]) == 2
    assert f'--port {server.server_port}' in capsys.readouterr().err


@pytest.fixture
def served(report):
    """The address of a report that is served."""
    with viewing.server(report / 'results', 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01})
        thread.start()
        yield f'http://127.0.0.1:{server.server_port}', server
        server.shutdown()
        thread.join()


def fetched(address, host=None, site=None):
    """Status, headers and content of an answer; the site is whose page asks, as browsers say it."""
    headers = {'Host': host, 'Sec-Fetch-Site': site}
    request = urllib.request.Request(
        address, headers={name: value for name, value in headers.items() if value}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, b''


def test_the_folder_is_served_to_this_machine_alone(served, report, capfd):
    address, server = served
    assert server.server_address[0] == '127.0.0.1'
    status, headers, content = fetched(f'{address}/index.html')
    assert (status, content) == (200, (report / 'results' / 'index.html').read_bytes())
    assert headers['Cache-Control'] == 'no-cache'
    assert fetched(f'{address}/report/table.js')[0] == 200
    assert fetched(f'{address}/index.html', f'localhost:{server.server_port}')[0] == 200
    assert fetched(f'{address}/index.html', 'evil.example')[0] == 403
    assert fetched(f'{address}/../param.py')[0] == 404
    assert fetched(f'{address}/%2e%2e/param.py')[0] == 404
    assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize(
    ('site', 'status'),
    [('same-origin', 200), ('none', 200), ('same-site', 403), ('cross-site', 403), ('new', 403)],
)
@pytest.mark.parametrize('file', ['', 'index.html', 'report/theme.js'])
def test_pages_of_other_sites_get_nothing(served, file, site, status):
    answer, headers, content = fetched(f'{served[0]}/{file}', site=site)
    assert (answer, bool(content)) == (status, status == 200)
    assert headers['Cross-Origin-Resource-Policy'] == 'same-origin'


def test_only_files_in_the_folder_are_served(served, report):
    address, output = served[0], report / 'results'
    (output / 'copy.html').symlink_to('index.html')
    (output / 'out').symlink_to(report / 'param.py')
    (output / 'above').symlink_to(report)
    (output / 'loop').symlink_to('loop')
    (output / 'sub').mkdir()
    (output / 'sub' / 'index.html').symlink_to(report / 'param.py')
    os.mkfifo(output / 'pipe')
    assert fetched(f'{address}/copy.html')[0] == 200
    names = (
        'out',
        'above/param.py',
        'above/',
        'loop',
        'sub/',
        'pipe',
        'report/',
        '%00',
        'index.html%00',
        'a' * 5000,
    )
    assert [fetched(f'{address}/{name}')[0] for name in names] == [404] * len(names)


def test_a_browser_that_leaves_is_not_reported(served, report, capfd):
    address, server = served
    (report / 'results' / 'large').write_bytes(bytes(20_000_000))
    # Closed before it is read.
    with urllib.request.urlopen(f'{address}/large', timeout=10) as answer:
        assert answer.status == 200
    assert fetched(f'{address}/index.html')[0] == 200
    server.shutdown()
    server.server_close()  # waits for the threads
    assert capfd.readouterr() == ('', '')


def test_a_signal_ends_the_server_with_a_plain_line(report):
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    command = [sys.executable, str(ROOT / 'autospec'), '--view', str(report), '--port', '0']
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        said = process.stdout.readline()
        assert 'http://localhost:' in said
        assert fetched(said.split(' at ')[1].split()[0])[0] == 200
        # What Ctrl-C does, too; a shell that runs the tests in the background would have it
        # ignored.
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert (out, err) == ('ended\n', '')
    assert process.returncode == 130


def test_a_display_is_one_of_this_machine(monkeypatch):
    monkeypatch.setattr(sys, 'platform', 'linux')
    assert not has_display({})
    assert has_display({'WAYLAND_DISPLAY': 'wayland-0'})
    assert not has_display({'DISPLAY': ':0', 'SSH_TTY': '/dev/pts/1'})
    monkeypatch.setattr(sys, 'platform', 'darwin')
    assert has_display({})
    assert not has_display({'SSH_CLIENT': 'x'})
