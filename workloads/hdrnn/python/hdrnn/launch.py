# SPDX-License-Identifier: Apache-2.0
"""What happens before anything heavy is imported."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def prepare(**needed: str) -> None:
    """Hold the libraries to one thread; end the program with one line where a needed one is absent.

    ``needed``: module → what to install.
    """
    for name in _THREADS:
        os.environ[name] = "1"
    # Ended from the keyboard like any other program, without a trace.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for module, package in needed.items():
        if find_spec(module) is None:
            print(f"hdrnn: {package} is not installed for {sys.executable} (pip install {module})", file=sys.stderr)
            sys.exit(2)


@contextmanager
def loading() -> Iterator[None]:
    """Around imports: what is installed but cannot be loaded (too little memory, say) is told in one line."""
    try:
        yield
    except (ImportError, MemoryError, OSError) as error:
        reason = (str(error).strip().splitlines() or ["not enough memory"])[-1]
        print(f"hdrnn: cannot be loaded: {reason:.300}", file=sys.stderr)
        sys.exit(1)
