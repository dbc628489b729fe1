"""A simulated i.MX 8M Plus: a model of its time, power and counters behind the interface of a real board."""
