"""Datasets from and to other tools: preview, import, export; the formats themselves are in `formats`."""
