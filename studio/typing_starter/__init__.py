"""The bundled model that corrects typing: its weights and its card; `studio.typing_starter.recipe` made it."""

from __future__ import annotations

from pathlib import Path

MODEL_FOLDER = Path(__file__).parent / "model"  # loads with plain transformers
HELD_OUT = Path(__file__).parent / "held_out"  # sentences that were never trained on, for choosing and measuring
