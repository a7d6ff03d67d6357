"""Model families, the models they load, and the adapters put on them. Nothing here imports torch until it is needed."""

from __future__ import annotations

from studio.models.base import AdapterHypothesis, Clip, Family, Hypothesis, Recogniser
from studio.models.catalogue import ModelCard, catalogue, locate
from studio.models.device import is_cpu_build, pick_device
from studio.models.hub import fetch
from studio.models.registry import family_named, load, load_to_read, load_to_trace

__all__ = [
    "AdapterHypothesis",
    "Clip",
    "Family",
    "Hypothesis",
    "ModelCard",
    "Recogniser",
    "catalogue",
    "family_named",
    "fetch",
    "is_cpu_build",
    "load",
    "load_to_read",
    "load_to_trace",
    "locate",
    "pick_device",
]
