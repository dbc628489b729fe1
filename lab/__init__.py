"""lab: what a program costs on an embedded board, in joules, seconds and counted events."""

__version__ = "0.1.0"
