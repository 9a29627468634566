"""The command line: options, the order of the work, and every word on the terminal."""

from autospec_lib.cli.command import main

__all__ = ['main']
