"""The keys of an image: one that lets the lab in, and one by which the lab knows that it reached the right board.

Formats: OpenSSH's PROTOCOL.key (private keys); Dropbear keeps a private Ed25519 key as the algorithm's name, followed
by the 64 bytes of secret and public half.
"""

from __future__ import annotations

import base64
import struct
import subprocess
from pathlib import Path

from lab.errors import HardwareError

_MAGIC = b"openssh-key-v1\0"
_ALGORITHM = b"ssh-ed25519"
_SECRET_AND_PUBLIC = 64


def generate(path: Path) -> str:
    """Make an Ed25519 key pair, ``path`` and ``path.pub``; returns the public half as ``ssh-ed25519 AAAA…``."""
    done = subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "embedded-lab", "-f", str(path)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        raise HardwareError(f"ssh-keygen could not make {path}: {done.stderr.strip()}")
    kind, key, *_ = path.with_name(path.name + ".pub").read_text().split()
    return f"{kind} {key}"


def for_dropbear(openssh_private_key: str) -> bytes:
    """An unencrypted Ed25519 private key of OpenSSH as Dropbear reads it. Raises ``ValueError`` for any other."""
    lines = [line for line in openssh_private_key.splitlines() if line and not line.startswith("-----")]
    data = base64.b64decode("".join(lines), validate=True)
    if not data.startswith(_MAGIC):
        raise ValueError("this is no private key of OpenSSH")
    words = _Words(data[len(_MAGIC) :])
    if words.text() != b"none":
        raise ValueError("the private key is encrypted")
    words.text()  # how the passphrase is stretched
    words.text()  # … and with what
    if words.number() != 1:
        raise ValueError("there is more than one private key")
    words.text()  # the public key
    secret = _Words(words.text())
    if secret.number() != secret.number():
        raise ValueError("the private key is damaged")
    if secret.text() != _ALGORITHM:
        raise ValueError("this is no Ed25519 key")
    secret.text()  # the public half, which the next one repeats
    both = secret.text()
    if len(both) != _SECRET_AND_PUBLIC:
        raise ValueError("the private key is damaged")
    return _word(_ALGORITHM) + _word(both)


def _word(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


class _Words:
    """Numbers and texts one after the other, as SSH writes them."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self) -> int:
        if self._at + 4 > len(self._data):
            raise ValueError("the private key is damaged")
        (value,) = struct.unpack_from(">I", self._data, self._at)
        self._at += 4
        return int(value)

    def text(self) -> bytes:
        length = self.number()
        if self._at + length > len(self._data):
            raise ValueError("the private key is damaged")
        self._at += length
        return self._data[self._at - length : self._at]
