"""What the market means: live pairs."""
