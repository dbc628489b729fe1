"""Simulated instruments: models of ours, whose every value is stamped ``simulated``."""
