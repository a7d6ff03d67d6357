"""The pause heads of a Kyutai model: how likely it is, at every frame, that the speaker has paused.

Four linear layers on the network's last hidden state, one for each horizon; class 0 of six is “paused for at least so
long” (kyutai-labs/moshi: `LMGen.step_with_extra_heads`). transformers' copy has none: they are read from the Candle
copy next to it, or, where `studio tune-pauses` has trained them, from the adapter's folder. The makers' clients end a
turn where the third passes 0.5 (delayed-streams-modeling, stt-rs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from studio.errors import ConfigError, ModelError
from studio.models.base import Clip, Recogniser
from studio.models.encoder_decoder import base_of
from studio.models.inference_mode import inference_mode
from studio.models.kyutai.candle_folder import candle_copy_of
from studio.models.kyutai.decoding import Streams
from studio.models.kyutai.family import KyutaiSpeechToText
from studio.workspace import write_atomically

if TYPE_CHECKING:
    import torch

HORIZONS = (0.5, 1.0, 2.0, 3.0)  # seconds of pause that each head foretells
USUAL_HEAD, USUAL_THRESHOLD = 2, 0.5
READ_TOGETHER = 8  # clips: beyond it a CPU gains little
PAUSED = 0  # the class
TRAINED = "pause_heads.safetensors"  # in an adapter's folder
_WEIGHT = "weight"  # the tensor in that file


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
class Heard:
    """What the network made of a clip, frame by frame."""

    seconds: list[float]  # of the clip, that were heard at each frame; below 0 in the silence before it
    hidden: torch.Tensor  # (frames, width), fp32
    first_word: float | None  # seconds heard when the model wrote its first word; None where it wrote none


def heard(recogniser: Recogniser, clips: Sequence[Clip], silence: float) -> list[Heard]:
    """Read `clips` in step, each with so many seconds of silence after it, as they come in."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    family, base = recogniser.family, base_of(recogniser.model)
    assert isinstance(family, KyutaiSpeechToText)
    layout, size = family.layout(recogniser.model, recogniser.processor), base.config.frame_size
    before, after = (round(length * family.sample_rate) for length in (layout.silence_before, silence))
    with inference_mode(recogniser.model):
        each = []
        for clip in clips:
            samples = torch.nn.functional.pad(torch.from_numpy(clip.samples), (before, after))
            whole = samples[: len(samples) // size * size].to(base.device)
            each.append(family.codes(recogniser.model, whole[None, None])[0])
        streams, hidden = Streams(base, layout, len(clips)), []
        for codes in pad_sequence(each).unbind():  # what pads comes after a clip's end, and is cut off
            streams.hear(codes)
            hidden.append(streams.hidden.float().cpu())
    found, states = [], torch.stack(hidden, dim=1)
    for codes, written, state in zip(each, streams.written, states, strict=True):
        seconds = [place / layout.frame_rate - layout.silence_before for place in range(1, len(codes) + 1)]
        tokens = zip(seconds, written.ids[1:], strict=False)
        first = next((at for at, token in tokens if layout.is_text(token)), None)
        found.append(Heard(seconds, state[: len(codes)], first))
    return found


def trained_with(adapter: Path) -> torch.Tensor | None:
    """The heads (heads, classes, width) that were trained with the adapter in that folder; None where none were."""
    from safetensors.torch import load_file

    path = adapter / TRAINED
    return load_file(path)[_WEIGHT] if path.is_file() else None


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

    def trained(self, adapter: Path) -> Self:
        """Those that were trained with the adapter in the folder `adapter`; these where none were.

        Raises ModelError where they are of another shape.
        """
        weight = trained_with(adapter)
        if weight is None:
            return self
        if weight.shape != self.weight.shape:
            raise ModelError(f"The pause heads in {adapter / TRAINED} are for another model.", "Train them again.")
        return type(self)(weight)

    def save(self, adapter: Path) -> None:
        """Keep them in the folder `adapter`. Raises DiskError."""
        from safetensors.torch import save

        write_atomically(adapter / TRAINED, save({_WEIGHT: self.weight.contiguous()}))

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(…, heads): log-odds of a pause, from hidden states (…, width)."""
        import torch

        of_classes = torch.einsum("hcw,...w->...hc", self.weight.to(hidden.device), hidden.float())
        return of_classes[..., PAUSED] - of_classes[..., PAUSED + 1 :].logsumexp(-1)

    def tracks(self, recogniser: Recogniser, clips: Sequence[Clip], silence: float) -> list[PauseTrack]:
        """What the heads say while `clips` are read in step, and so many seconds of silence after each."""
        return [
            PauseTrack(found.seconds, self.logits(found.hidden).sigmoid().tolist(), found.first_word)
            for found in heard(recogniser, clips, silence)
        ]
