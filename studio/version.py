"""The version of this package, for what depends on it: results that are kept, and what a run notes of itself."""

__version__ = "0.1.0"
