# SPDX-License-Identifier: Apache-2.0
"""The one kind of error that a user is told of in a line."""


class GestureError(Exception):
    """Something the user gave, or a serial line, cannot be used; the message says what. Exit code 2."""
