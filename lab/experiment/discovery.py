"""Factors whose values are found on disk when the plan is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from lab.config.environment import resolve
from lab.errors import UsageError
from lab.experiment.model import DiscoveredFactor, Experiment, FactorValue


def discover(experiment: Experiment, folder: Path, environ: Mapping[str, str] | None = None) -> Experiment:
    """The experiment with every ``glob`` factor replaced by the values that are there now.

    ``folder`` is where the experiment file lies. Raises :class:`lab.errors.UsageError` if an environment variable is
    not set, the folder is missing, or nothing matches.
    """
    found = {
        name: tuple(
            FactorValue(value=value, label=label) for value, label in labelled(_values(name, factor, folder, environ))
        )
        for name, factor in experiment.factors.items()
        if isinstance(factor, DiscoveredFactor)
    }
    if not found:
        return experiment
    return experiment.model_copy(update={"factors": {**experiment.factors, **found}})


def _values(name: str, factor: DiscoveredFactor, folder: Path, environ: Mapping[str, str] | None) -> list[str]:
    """The folders of the files that match (matching folders themselves), relative, in the order of their names."""
    try:
        root = resolve(factor.glob.folder, folder, environ)
    except UsageError as error:
        raise UsageError(f"factors.{name}: {error.message}", advice=error.advice) from None
    if not root.is_dir():
        raise UsageError(
            f"factors.{name}: there is no folder {root}",
            advice=f"the experiment names it as {factor.glob.folder!r}; is it the right place?",
        )
    try:
        matches = list(root.glob(factor.glob.pattern))
    except (ValueError, NotImplementedError) as error:
        raise UsageError(f"factors.{name}: the pattern {factor.glob.pattern!r} cannot be used: {error}") from None
    if factor.glob.values == "files":
        folders = {match for match in matches if match.is_file()}
    else:
        folders = {match if match.is_dir() else match.parent for match in matches}
    if not folders:
        raise UsageError(
            f"factors.{name}: nothing below {root} matches {factor.glob.pattern!r}",
            advice="look whether the folder holds what the experiment expects",
        )
    return sorted(folder.relative_to(root).as_posix() for folder in folders)


def labelled(folders: Sequence[str]) -> list[tuple[str, str]]:
    """Each folder with a short label: as few parts of its path as tell it from the others, the same for all.

    Parts are counted from the front, as far as the shallowest folder goes; where those do not tell the folders apart,
    they keep their whole paths.
    """
    parts = [folder.split("/") for folder in folders]
    depth = min(map(len, parts))
    for count in range(1, depth + 1):
        choices = [
            [" ".join(item[place] for place in places) for item in parts]
            for places in combinations(range(depth), count)
        ]
        unique = [labels for labels in choices if len(set(labels)) == len(folders)]
        if unique:
            # The shortest texts of those that are unique; the last on a tie, because names get more telling downwards.
            best = min(reversed(unique), key=lambda labels: sum(map(len, labels)))
            return list(zip(folders, best, strict=True))
    return [(folder, folder) for folder in folders]
