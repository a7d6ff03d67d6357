"""A turn as it is spoken: the base and a tuned model read the same sound while it comes in, frame by frame.

Only families that `Listens` can: their words, with the seconds at which they begin, are those that they would write of
the whole turn. Where two readers take longer than the sound lasts, the tuned one continues alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from studio.errors import DataError
from studio.models.base import Listening, Listens, Recogniser
from studio.models.inference_mode import inference_mode
from studio.models.multi_adapter import alone, can_mix, in_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SLOWEST = 0.8  # of real time: above it the text would fall behind
MEASURED = 1.0  # seconds of sound before that is judged


class LiveWords(BaseModel):
    """What one reader has written so far."""

    model_config = ConfigDict(frozen=True)

    reader: int  # its place among those that began
    words: list[tuple[str, float]]  # each word, and the lowest probability of its tokens, 0..1
    starts: list[float]  # seconds of the turn at which each begins


class LiveTurn:
    """One turn, read by the adapters `names` of a recogniser (peft's, or BASE for none)."""

    def __init__(self, turn: str, recogniser: Recogniser, names: Sequence[str], rate: int, *, is_slow: bool = False):
        """`rate` (Hz) is that of the sound. With `is_slow` the last of `names` reads alone. Raises DataError."""
        import soxr

        if not isinstance(recogniser.family, Listens):
            raise DataError(f"{recogniser.source} does not write words during speech.", "Choose a Kyutai model.")
        self.turn, self.recogniser, self.names, self.rate, self.is_slow = turn, recogniser, tuple(names), rate, is_slow
        self.heard = 0  # samples, at `rate`
        self._spent = 0.0  # seconds
        self._resampled = soxr.ResampleStream(rate, recogniser.family.sample_rate, 1, dtype="float32", quality="HQ")
        readers = list(enumerate(names))[-1 if is_slow else 0 :]
        self._groups = [readers] if can_mix(recogniser) else [[reader] for reader in readers]
        self._listeners = [self._listener(group) for group in self._groups]

    def continues(self, turn: str, recogniser: Recogniser, names: Sequence[str], rate: int) -> bool:
        """Whether this is the turn called `turn`, by the same readers."""
        return (turn, tuple(names), rate) == (self.turn, self.names, self.rate) and recogniser is self.recogniser

    def hear(self, samples: NDArray[np.float32], gives_way: Callable[[], bool]) -> None:
        """Take more of the turn. Once `gives_way()` is true, the rest is read with what comes next.

        Raises DataError where the turn is longer than the model takes.
        """
        longest = self.recogniser.family.max_seconds
        if (self.heard + len(samples)) / self.rate > longest:
            raise DataError(
                f"The turn is longer than {longest:g} s, the longest that the model takes.", "Pause sooner."
            )
        self.heard += len(samples)
        began, new = time.perf_counter(), self._resampled.resample_chunk(samples)
        for group, listener in zip(self._groups, self._listeners, strict=True):
            with self._reading(group):
                listener.hear(new, gives_way)
        self._spent += time.perf_counter() - began
        self._keep_pace()

    def words(self) -> list[LiveWords]:
        """What each reader that is still at it has written."""
        found = []
        for group, listener in zip(self._groups, self._listeners, strict=True):
            for row, (place, _) in enumerate(group):
                words, starts = listener.words(self.recogniser.processor, row)
                found.append(LiveWords(reader=place, words=words, starts=starts))
        return found

    def _keep_pace(self) -> None:
        """Leave all but the last reader off where they fall behind."""
        seconds = self.heard / self.rate
        if sum(map(len, self._groups)) < 2 or seconds < MEASURED or self._spent < SLOWEST * seconds:
            return
        self.is_slow = True
        last = self._groups[-1]
        if len(last) > 1:
            self._listeners[-1].keep(len(last) - 1)
        self._groups, self._listeners = [last[-1:]], self._listeners[-1:]

    def _listener(self, group: Sequence[tuple[int, str]]) -> Listening:
        family: Any = self.recogniser.family
        with self._reading(group):
            found: Listening = family.listen(self.recogniser.model, self.recogniser.processor, len(group))
        return found

    def _reading(self, group: Sequence[tuple[int, str]]) -> AbstractContextManager[object]:
        """Within it each row of the network is one of `group`."""
        names, stack = [name for _, name in group], ExitStack()
        stack.enter_context(in_rows(self.recogniser, names) if len(names) > 1 else alone(self.recogniser, names[0]))
        stack.enter_context(inference_mode(self.recogniser.model))
        return stack
