# SPDX-License-Identifier: Apache-2.0
"""The one kind of error that a user is told of in a line."""


class TinynetError(Exception):
    """Something the user gave cannot be used; the message says what, and what was expected. Exit code 2."""
