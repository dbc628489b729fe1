"""Which keys of a manifest its readers rely on, and what is wrong with one that lacks them.

A manifest is JSON that anybody can edit and any disk can damage; whoever reads it further than this may take it at its
word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from lab.errors import DataError
from lab.record.quantity import Origin


@dataclass(frozen=True, slots=True)
class Each:
    """A mapping whose keys are free and whose values all have one shape."""

    of: Any


Shape: TypeAlias = Any
"""A type or a tuple of types; a frozen set of permitted texts; ``{key: shape}``, where a key that ends in ``?`` may be
absent or null and others may be there besides; ``[shape]`` for a list of any length; or :class:`Each`."""

_NUMBER = (int, float)
_ORIGINS = frozenset(str(origin) for origin in Origin)

RECORD: Shape = {
    "state": str,
    "plan": {"trials": [{"trial_id": str, "passes": [{"pass_id": str}]}]},
    "files?": Each(str),
}
"""What every reader of a record relies on."""

ANALYSIS: Shape = {
    "origin": _ORIGINS,
    "seed?": int,
    "experiment": {"resolved?": {"factors?": dict, "workload?": dict, "analysis?": dict}},
    "bench?": {"resolved?": {"instruments?": Each({"lines?": Each(str)}), "alignment?": {"methods?": [str]}}},
    "plan": {
        "trials": [
            {
                "point_id": str,
                "order": int,
                "repeat": int,
                "label": str,
                "values": dict,
                "settings": dict,
                "passes": [{"kind": str, "instruments": [str], "events": [str], "baseline": bool}],
            }
        ],
        "unavailable?": [{"what": str, "reason": str}],
    },
    "board": {
        "origin": _ORIGINS,
        "caches?": Each(_NUMBER),
        "ceilings?": [
            {
                **dict.fromkeys(("accelerator", "element", "source"), str),
                **dict.fromkeys(("threads", "mac_per_s", "bytes_per_s"), _NUMBER),
            }
        ],
    },
    "instruments?": Each(
        {
            "kind": str,
            "capabilities?": {
                "measures?": [str],
                "origin?": _ORIGINS,
                "scope?": str,
                "assumes?": [str],
                "update_period_s?": _NUMBER,
                "accuracy?": {
                    "source?": str,
                    "timebase_ppm?": _NUMBER,
                    "ranges?": Each(
                        dict.fromkeys(("full_scale_a", "gain_i", "offset_i_a", "gain_v", "offset_v_v"), _NUMBER)
                    ),
                    "power?": dict.fromkeys(("gain_p", "offset_p_w"), _NUMBER),
                },
            },
        }
    ),
    "workload": {"kind?": str, "reader?": str},
    "inputs?": [str],
}
"""What the analysis relies on besides."""


def require(manifest: Any, shape: Shape, where: str) -> None:
    """Raise :class:`DataError`, naming file and key, for the first thing that is not as the shape says.

    ``where`` is the manifest's file.
    """
    for path, problem in _problems(manifest, shape, ""):
        raise DataError(f"{where}: damaged manifest ({path or 'as a whole'}: {problem})")


def _problems(value: Any, shape: Shape, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(shape, Each):
        if not isinstance(value, Mapping):
            yield path, _unexpected(value, "a mapping")
            return
        for key, item in value.items():
            yield from _problems(item, shape.of, f"{path}.{key}")
    elif isinstance(shape, dict):
        if not isinstance(value, Mapping):
            yield path, _unexpected(value, "a mapping")
            return
        for name, inner in shape.items():
            key = name.removesuffix("?")
            here = f"{path}.{key}" if path else key
            if value.get(key) is not None:
                yield from _problems(value[key], inner, here)
            elif key == name:
                yield here, "missing"
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield path, _unexpected(value, "a list")
            return
        for index, item in enumerate(value):
            yield from _problems(item, shape[0], f"{path}[{index}]")
    elif isinstance(shape, frozenset):
        if not isinstance(value, str) or value not in shape:
            yield path, _unexpected(value, f"one of {', '.join(sorted(shape))}")
    elif not isinstance(value, shape) or (isinstance(value, bool) and shape is not bool):
        kinds = shape if isinstance(shape, tuple) else (shape,)
        yield path, _unexpected(value, " or ".join(_NAMES[kind] for kind in kinds))


_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", dict: "a mapping"}


def _unexpected(value: Any, expected: str) -> str:
    shown = repr(value)
    return f"found {shown if len(shown) <= 40 else shown[:37] + '…'}, expected {expected}"
