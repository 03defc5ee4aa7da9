"""The pure core composed: one event in, outputs out."""
