"""What the lab uses of ``pyjoulescope_driver.Driver``, and how it comes by one.

The vendor's driver is one publish-and-subscribe tree: devices appear in it under paths such as ``u/js220/001234``, and
settings, commands and sample blocks are topics below. The instrument is given a *factory* for drivers, so that tests
put an exact fake in its place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from lab.errors import HardwareError

Value = Any
"""What a topic holds: an int, float, str, or for blocks and statistics a dict."""

OnValue = Callable[[str, Value], None]
"""Called in the driver's own thread with topic and value. It must return at once."""

DriverError = (RuntimeError, TimeoutError)
"""What the vendor's driver raises: ``TimeoutError`` where a device does not answer, else ``RuntimeError``."""

DEVICE_REMOVED = "@/!remove"
"""Topic: the path of a device that went away."""


class Driver(Protocol):
    """The part of ``pyjoulescope_driver.Driver`` in use; all may raise :data:`DriverError`, times are in seconds."""

    def device_paths(self, timeout: float | None = None) -> list[str]:
        """The connected devices."""
        ...

    def open(self, device_prefix: str, mode: str | None = None, timeout: float | None = None) -> None:
        """Open a device; with ``mode='restore'`` the driver takes over the device's settings, not the reverse."""
        ...

    def close(self, device_prefix: str, timeout: float | None = None) -> None:
        """Close a device."""
        ...

    def publish(self, topic: str, value: Value, timeout: float | None = None) -> None:
        """Set a topic."""
        ...

    def query(self, topic: str, timeout: float | None = None) -> Value:
        """The value that a topic holds."""
        ...

    def subscribe(self, topic: str, flags: str, fn: OnValue, timeout: float | None = None) -> None:
        """Have ``fn`` called with each value. The driver keeps no reference that outlives ``unsubscribe``."""
        ...

    def unsubscribe(self, topic: str, fn: OnValue, timeout: float | None = None) -> None:
        """End what ``subscribe`` began; ``fn`` is the very same object."""
        ...

    def finalize(self, timeout: float | None = None) -> None:
        """Let go of the driver and all its devices."""
        ...


DriverFactory = Callable[[], Driver]
"""Gives a driver, or raises :class:`HardwareError`. Whoever calls it calls ``finalize`` on what it got."""


def vendor_driver() -> Driver:
    """A driver of the vendor's package. Raises :class:`HardwareError` if there is none, or it does not start."""
    try:
        from pyjoulescope_driver import Driver as VendorDriver
    except ImportError as error:
        raise HardwareError(
            f"the Joulescope driver cannot be loaded ({error})", advice="pip install pyjoulescope_driver"
        ) from error
    try:
        driver: Driver = VendorDriver()
    except DriverError as error:
        raise HardwareError(f"the Joulescope driver does not start ({error})") from error
    return driver


def vendor_version() -> str:
    """The version of the vendor's package, or an empty text where it is not installed."""
    try:
        from pyjoulescope_driver import __version__ as version
    except ImportError:
        return ""
    return str(version)


class SharedDriver:
    """One driver for all meters of this process, made with the first lease and ended with the last.

    Each driver looks for devices and talks to the USB by itself: two of them in one process compete for the meters. An
    instance is a :data:`DriverFactory`.
    """

    def __init__(self, make: DriverFactory) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._driver: Driver | None = None
        self._leases = 0
        self._held: set[str] = set()

    def __call__(self) -> Driver:
        """Another lease."""
        with self._lock:
            if self._driver is None:
                self._driver = self._make()
            self._leases += 1
            return _Lease(self, self._driver)

    def hold(self, path: str) -> None:
        """A lease is about to open a device. Raises ``RuntimeError`` if another one holds it."""
        with self._lock:
            if path in self._held:
                raise RuntimeError(f"another instrument of this bench holds {path}")
            self._held.add(path)

    def let_go(self, path: str) -> None:
        """A lease no longer holds a device."""
        with self._lock:
            self._held.discard(path)

    def give_back(self, timeout: float | None) -> None:
        """A lease ends."""
        with self._lock:
            self._leases -= 1
            if self._leases == 0 and self._driver is not None:
                driver, self._driver = self._driver, None
                driver.finalize(timeout)


class _Lease:
    """A :class:`Driver` that leaves the shared one alone when it is finalized, unless it is the last.

    Two leases cannot hold the same device: the driver would let them, and both would record the one meter.
    """

    def __init__(self, shared: SharedDriver, driver: Driver) -> None:
        self._shared = shared
        self._driver = driver
        self._given_back = False
        self._held: set[str] = set()
        self.device_paths = driver.device_paths
        self.publish = driver.publish
        self.query = driver.query
        self.subscribe = driver.subscribe
        self.unsubscribe = driver.unsubscribe

    def open(self, device_prefix: str, mode: str | None = None, timeout: float | None = None) -> None:
        """Open a device that no other lease holds."""
        self._shared.hold(device_prefix)
        try:
            self._driver.open(device_prefix, mode=mode, timeout=timeout)
        except DriverError:
            self._shared.let_go(device_prefix)
            raise
        self._held.add(device_prefix)

    def close(self, device_prefix: str, timeout: float | None = None) -> None:
        """Close a device that this lease holds."""
        if device_prefix not in self._held:
            return
        self._held.discard(device_prefix)
        self._shared.let_go(device_prefix)
        self._driver.close(device_prefix, timeout=timeout)

    def finalize(self, timeout: float | None = None) -> None:
        """Give the lease back. Idempotent."""
        if not self._given_back:
            self._given_back = True
            for path in self._held:
                self._shared.let_go(path)
            self._shared.give_back(timeout)


shared_driver = SharedDriver(vendor_driver)
"""The factory that instruments use by default."""
