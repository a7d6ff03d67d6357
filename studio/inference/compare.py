"""One clip transcribed several times: by the base, with each of several adapters, and with key terms made likelier."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from studio.errors import ConfigError, DataError
from studio.inference.transcribe import clip_or_error, sound_files, with_processor
from studio.models import AdapterHypothesis, Clip, Recogniser, load_to_read, locate
from studio.models.active_adapter import BASE
from studio.models.adapters import add_adapter, find_adapter
from studio.models.key_terms import DEFAULT_BOOST, KeyTerms, key_terms, wanted
from studio.models.multi_adapter import alone, can_mix, check_number, in_rows, names_on
from studio.text import lines_of
from studio.workspace import Workspace, disk_errors, write_atomically


class ComparedClip(BaseModel):
    """One sound file: a transcript without an adapter, then one with each."""

    model_config = ConfigDict(frozen=True)

    audio: str
    reference: str | None = None
    readings: list[AdapterHypothesis] = []
    error: str | None = None  # why it could not be transcribed


class ModelComparison(BaseModel):
    """A list of sound files, with the transcripts side by side."""

    model_config = ConfigDict(frozen=True)

    model: str
    adapters: list[str]  # of the second transcript and those after it
    terms: list[str]
    boost: float  # in logits, for a term's first token
    device: str
    clips: list[ComparedClip]


def transcribe_each(
    recogniser: Recogniser, clip: Clip, adapters: Sequence[str] | None = None, terms: KeyTerms | None = None
) -> list[AdapterHypothesis]:
    """What the base writes for `clip`, then what it writes with each of `adapters`: of peft's names, by default all.

    One set of weights serves all. Where possible they are rows of one batch, which for a base and one adapter takes
    about half as long again as one alone; each latency is then an even share. With `terms` each has a second text,
    with those made likelier. Raises DataError where the clip is too short or too long.
    """
    names = [BASE, *(names_on(recogniser) if adapters is None else adapters)]
    read = recogniser.family.transcribe_with_adapters
    if can_mix(recogniser):
        with in_rows(recogniser, names):
            return read(recogniser.model, recogniser.processor, clip, len(names), terms)
    found = []
    for name in names:
        with alone(recogniser, name):
            found += read(recogniser.model, recogniser.processor, clip, 1, terms)
    return found


def compare_list(
    sources: Path | Sequence[Path],
    *,
    model: str = "starter",
    adapters: Sequence[Path | str] = (),
    terms: Path | None = None,
    boost: float = DEFAULT_BOOST,
    processor: Path | None = None,
    device: str = "auto",
    output: Path | None = None,
    workspace: Workspace | None = None,
) -> dict[str, Any]:
    """Compare transcripts: `sources` as in `transcribe_list`, `adapters` folders or runs, one base for all.

    `terms` is a text file with one key term a line. Returns a `ModelComparison` as JSON, also written to `output`.
    Raises what `transcribe_list` does, and ConfigError for too many adapters or terms, or too high a boost.
    """
    locate(model)
    words = wanted(_lines(terms) if terms else [], boost)
    items = sound_files(sources)
    check_number(adapters)
    folders = [find_adapter(named, workspace or Workspace(Path.cwd())) for named in adapters]
    recogniser = with_processor(load_to_read(model, device), processor)
    for place, folder in enumerate(folders):
        recogniser = add_adapter(recogniser, folder, f"adapter{place}")
    trie = key_terms(recogniser.family, recogniser.processor, words, boost)
    clips = [_heard(recogniser, path, reference, trie) for path, reference in items]
    if all(clip.error for clip in clips):
        raise DataError(str(clips[0].error))
    result = ModelComparison(
        model=model, adapters=[str(folder) for folder in folders], terms=words, boost=boost, device=recogniser.device,
        clips=clips,
    ).model_dump(mode="json")  # fmt: skip
    if output is not None:
        write_atomically(output, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return result


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise ConfigError(f"There is no list of key terms {path}.", "Give a text file with one term a line.")
    with disk_errors(path, "read"):
        return lines_of(path.read_bytes().decode("utf-8-sig", "replace"))


def _heard(recogniser: Recogniser, path: Path, reference: str | None, terms: KeyTerms | None) -> ComparedClip:
    clip = clip_or_error(recogniser.family, path)
    if isinstance(clip, str):
        return ComparedClip(audio=str(path), reference=reference, error=clip)
    return ComparedClip(audio=str(path), reference=reference, readings=transcribe_each(recogniser, clip, terms=terms))
