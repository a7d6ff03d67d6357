"""Typing pairs as other programs keep them: JSONL, TSV, CSV and Parquet; read and written a row at a time."""
