"""Which model puts the times to words: a Whisper that is on this disk already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from studio.errors import ModelError
from studio.models import Recogniser, load
from studio.models.base import Listens
from studio.models.catalogue import catalogue, locate
from studio.models.claims import read_object
from studio.models.encoder_decoder import EncoderDecoder
from studio.runs import listing
from studio.workspace import Workspace

WHISPER = "whisper"
_PREFERRED = ("openai/whisper-base", "openai/whisper-base.en", "openai/whisper-small", "openai/whisper-small.en")
FETCH = "Fetch one once: `studio fetch openai/whisper-base`."


def on_disk(workspace: Workspace) -> list[str]:
    """Every Whisper that can be loaded now, the best first: those of the Hub, then what runs were trained on."""
    published = [card.id for card in catalogue() if card.family == WHISPER and card.state == "on disk"]
    known = sorted(published, key=lambda id: _PREFERRED.index(id) if id in _PREFERRED else len(_PREFERRED))
    return list(dict.fromkeys([*known, *_trained_on(workspace)]))


def find(workspace: Workspace, device: str = "auto", precision: str = "fp32") -> Recogniser | None:
    """The first of `on_disk`, in memory; None where there is none. Raises ModelError, DeviceError."""
    found = on_disk(workspace)
    return load(found[0], device, precision) if found else None


def chosen(source: str, device: str = "auto") -> Recogniser:
    """The model `source`, which must be a Whisper. Raises ModelError, DeviceError."""
    recogniser = load(source, device)
    if not aligns(recogniser):
        raise ModelError(f"{source} does not show when words are said.", f"Choose a Whisper. {FETCH}")
    return recogniser


def for_words_of(recogniser: Recogniser, workspace: Workspace) -> Recogniser:
    """The model that times what `recogniser` wrote: itself, or one on this disk. Raises ModelError where none is."""
    times_itself = aligns(recogniser) or isinstance(recogniser.family, Listens)
    found = recogniser if times_itself else find(workspace, recogniser.device)
    if found is None:
        raise ModelError("Word times need a Whisper on this disk, and there is none.", FETCH)
    return found


def aligns(recogniser: Recogniser) -> bool:
    """Whether `recogniser` shows when words are said."""
    return isinstance(recogniser.family, EncoderDecoder) and recogniser.family.name == WHISPER


def _trained_on(workspace: Workspace) -> Iterator[str]:
    for run in listing.runs(workspace):
        with suppress(ModelError):
            folder = locate(run.model)
            if read_object(folder / "config.json").get("model_type") == WHISPER:
                yield run.model
