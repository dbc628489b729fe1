# SPDX-License-Identifier: Apache-2.0
"""A file as a C array, to be compiled into a program: what ``xxd -i`` makes, with a guard and aligned."""

from __future__ import annotations

import re

from gesture.errors import GestureError

_PER_LINE = 12
_C_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def c_header(data: bytes, name: str, comment: str) -> str:
    """The header's text: ``static const unsigned char NAME[]`` and its length ``NAME_LEN``.

    Raises :class:`GestureError` for a name that C does not take, or text that would end its comment.
    """
    if _C_NAME.fullmatch(name) is None:
        raise GestureError(f"{name!r} cannot be a name in C here: small letters, digits and _ only")
    if "*/" in comment or not comment.isprintable():
        raise GestureError("a comment in C is one line without the sign that ends it")
    guard = f"{name.upper()}_H"
    rows = [data[begin : begin + _PER_LINE] for begin in range(0, len(data), _PER_LINE)]
    body = ",\n".join("    " + ", ".join(f"0x{byte:02x}" for byte in row) for row in rows)
    return (
        f"/* {comment} */\n#ifndef {guard}\n#define {guard}\n\n#define {name.upper()}_LEN {len(data)}u\n\n"
        f"#if defined(__GNUC__)\n__attribute__((aligned(16)))\n#endif\n"
        f"static const unsigned char {name}[{name.upper()}_LEN] = {{\n{body}\n}};\n\n#endif\n"
    )
