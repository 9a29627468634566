"""The tools that every change must pass, so that the one test command runs them too."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize('command', ['ruff check', 'ruff format --check', 'mypy'])
def test_tool_is_content(command):
    result = subprocess.run(
        [sys.executable, '-m', *command.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
