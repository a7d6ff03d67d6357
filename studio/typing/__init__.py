"""Typed text as strings: keyboards, typos, habits, edits, scores, and what must come through unchanged."""
