"""Emulated boards for tests: one guest of each kind, shared by all tests and all workers, ended after the last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.boards.qemu.guests import Guest, Guests, guests_cache
from lab.boards.qemu.machines import machine_named
from lab.boards.qemu.packages import NotToBeHadError
from lab.cache import cache_folder


def emulated_board(name: str) -> Iterator[Guest]:
    """Have a machine up, as a campaign would: one that is up already is used and left so.

    Each worker holds it, so that it ends with the last one; campaigns of the tests (``board: {kind: qemu}``) find it in
    the user's cache, which is also where packages and images come from: it must not be another one for them.
    """
    guests = Guests(guests_cache(cache_folder()))
    machine = machine_named(name)
    try:
        guests.prepared(machine)
    except NotToBeHadError as error:
        pytest.skip(f"{name} cannot be made here: {error.message} ({error.advice or 'make emulators'})")
    with guests.holding(machine) as guest:
        yield guest
