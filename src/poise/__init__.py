"""Poise: one Python platform for a crypto trading desk."""

__version__ = "0.1.0"
