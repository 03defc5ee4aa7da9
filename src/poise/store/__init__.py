"""The shell's memory: journal and tick lake.

Importing this package loads nothing: the core imports the journal modules alone, and only the
edge pays for Arrow.
"""
