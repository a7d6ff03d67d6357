"""A run as other programs load it."""
