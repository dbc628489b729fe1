"""The Nordic Power Profiler Kit II: a current meter, or a source that meters, on a serial line."""
