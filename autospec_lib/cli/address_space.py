"""The check that the address space of this process (``ulimit -v``) has room for the libraries.

The memory that a run needs is estimated in `autospec_lib.run.estimate`.
"""

from __future__ import annotations

from autospec_lib.core.errors import InputError

NEEDED = 300 * 2**20  # bytes of address space that the imports of a run take; sources need more


def check() -> None:
    """Refuse a limit of the address space (``ulimit -v``) in which the numerical libraries cannot be loaded.

    Under such a limit OpenBLAS, a part of numpy and scipy, ends the process with a message of its own, or keeps trying
    to allocate memory and ignores signals.

    Raises
    ------
    InputError
        If the limit is too low.
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
