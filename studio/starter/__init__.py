"""The bundled starter model: its weights, its card, its small world; `studio.starter.recipe.build` made it."""

from __future__ import annotations

from pathlib import Path

MODEL_FOLDER = Path(__file__).parent / "model"  # loads with plain transformers, like UsefulSensors/moonshine-tiny
GENERAL_FOLDER = Path(__file__).parent / "general"  # clips of voices the starter knows: the forgetting check
UNHEARD_FOLDER = Path(__file__).parent / "unheard"  # for the demo without a synthesiser: a voice it never trained on
