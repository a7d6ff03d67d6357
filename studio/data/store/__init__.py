"""The one door to a dataset's folder: manifest, journal, lock, trash, and what models wrote for its clips."""
