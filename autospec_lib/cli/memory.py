"""Whether the libraries can be loaded at all within the limits that this process was started with."""

from __future__ import annotations

from autospec_lib.core.errors import InputError

NEEDED = 300 * 2**20  # bytes of address space that the imports of a run take, and a source does not fit beside them


def check() -> None:
    """Refuse a limit of the address space (``ulimit -v``) in which the numerical libraries cannot be loaded.

    OpenBLAS, which numpy and scipy bring, then ends the process with words of its own, or looks for memory for ever and
    heeds no signal.

    Raises
    ------
    InputError
        With the limit.
    """
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limits
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < NEEDED:
        raise InputError(
            f'memory: this process is limited to {limit / 2**20:.0f} MB of address space; AutoSpec needs at least '
            f'{NEEDED / 2**20:.0f} MB; raise it (in a shell: ulimit -v unlimited; in a batch job: its memory)'
        )
