"""Child processes that do not outlive their parent."""

import ctypes
import signal
from collections.abc import Callable

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def die_with_parent(how: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """A preexec_fn: the child gets `how` when its parent ends, even by SIGKILL (Linux, prctl(2))."""

    def ask_the_kernel() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, how)

    return ask_the_kernel
