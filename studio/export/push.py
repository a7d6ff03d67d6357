"""A run's model for the Hugging Face Hub: what would be sent is shown first; recordings and transcripts never are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studio.config import split_language
from studio.errors import ConfigError, ModelError
from studio.evaluation.verdict import rate
from studio.export.gate import REPORT
from studio.export.merged import NOTE
from studio.export.snippets import adapter_snippet, merged_snippet
from studio.models import hub, typists
from studio.models.adapters import BASE_NOTE, base_note
from studio.models.catalogue import is_hub_id
from studio.models.language import language_of
from studio.progress import OnProgress, unwatched
from studio.reports.result import RunResult, result_of
from studio.runs import listing
from studio.text import counted
from studio.workspace import Workspace

ADAPTER, MERGED = "adapter", "merged"
CARD = "README.md"
_STAYS = frozenset({CARD, NOTE, REPORT, typists.FILE})  # with folders of this computer, or what was said or typed
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class Push:
    """What is to be sent, and where."""

    repository: str  # owner/name
    is_public: bool
    files: Mapping[str, Path | bytes]  # by their names there

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(len(file) if isinstance(file, bytes) else file.stat().st_size for file in self.files.values())

    def as_text(self) -> str:
        """What a person should see before it is sent: the card, the files, and who will be able to read them."""
        card = self.files[CARD]
        assert isinstance(card, bytes)
        readers = "Everybody can read it" if self.is_public else "Only you, and those you invite, can read it"
        names = ", ".join(sorted(self.files))
        return (
            f"{card.decode()}\n---\n{counted(len(self.files), 'file')}, {self.size / 1e6:.1f} MB, to "
            f"{self.repository}: {names}.\n{readers}. Recordings and transcripts stay here."
        )

    def send(self, on_progress: OnProgress = unwatched) -> str:
        """Upload it, and return its address; `on_progress` counts bytes. Raises ModelError, ConfigError (no token)."""
        return hub.upload(self.repository, self.files, self.is_public, on_progress)


def prepare(workspace: Workspace, run: str, repository: str, what: str = ADAPTER, is_public: bool = False) -> Push:
    """What would be sent of the finished run `run`: its adapter, its merged model, or an export of it by its name.

    Raises JobError, ModelError, and ConfigError where `repository` is not owner/name or `what` was not made.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise ConfigError(f"“{repository}” is not the name of a repository.", "Give owner/name, owner being you.")
    folder = listing.existing(workspace, run)
    result = result_of(folder)
    places = {ADAPTER: folder.adapter, MERGED: folder.merged}
    places |= {place.name: place for place in sorted(folder.exports.glob("*")) if (place / REPORT).is_file()}
    made = [name for name, place in places.items() if place.is_dir()]
    if what not in made:
        raise ConfigError(f"“{run}” has no “{what}” to send.", f"Made of it: {', '.join(made)}. Export it first.")
    base = base_note(folder.adapter).get("source", "")
    files: dict[str, Path | bytes] = {
        path.relative_to(places[what]).as_posix(): _without_path(path, base)
        for path in sorted(places[what].rglob("*"))
        if path.is_file() and path.name not in _STAYS
    }
    files[CARD] = _card(result, base, what, places[what], repository).encode()
    return Push(repository, is_public, files)


def _without_path(path: Path, base: str) -> Path | bytes:
    """The file, or, where it names the base model by a folder of this computer, its text with the folder's name."""
    if path.name not in (BASE_NOTE, "adapter_config.json") or is_hub_id(base):
        return path
    return path.read_bytes().replace(json.dumps(base).encode(), json.dumps(Path(base).name).encode())


def _card(result: RunResult, base: str, what: str, folder: Path, repository: str) -> str:
    """Metadata for the Hub, then what a reader should know: no words of a clip, and no path."""
    from huggingface_hub import ModelCardData

    is_typing = result.kind == "typing"
    metadata = ModelCardData(
        base_model=split_language(base)[0] if is_hub_id(base) else None,
        language=language_of(result.model),
        pipeline_tag="text-generation" if is_typing else "automatic-speech-recognition",
        library_name="peft" if what == ADAPTER else "transformers" if what == MERGED else None,
        tags=["speech-studio"],
    ).to_yaml()
    before, after = (rate(each.score, result.unit) for each in (result.before, result.after))
    unit = "Character" if result.unit == "character" else "Word"
    learnt = counted(result.train_clips, "pair" if is_typing else "recording")
    named = base if is_hub_id(base) else Path(base).name
    return (
        f"---\n{metadata}\n---\n\n# {repository.partition('/')[2]}\n\n"
        f"{named}, fine-tuned on {learnt} with Speech Studio.\n\n"
        f"| On {counted(result.clips, f'held-out {result.noun}')} | Before | After |\n| --- | --- | --- |\n"
        f"| {unit} error rate | {before:.1%} | {after:.1%} |\n\n"
        f"{result.verdict.headline}.\n{_usage(folder, what, base, repository)}"
    )


def _usage(folder: Path, what: str, base: str, repository: str) -> str:
    """Python that loads it from the Hub; none for the other exports, whose programs take a folder."""
    if what not in (ADAPTER, MERGED):
        return ""
    try:
        snippet = merged_snippet(Path(repository), folder) if what == MERGED else adapter_snippet(folder)
    except ModelError:  # the base is no longer on this computer
        return ""
    there = {str(folder): repository, base: base if is_hub_id(base) else Path(base).name}
    for here, name in there.items():
        snippet = snippet.replace(repr(here), repr(name))
    return f"\n```python\n{snippet}```\n"
