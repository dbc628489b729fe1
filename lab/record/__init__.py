"""The ground floor: the record a campaign leaves, its documents, its raw traces, and how to read them again.

Nothing here imports from the upper floors.
"""
