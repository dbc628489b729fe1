# SPDX-License-Identifier: Apache-2.0
"""How deep the stack of an AVR program can get at worst, from its machine code.

Every function's own use is what its code pushes and the frame its prologue takes; calls add two bytes for the return.
The worst path through the calls counts, and on top of it the worst interrupt: interrupts do not interrupt each other.
C, assembly and the compiler's library are alike to this. Where the code calls through a pointer or calls itself there
is no bound, and that is said.
"""

from __future__ import annotations

import re
import subprocess
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from tinynet.errors import TinynetError

RETURN_BYTES = 2
_FUNCTION = re.compile(r"^([0-9a-f]+) <([^>]+)>:$")
_INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\t(?:[0-9a-f]{2} )+\s*\t(\w+)\s*([^;]*?)\s*(?:;\s*(.*))?$")
_PLACE = re.compile(r"(?:0x([0-9a-f]+) )?<([^+>]+)(\+0x[0-9a-f]+)?>")
_JUMPS = ("jmp", "rjmp")
_CALLS = ("call", "rcall")


@dataclass(slots=True)
class Function:
    """What one function's code does to the stack. ``calls`` and ``jumps`` name the functions it goes to."""

    own_bytes: int = 0
    calls: set[str] = field(default_factory=set)
    jumps: set[str] = field(default_factory=set)
    calls_through_pointer: bool = False


def worst_stack(elf: Path) -> int:
    """Bytes of stack at worst, of ``main`` and the deepest interrupt. Raises TinynetError where there is no bound."""
    try:
        listing = subprocess.run(["avr-objdump", "-d", str(elf)], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise TinynetError(f"avr-objdump failed: {error}") from None
    functions = read_functions(listing)
    if "main" not in functions:
        raise TinynetError(f"{elf} has no function main")
    depths: dict[str, int] = {}
    interrupts = [depth(functions, name, depths) for name in functions if name.startswith("__vector_")]
    worst_interrupt = RETURN_BYTES + max(interrupts) if interrupts else 0
    return RETURN_BYTES + depth(functions, "main", depths) + worst_interrupt


def read_functions(listing: str) -> dict[str, Function]:
    """What ``objdump -d`` prints → the functions by name."""
    functions: dict[str, Function] = {}
    name, pending = "", 0
    lines = listing.splitlines()
    # Numbers that the linker defines look like addresses: objdump may call a place in a function by a number's name.
    begins = sorted((int(match[1], 16), match[2]) for line in lines if (match := _FUNCTION.match(line)))
    for line in lines:
        if match := _FUNCTION.match(line):
            name, pending = match[2], 0
            functions[name] = Function()
            continue
        match = _INSTRUCTION.match(line)
        if match is None or not name:
            continue
        function, operation, operands = functions[name], match[2], match[3]
        place = _PLACE.search(match[4] or "")
        target = _function_at(place, begins)
        if operation == "push" or (operation == "rcall" and operands == ".+0"):
            function.own_bytes += 1 if operation == "push" else RETURN_BYTES
        elif operation in ("icall", "eicall"):
            function.calls_through_pointer = True
        elif operation in _CALLS and target != name:
            function.calls.add(target)
        elif operation in _CALLS:
            function.calls.add(name)
        elif operation in _JUMPS and target != name:
            function.jumps.add(target)
        pending = _frame(function, operation, operands, pending)
    return functions


def _function_at(place: re.Match[str] | None, begins: list[tuple[int, str]]) -> str:
    """The function that a place lies in, by its address where that is said; empty for none."""
    if place is None:
        return ""
    index = bisect_right(begins, int(place[1], 16), key=lambda item: item[0]) if place[1] else 0
    return begins[index - 1][1] if index else place[2]


def _frame(function: Function, operation: str, operands: str, pending: int) -> int:
    """Counts the frame that a prologue takes: r29:r28 less a number, then written to the stack pointer."""
    words = [word.strip() for word in operands.split(",")]
    if operation == "sbiw" and words[0] == "r28":
        return int(words[1], 16)
    if operation == "subi" and words[0] == "r28":
        return int(words[1], 16)
    if operation == "sbci" and words[0] == "r29":
        return pending + (int(words[1], 16) << 8)
    if operation == "out" and words == ["0x3d", "r28"]:
        # An epilogue adds by subtracting a number past 32767: that takes nothing.
        function.own_bytes += pending if pending < 0x8000 else 0
        return 0
    return pending


def depth(functions: dict[str, Function], name: str, depths: dict[str, int], path: tuple[str, ...] = ()) -> int:
    """Bytes that a function and whatever it calls take at worst, without its own return address."""
    if name in depths:
        return depths[name]
    if name in path:
        raise TinynetError(f"{name} calls itself ({' → '.join((*path, name))}): its stack has no bound")
    function = functions.get(name)
    if function is None:
        raise TinynetError(f"{path[-1] if path else 'the program'} goes to {name or 'a place without a name'}")
    if function.calls_through_pointer:
        raise TinynetError(f"{name} calls through a pointer: its stack has no bound")
    further = [RETURN_BYTES + depth(functions, other, depths, (*path, name)) for other in function.calls]
    further += [depth(functions, other, depths, (*path, name)) for other in function.jumps]
    depths[name] = function.own_bytes + max(further, default=0)
    return depths[name]
