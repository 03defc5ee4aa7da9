"""Connections to venues: what to do next is pure (`feed`), doing it is `driver` or `virtual`."""
