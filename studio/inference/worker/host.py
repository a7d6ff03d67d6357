"""What the far end keeps between requests: one set of weights, and the adapters on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import CancelledError

if TYPE_CHECKING:
    from studio.inference.live import LiveTurn
    from studio.models.base import Clip, Hypothesis, Recogniser

_SMALL = 10_000_000  # parameters: on 2 busy cores the starter (1.8 M) took 0.5 s with one thread, 4.0 s with two
_Written = tuple[Path, int]
"""An adapter's folder, and when it was written: a resumed run replaces it."""


class ModelHost:
    """The one set of weights in memory, and the adapters on it: those last asked for, as many as are used at once."""

    def __init__(self, is_wanted: Callable[[], bool] = lambda: False) -> None:
        self._is_wanted = is_wanted  # whether a request is waiting: a partial text is then given up
        self._recogniser: Recogniser | None = None
        self._adapters: dict[_Written, str] = {}  # to peft's names; the one used last comes last
        self._loaded = 0  # adapters so far: a name is never used twice
        self._draft = ""  # the last partial text
        self._turn: LiveTurn | None = None  # that is being spoken, or was last
        self._threads = 0  # that torch would use by itself; 0 before the first model

    def prepare(self, model: str, adapters: Sequence[str]) -> None:
        """Load, and transcribe a second of silence or correct a letter: the first call in a process is the slowest."""
        import numpy as np

        from studio.audio import resample
        from studio.inference.compare import transcribe_each
        from studio.models.base import Clip

        is_warm = self._recogniser is not None
        recogniser, names = self._ready(model, adapters)
        if not is_warm:
            is_typing = recogniser.family.kind == "typing"
            silence = resample(np.zeros(48_000, np.float32), 48_000, recogniser.family.sample_rate)
            transcribe_each(recogniser, Clip(silence[:0], typed="a") if is_typing else Clip(silence), names)

    def transcribe(self, model: str, adapters: Sequence[str], audio: str) -> dict[str, Any]:
        """What the model writes, with the one adapter, or without where none is asked for."""
        recogniser, names = self._ready(model, adapters)
        return _read(recogniser, names, audio).model_dump()

    def partial(self, model: str, adapters: Sequence[str], audio: str) -> dict[str, Any]:
        """As `transcribe`, with the last partial text as a draft of this one, and in short frames where there are some.

        Raises CancelledError where another request is waiting.
        """
        from studio.models.frames import with_short_frames

        recogniser, names = self._ready(model, adapters)
        read = _read(with_short_frames(recogniser), names, audio, self._draft, self._give_way)
        self._draft = read.text
        return read.model_dump()

    def _give_way(self, written: str) -> None:
        """Called after each token of a partial text."""
        if self._is_wanted():
            raise CancelledError("The partial text was given up: the whole one is wanted.")

    def listen(self, model: str, adapters: Sequence[str], audio: str, turn: str, at: int) -> dict[str, Any]:
        """More of the turn called `turn`, from its sample `at` on: the words of the base, then with each adapter.

        `heard` says how many samples are known: where these are others than `at`, nothing was taken, and what comes
        next must begin there. A turn begins at 0.
        """
        from studio.audio import read
        from studio.inference.live import LiveTurn
        from studio.models.active_adapter import BASE

        recogniser, names = self._ready(model, adapters)
        names, wave = [BASE, *names], read(Path(audio))
        live = self._turn
        if live is None or not live.continues(turn, recogniser, names, wave.sample_rate):
            if at:
                return {"heard": 0, "readers": []}
            is_slow = bool(live and live.is_slow and live.recogniser is recogniser and live.names == tuple(names))
            live = self._turn = LiveTurn(turn, recogniser, names, wave.sample_rate, is_slow=is_slow)
        if live.heard == at:
            live.hear(wave.samples, self._is_wanted)
        return {"heard": live.heard, "readers": [words.model_dump() for words in live.words()]}

    def transcribe_each(
        self,
        model: str,
        adapters: Sequence[str],
        audio: str,
        terms: Sequence[str],
        boost: float,
        strength: float = 1.0,
        *,
        short_frames: bool = False,
    ) -> list[dict[str, Any]]:
        """What the base writes, then what it writes with each adapter, each without and with key terms."""
        from studio.inference.compare import transcribe_each
        from studio.models.frames import with_short_frames
        from studio.models.key_terms import key_terms
        from studio.models.strength import scaled

        recogniser, names = self._ready(model, adapters)
        if short_frames:
            recogniser = with_short_frames(recogniser)
        trie = key_terms(recogniser.family, recogniser.processor, terms, boost)
        with scaled(recogniser, strength):
            found = transcribe_each(recogniser, _clip(recogniser, audio), names, trie)
        return [hypothesis.model_dump() for hypothesis in found]

    def pauses(self, model: str, adapters: Sequence[str], audio: str) -> list[dict[str, Any]]:
        """What the pause heads say without an adapter, then with each; a run's own heads where they were trained."""
        from dataclasses import asdict

        from studio.models.active_adapter import BASE
        from studio.models.kyutai.pauses import PauseHeads
        from studio.models.multi_adapter import alone

        recogniser, names = self._ready(model, adapters)
        clip, base = _clip(recogniser, audio), PauseHeads.of(recogniser)
        heads = [base, *(base.trained(Path(adapter)) for adapter in adapters)]
        found = []
        for name, each in zip((BASE, *names), heads, strict=True):
            with alone(recogniser, name):
                found += each.tracks(recogniser, [clip], 0.0)
        return [asdict(track) for track in found]

    def correct_each(self, model: str, adapters: Sequence[str], typed: str) -> list[dict[str, Any]]:
        """What a typing model makes of `typed` without an adapter, then with each adapter: as `studio mend` does."""
        from studio.inference.mend import mend
        from studio.models.active_adapter import BASE
        from studio.models.base import Hypothesis
        from studio.models.multi_adapter import alone

        recogniser, names = self._ready(model, adapters)
        found = []
        for name in (BASE, *names):
            with alone(recogniser, name):
                mended = mend(recogniser, typed)
            found.append(Hypothesis(text=mended.text, seconds=0.0, latency=mended.latency).model_dump())
        return found

    def _ready(self, model: str, adapters: Sequence[str]) -> tuple[Recogniser, list[str]]:
        """The recogniser of `model` and the names of `adapters` on it; only what differs from last time is loaded."""
        from studio import models
        from studio.models.multi_adapter import check_number

        check_number(adapters)
        if self._recogniser is None or self._recogniser.source != model:
            self._forget()  # the old weights go before the new ones come
            self._recogniser = models.load_to_read(model, at_once=True)
            self._use_threads(self._recogniser)
        wanted = [_written(Path(adapter)) for adapter in adapters]
        for adapter in wanted:
            self._adapters[adapter] = self._adapters.pop(adapter, "") or self._load(self._recogniser, adapter)
        if wanted:
            self._drop_others(self._recogniser, wanted)
        return self._recogniser, [self._adapters[adapter] for adapter in wanted]

    def _use_threads(self, recogniser: Recogniser) -> None:
        """One thread for a model so small that several would mostly wait for each other."""
        import torch

        self._threads = self._threads or torch.get_num_threads()
        is_small = sum(parameter.numel() for parameter in recogniser.model.parameters()) < _SMALL
        torch.set_num_threads(1 if is_small else self._threads)

    def _load(self, recogniser: Recogniser, adapter: _Written) -> str:
        """Add `adapter` to the others. If that fails, all are dropped: half an adapter is never kept."""
        from studio.models.adapters import add_adapter

        self._loaded += 1
        name = f"adapter{self._loaded}"
        try:
            self._recogniser = add_adapter(recogniser, adapter[0], name)
        except BaseException:
            self._forget()
            raise
        return name

    def _drop_others(self, recogniser: Recogniser, wanted: Sequence[_Written]) -> None:
        """Take off what was written anew since, and what was asked for longest ago where there are too many."""
        from studio.models.multi_adapter import MOST_ADAPTERS

        others = [adapter for adapter in self._adapters if adapter not in wanted]
        stale = [other for other in others if other[0] in {path for path, _ in wanted}]
        fresh = [other for other in others if other not in stale]
        room = MOST_ADAPTERS - len(set(wanted))
        for adapter in stale + fresh[: max(0, len(fresh) - room)]:
            recogniser.model.set_adapter(self._adapters[wanted[0]])  # peft warns where it takes off the active one
            recogniser.model.delete_adapter(self._adapters.pop(adapter))

    def _forget(self) -> None:
        self._recogniser, self._adapters, self._turn = None, {}, None


def _written(adapter: Path) -> _Written:
    try:
        return adapter, (adapter / "adapter_model.safetensors").stat().st_mtime_ns
    except FileNotFoundError:
        return adapter, 0  # loading it will say what is missing


def _read(
    recogniser: Recogniser,
    names: Sequence[str],
    audio: str,
    draft: str = "",
    on_partial: Callable[[str], None] | None = None,
) -> Hypothesis:
    """What is written with the adapters `names`, or without where there are none."""
    from studio.models.active_adapter import BASE
    from studio.models.multi_adapter import alone

    clip = _clip(recogniser, audio)
    with alone(recogniser, *(names or [BASE])):
        return recogniser.family.transcribe(recogniser.model, recogniser.processor, clip, on_partial, draft)


def _clip(recogniser: Recogniser, audio: str) -> Clip:
    from studio.audio import read
    from studio.models.base import Clip

    return Clip(read(Path(audio), recogniser.family.sample_rate).samples)
