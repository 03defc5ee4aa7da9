"""State built from events: continuity and healing, books, bars, windows."""
