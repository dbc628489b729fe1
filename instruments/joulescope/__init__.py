"""Real Joulescopes (JS110, JS220, JS320) through the vendor's ``pyjoulescope_driver``."""
