"""Writing text while sound is still coming in: frame by frame, greedily, with the codec frame by frame too.

Token for token what transformers' `generate(do_sample=False)` writes with `audio_window_size=None` (a test compares
them). Position 0 is given the two start tokens, position p the text and the codes of p - 1; so the token of a frame is
known as soon as the frame before it was heard.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studio.models.key_terms import Match
from studio.models.kyutai.interleaver import Layout
from studio.models.words import Words, spans_of

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


@dataclass(slots=True)
class Written:
    """The text stream of one clip so far: a token for each frame, with its probability."""

    ids: list[int] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)

    def text(self, layout: Layout) -> list[tuple[int, int, float]]:
        """(frame, token, probability) of every token that belongs to a word."""
        found = zip(range(len(self.ids)), self.ids, self.chances, strict=True)
        return [(frame, token, chance) for frame, token, chance in found if layout.is_text(token)]

    def words(self, tokenizer: Any, layout: Layout) -> tuple[Words, list[float]]:
        """Each word with its lowest probability, and the seconds at which each begins.

        The model writes a word `delay` after it has begun, so a start is at most a frame (80 ms) early.
        """
        text = self.text(layout)
        spans = spans_of(tokenizer, [token for _, token, _ in text])
        lowest = [min(chance for _, _, chance in text[first:end]) for _, first, end in spans]
        words = [(word, round(chance, 4)) for (word, _, _), chance in zip(spans, lowest, strict=True)]
        return words, [layout.start(text[first][0]) for _, first, _ in spans]


class Streams:
    """The text streams of one or more clips, which are heard in step. Call it in eval mode without gradients.

    `matches` says, clip by clip, which key terms are made likelier. They are only where the model itself writes a word:
    a key term is never made out of silence.
    """

    def __init__(self, base: Any, layout: Layout, clips: int, matches: Sequence[Match | None] = ()) -> None:
        import torch
        from transformers.cache_utils import DynamicCache

        self._base, self._layout, self._matches = base, layout, matches
        self._cache = DynamicCache(config=base.config)  # keeps as many frames as the model may look back
        self.written = [Written() for _ in range(clips)]
        self.hidden: torch.Tensor = base.lm_head.weight.new_empty(0)  # (clips, width): of the latest frame
        shape = (clips, base.config.num_codebooks)
        self._ids = torch.full((clips,), base.config.bos_token_id, device=base.device)
        self.hear(torch.full(shape, base.config.audio_bos_token_id, device=base.device))

    def hear(self, codes: torch.Tensor) -> None:
        """Take one frame's `codes` (clips, codebooks), and write the token of the frame after it."""
        import torch

        from studio.models.kernels.cache import cache_for

        given = torch.cat([self._ids[:, None], codes], dim=1)[:, None]  # (clips, 1, 1 + codebooks)
        network = self._base.model
        self.hidden = network(input_ids=given, **cache_for(network, self._cache)).last_hidden_state[:, 0]
        logits = self._base.lm_head(self.hidden).float()
        chances = logits.softmax(-1)
        self._ids = self._likelier(logits, chances.argmax(-1))
        for written, token, chance in zip(self.written, self._ids.tolist(), chances, strict=True):
            written.ids.append(token)
            written.chances.append(chance[token].item())

    def keep(self, clip: int) -> None:
        """Go on with one clip alone, as clip 0."""
        import torch

        self._cache.batch_select_indices(torch.tensor([clip], device=self._ids.device))
        self._ids, self.written = self._ids[clip : clip + 1], [self.written[clip]]
        self._matches = self._matches[clip : clip + 1]

    def _likelier(self, logits: torch.Tensor, likeliest: torch.Tensor) -> torch.Tensor:
        """The tokens (clips) that are written: the `likeliest`, or those of a key term."""
        ids = likeliest.clone()
        for row, match in enumerate(self._matches):
            if match is None or not self._layout.is_text(int(likeliest[row])):
                continue
            if bonuses := match.bonuses():
                logits[row, list(bonuses)] += logits.new_tensor(list(bonuses.values()))
                ids[row] = logits[row].argmax()
            match.take(int(ids[row]))
        return ids


class LiveCodes:
    """The codec's codes of sound that comes in bit by bit: those of the whole sound, frame by frame."""

    def __init__(self, codec: Any, frame_size: int, codebooks: int) -> None:
        import numpy as np

        self._codec, self._frame_size, self._codebooks = codec, frame_size, codebooks
        self._caches: dict[str, Any] = {}
        self._rest = np.zeros(0, np.float32)  # samples that were not yet read
        known = inspect.signature(inspect.unwrap(codec.encode)).parameters
        self._cache = "encoder_cache" if "encoder_cache" in known else "encoder_past_key_values"  # before 5.24

    def take(self, samples: NDArray[np.float32]) -> Iterator[torch.Tensor]:
        """The codes (1, codebooks) of each frame that `samples`, with those left over before, make whole.

        Frames that the caller does not ask for are left over too.
        """
        import numpy as np
        import torch

        self._rest = np.concatenate([self._rest, samples]).astype(np.float32)
        while len(self._rest) >= self._frame_size:
            frame, self._rest = torch.from_numpy(self._rest[: self._frame_size]), self._rest[self._frame_size :]
            heard = self._codec.encode(frame[None, None].to(self._codec.device), use_streaming=True, **self._caches)
            self._caches = {self._cache: getattr(heard, self._cache), "padding_cache": heard.padding_cache}
            yield heard.audio_codes[:, : self._codebooks, 0]


def _never() -> bool:
    return False


class Listener:
    """One stream of sound as it comes in, and the text so far, by one or more readers.

    Call it in eval mode without gradients.
    """

    def __init__(self, base: Any, layout: Layout, sample_rate: int, readers: int = 1) -> None:
        import numpy as np

        self._codes = LiveCodes(base.codec_model, base.config.frame_size, base.config.num_codebooks)
        self._layout, self._sample_rate, self._streams = layout, sample_rate, Streams(base, layout, readers)
        self.hear(np.zeros(int(layout.silence_before * sample_rate), np.float32))

    @property
    def written(self) -> Written:
        """By the first reader: a token for each whole frame, and one more."""
        return self._streams.written[0]

    def hear(self, samples: NDArray[np.float32], gives_way: Callable[[], bool] = _never) -> None:
        """Take more of the sound: any number of samples at the family's rate."""
        for codes in self._codes.take(samples):
            self._streams.hear(codes.expand(len(self._streams.written), -1))
            if gives_way():
                return

    def words(self, processor: Any, reader: int) -> tuple[Words, list[float]]:
        """Each word of a reader with its lowest probability, and the seconds at which each begins."""
        return self._streams.written[reader].words(processor.tokenizer, self._layout)

    def keep(self, reader: int) -> None:
        """Go on with one reader alone."""
        self._streams.keep(reader)

    def finish(self) -> Written:
        """The whole text, after the silence in which its last words are written."""
        import numpy as np

        self.hear(np.zeros(int(self._layout.silence_after * self._sample_rate), np.float32))
        self.written.ids.pop()
        self.written.chances.pop()
        return self.written
