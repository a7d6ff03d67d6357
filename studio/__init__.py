"""A studio for speech recognition: record, label, fine-tune, compare. Everything stays on this machine."""

from __future__ import annotations

__version__ = "0.1.0"
