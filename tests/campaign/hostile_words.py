"""What a board may say to do harm: for tests of whatever keeps or shows it."""

from __future__ import annotations

import unicodedata

ATTACK = (
    "<script>document.documentElement.dataset.owned='1'</script>"
    "<img src=x onerror=\"document.documentElement.dataset.owned='1'\">"
    "</script></pre></title><svg onload=\"document.documentElement.dataset.owned='1'\">'\"&amp;{{ 7*7 }}{% raw %}"
    "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b1m\r\x00\x7f\u202egnp.exe\u2066\u200b\u2028\udcff[red]rich[/red][/]"
)
"""HTML, template and terminal at once, with bytes that are no UTF-8 and characters that turn the writing."""

PAYLOADS = {
    "binary": bytes(range(256)) * 64,
    "html": ATTACK.encode("utf-8", "surrogateescape"),
    "one line": b"A" * 3_000_000,
    "nul": b"\x00" * 4096,
    "no utf-8": b"\xff\xfe\xc0\x80\xed\xa0\x80" * 100,
    "almost json": b'{"event": "done", "accuracy": NaN, "\x1b[2J": 1e999}\n' + b"[" * 100_000,
    "empty": b"",
}

SAY = """\
cat "$1"
cat "$1" >&2
exit $(($(wc -c <"$1") % 2))
"""
"""A program for ``sh`` that says a file's content on both its outputs, and fails if its bytes are odd in number."""


def harmless(text: str) -> bool:
    return not {item for item in text if unicodedata.category(item) in {"Cc", "Cf", "Cs"}} - {"\n", "\t"}
