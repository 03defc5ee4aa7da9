"""Command line, configuration, wiring."""
