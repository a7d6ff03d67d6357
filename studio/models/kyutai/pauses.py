"""The pause heads of a Kyutai model: how likely it is, at every frame, that the speaker has paused.

Four linear layers on the network's last hidden state, one for each horizon; class 0 of six is “paused for at least so
long” (kyutai-labs/moshi: `LMGen.step_with_extra_heads`). transformers' copy has none: they are read from the Candle
copy next to it. The makers' clients end a turn where the third passes 0.5 (delayed-streams-modeling, stt-rs).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from studio.errors import ConfigError, ModelError
from studio.models.base import Clip, Recogniser
from studio.models.encoder_decoder import base_of
from studio.models.inference_mode import inference_mode
from studio.models.kyutai.candle_folder import candle_copy_of
from studio.models.kyutai.decoding import Streams
from studio.models.kyutai.family import KyutaiSpeechToText

if TYPE_CHECKING:
    import torch

HORIZONS = (0.5, 1.0, 2.0, 3.0)  # seconds of pause that each head foretells
USUAL_HEAD, USUAL_THRESHOLD = 2, 0.5
_PAUSED = 0  # the class


@dataclass(frozen=True, slots=True)
class PauseTrack:
    """What the heads said while a clip was heard."""

    seconds: list[float]  # of the clip, that were heard at each frame
    chances: list[list[float]]  # of each frame, one for each head, 0..1
    first_word: float | None  # seconds heard when the model wrote its first word; None where it wrote none

    def ended(self, head: int, threshold: float) -> float | None:
        """When a client would have ended the turn: a word has come in, and the head passes the threshold."""
        if self.first_word is None:
            return None
        frames = zip(self.seconds, self.chances, strict=True)
        return next((at for at, heads in frames if at >= self.first_word and heads[head] >= threshold), None)


@dataclass(frozen=True, slots=True)
class PauseHeads:
    """The heads of one checkpoint."""

    weight: torch.Tensor  # (heads, classes, width), fp32

    @classmethod
    def of(cls, recogniser: Recogniser) -> Self:
        """Those of the base model. Raises ModelError where there are none, and says why."""
        import torch

        if not isinstance(recogniser.family, KyutaiSpeechToText):
            raise ModelError(f"{recogniser.source} has no pause heads.", "Only Kyutai's models have them.")
        candle = candle_copy_of(recogniser.source)
        heads = candle.pause_heads()
        if not heads:
            raise ModelError(
                f"Pauses are unavailable: the checkpoint in {candle.folder} has no pause heads (extra_heads.*).",
                "Choose a model that has them, such as kyutai/stt-1b-en_fr.",
            )
        weight, width = torch.stack(list(heads.values())), base_of(recogniser.model).config.hidden_size
        if weight.shape[-1] != width:
            raise ModelError(
                f"The pause heads in {candle.folder} are for a network of width {weight.shape[-1]}, not {width}.",
                "Fetch the Candle copy of the same model.",
            )
        return cls(weight)

    def name(self, head: int) -> str:
        """What the pause head `head` is called. Raises ConfigError where there is none of that number."""
        if not 0 <= head < len(self.weight):
            raise ConfigError(
                f"There is no pause head {head}: this model has {len(self.weight)}.",
                f"Choose 0 to {len(self.weight) - 1}, for pauses of {', '.join(f'{each:g}' for each in HORIZONS)} s.",
            )
        return f"the pause head for {HORIZONS[head]:g} s" if head < len(HORIZONS) else f"pause head {head}"

    def chances(self, hidden: torch.Tensor) -> torch.Tensor:
        """(…, heads): the probability of a pause, from hidden states (…, width)."""
        import torch

        logits = torch.einsum("hcw,...w->...hc", self.weight.to(hidden.device), hidden.float())
        return logits.softmax(-1)[..., _PAUSED]

    def track(self, recogniser: Recogniser, clip: Clip, silence: float) -> PauseTrack:
        """What the heads say while `clip` is heard, and so many seconds of silence after it."""
        import torch

        family, base = recogniser.family, base_of(recogniser.model)
        assert isinstance(family, KyutaiSpeechToText)
        layout, size = family.layout(recogniser.model, recogniser.processor), base.config.frame_size
        before, after = (round(length * family.sample_rate) for length in (layout.silence_before, silence))
        samples = torch.nn.functional.pad(torch.from_numpy(clip.samples), (before, after))
        whole = samples[: len(samples) // size * size].to(base.device)
        seconds, chances, first = list[float](), list[list[float]](), None
        with inference_mode(recogniser.model):
            streams = Streams(base, layout, 1)
            for place, codes in enumerate(family.codes(recogniser.model, whole[None, None])[0], start=1):
                streams.hear(codes[None])
                seconds.append(place / layout.frame_rate - layout.silence_before)
                chances.append(self.chances(streams.hidden)[0].tolist())
                if first is None and layout.is_text(streams.written[0].ids[-1]):
                    first = seconds[-1]
        return PauseTrack(seconds, chances, first)
