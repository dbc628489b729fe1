"""How pages are made of templates: whatever a record holds is text in them, and nothing else.

Two things happen to every value that a template writes, here and nowhere else: what has no shape of its own (escape
sequences, characters that turn the direction of writing, NUL) becomes visible escapes, and HTML's own characters are
escaped. What a template marks as safe (figures, the page's own scripts) is neither a board's nor a program's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.record.printable import printable

if TYPE_CHECKING:
    from jinja2 import Environment


def page_environment() -> Environment:
    """Jinja for the templates of this package; a name that a template uses and nobody gives is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("lab.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )


def _visible(value: Any) -> Any:
    """What a template writes, made printable; text that is markup already is left as it is."""
    return printable(value) if type(value) is str else value
