"""The merged model in PyTorch, in fp32: what every export must equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from studio.models import Clip, Recogniser, load
from studio.models.base import Encodes
from studio.models.encoder_decoder import LEAST_TOKENS, EncoderDecoder
from studio.models.word_times import LearnsFromWordTimes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from studio.models.greedy import Rules

    Given = NDArray[np.float32] | str  # samples at the family's rate, or what was typed

ENCODER = "encoder"
FIRST_LOGITS = "first logits"
LOGITS = "logits"


def clip_of(given: Given) -> Clip:
    """What a model gets of a sound or a typed text."""
    import numpy as np

    return Clip(np.zeros(0, np.float32), typed=given) if isinstance(given, str) else Clip(given)


@dataclass(frozen=True, slots=True)
class Length:
    """How many tokens are written at most."""

    least: int  # however short the sound is
    per_second: float
    most: int  # however long it is

    @classmethod
    def of(cls, family: EncoderDecoder, base: Any) -> Self:
        """What `family` keeps to with the model `base`, of which only the settings are needed."""
        return cls(LEAST_TOKENS, family.tokens_a_second(base), family.room(base))


@dataclass(frozen=True, slots=True)
class Reference:
    """A model folder in PyTorch on the CPU."""

    recogniser: Recogniser
    threads: int  # of PyTorch, and of whatever is compared with it

    @classmethod
    def of(cls, merged: Path) -> Self:
        """The model in the folder `merged`. Raises ModelError."""
        import torch

        return cls(load(merged, "cpu"), torch.get_num_threads())

    def stages(self, given: Given) -> Mapping[str, NDArray[np.float32]]:
        """By name: the encoder's output (frames, width), where the family has one, and the first logits (vocabulary).

        The first logits are those after the prompt, before any token is forbidden. Of a family that writes a stream
        in step with the sound they are the logits of all frames (frames, vocabulary), without the start token's.
        """
        clip, (family, model, processor) = clip_of(given), self._parts
        logits = family.logits(model, processor, clip)
        if isinstance(family, LearnsFromWordTimes):
            return {LOGITS: logits[:, :-1].numpy()}
        first = {FIRST_LOGITS: logits[0].numpy()}
        if not isinstance(family, Encodes):
            return first
        memory = family.features(model, processor, clip)["memory"]  # no adapter reaches the encoder: it is merged
        return {ENCODER: memory.float().numpy()} | first

    def transcribe(self, given: Given) -> str:
        """The text by greedy decoding."""
        family, model, processor = self._parts
        text: str = family.transcribe(model, processor, clip_of(given)).text
        return text

    def written(self, samples: NDArray[np.float32], following: Callable[[Sequence[int]], NDArray[np.float32]]) -> str:
        """The text that a runtime writes for `samples` by the rules and to the length that PyTorch keeps to.

        `following(ids)` gives the logits (vocabulary) after `ids`, which continue those of the calls before: the prompt
        first, then one token at a time. The text ends where the model ends it, or at the limit for so much sound.
        """
        rules, limit = self.rules, self.most_tokens(samples)
        given, ids, forbidden = list(rules.prompt), list[int](), [*rules.never, *rules.never_first]
        while len(ids) < limit:
            logits = following(given).copy()
            logits[forbidden] = -float("inf")
            given, forbidden = [int(logits.argmax())], list(rules.never)
            if given[0] in rules.ends:
                break
            ids += given
        return self.text(ids)

    def text(self, ids: Sequence[int]) -> str:
        """What token `ids` write."""
        written: str = self.recogniser.processor.tokenizer.decode(list(ids), skip_special_tokens=True)
        return written.strip()

    def mel(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the model's feature extractor makes of `samples`: of Whisper (1, mels, 3000), a frame of 30 s."""
        family, _, processor = self._parts
        found = processor.feature_extractor(samples, sampling_rate=family.sample_rate, return_tensors="np")
        features: NDArray[np.float32] = found.input_features
        return features

    @property
    def rules(self) -> Rules:
        """The prompt, the end tokens, and what may not be written."""
        return self._family.rules(self.recogniser.model)

    def most_tokens(self, samples: NDArray[np.float32]) -> int:
        """How many tokens are written at most for `samples`."""
        return self._family.most_tokens(self.recogniser.model, Clip(samples))

    @property
    def length(self) -> Length:
        """How `most_tokens` follows from the seconds of sound."""
        return Length.of(self._family, self.recogniser.model)

    @property
    def _family(self) -> EncoderDecoder:
        assert isinstance(self.recogniser.family, EncoderDecoder)  # what writes tokens one after another
        return self.recogniser.family

    @property
    def _parts(self) -> tuple[Any, Any, Any]:
        return self.recogniser.family, self.recogniser.model, self.recogniser.processor
