"""What a model family must give, and the types that pass between families and the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from studio.config import Kind, TrainConfig

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from studio.models.key_terms import KeyTerms

    Batch = dict[str, torch.Tensor]
    Row = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance or one typing pair in memory."""

    samples: NDArray[np.float32]  # mono, -1..1, at the family's sample rate; empty for a typing pair
    text: str = ""  # the reference: what was said, or what was meant; empty where there is none
    id: str = ""
    words: Sequence[tuple[str, tuple[float, float]]] | None = None  # of the reference: word, (start, end) in seconds
    typed: str = ""  # what was typed: a typing family reads this in place of the samples


class Hypothesis(BaseModel):
    """What a model wrote for one clip."""

    model_config = ConfigDict(frozen=True)

    text: str
    seconds: float  # of audio
    latency: float  # seconds from samples to text; of a batch, its time shared out evenly
    confidence: float | None = None  # mean token probability, 0..1
    words: list[tuple[str, float]] | None = None  # each word, and the lowest probability of its tokens, 0..1
    starts: list[float] | None = None  # seconds at which each of `words` begins, by a family that writes in step
    is_cut: bool = False  # of a typing model: it did not end by itself, and what is here is its beginning


class AdapterHypothesis(BaseModel):
    """One clip, transcribed by the base or with one adapter."""

    model_config = ConfigDict(frozen=True)

    plain: Hypothesis
    biased: Hypothesis | None = None  # with key terms made likelier; its confidence is the model's own, without them


USUAL_TARGETS: str = TrainConfig.model_fields["targets"].default


class Family(Protocol):
    """One architecture: how it is loaded, adapted, trained and run. Found by its `model_type`."""

    name: str  # transformers' `model_type`
    kind: Kind  # whether it reads `Clip.samples` or `Clip.typed`
    sample_rate: int  # Hz
    min_seconds: float  # the shortest clip the network can take
    max_seconds: float  # the longest clip it takes whole
    lora_targets: Mapping[str, str]  # preset -> regex over module names
    below_adapters: str  # regex over the modules that `prepare` computes: an adapter there is refused
    targets_on_cpu: str  # the preset of targets to start from where there is no GPU

    def load(self, folder: Path, device: str, dtype: torch.dtype, language: str = "") -> tuple[torch.nn.Module, Any]:
        """The model in eval mode and its processor, from a local folder; it transcribes `language`, or its own.

        Raises ModelError, also where it does not know the language.
        """
        ...

    def load_processor(self, folder: Path) -> Any:
        """The processor in `folder`, which need not hold weights. Raises ModelError."""
        ...

    def save(self, model: torch.nn.Module, processor: Any, folder: Path) -> None:
        """Write `model` (without adapters) and `processor` into `folder`, so that `load` takes it."""
        ...

    def save_processor(self, processor: Any, folder: Path) -> None:
        """Write `processor` alone into `folder`, so that `load_processor` takes it."""
        ...

    def check_text(self, model: torch.nn.Module, processor: Any, text: str) -> None:
        """Raise DataError where `text` is longer than the model can write."""
        ...

    def prepare(self, model: torch.nn.Module, processor: Any, clip: Clip) -> Row:
        """What is computed once per clip and kept on the CPU: features below every adapter, and labels.

        Raises DataError where the clip is too short or too long.
        """
        ...

    def collate(self, rows: Sequence[Row]) -> Batch:
        """Rows as one padded batch; the family owns every pad id. A row's loss does not depend on its neighbours."""
        ...

    def loss(self, model: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """(summed negative log-likelihood in nats, number of tokens): accumulation is exact whatever the lengths.

        Moves `batch` to the model's device.
        """
        ...

    def logits(self, model: torch.nn.Module, processor: Any, clip: Clip) -> torch.Tensor:
        """(tokens, vocabulary) in fp32, without gradients, for the labels of `clip.text` and its end.

        What an export or a merge must reproduce. Raises DataError where the clip is too short or too long.
        """
        ...

    def transcribe(
        self,
        model: torch.nn.Module,
        processor: Any,
        clip: Clip,
        on_partial: Callable[[str], None] | None = None,
        draft: str = "",
    ) -> Hypothesis:
        """Read one clip, greedily, in eval mode whatever the model's mode. `on_partial` gets the text so far.

        `draft`, what was read when the clip was shorter, changes no text; the more of it holds, the less time it takes.
        Raises DataError where the clip is too short or too long.
        """
        ...

    def transcribe_batch(self, model: torch.nn.Module, processor: Any, clips: Sequence[Clip]) -> list[Hypothesis]:
        """Read several clips at once, faster: the same texts as one by one."""
        ...

    def transcribe_with_adapters(
        self, model: torch.nn.Module, processor: Any, clip: Clip, readers: int = 1, terms: KeyTerms | None = None
    ) -> list[AdapterHypothesis]:
        """Read one clip once for each of `readers` in one batch, whose rows the model's layers may treat differently.

        With `terms` each reads it a second time with those made likelier, in the row after its first. Raises DataError
        where the clip is too short or too long.
        """
        ...

    def spellings(self, processor: Any, text: str) -> list[list[int]]:
        """The token ids that may write `text`, at the start of a sentence and within one."""
        ...


@runtime_checkable
class Encodes(Protocol):
    """A family whose `prepare` is expensive: features of the sound, which can be cached on disk, and cheap labels."""

    def labels(self, model: torch.nn.Module, processor: Any, clip: Clip) -> Row:
        """The part of a row that depends on `clip.text`. Raises DataError where the text is too long."""
        ...

    def features(self, model: torch.nn.Module, processor: Any, clip: Clip) -> Row:
        """The part that depends on the samples and the `frozen_part` alone. Raises DataError as `prepare` does."""
        ...

    def transcribe_features(
        self, model: torch.nn.Module, processor: Any, clips: Sequence[Clip], features: Sequence[Row]
    ) -> list[Hypothesis]:
        """As `transcribe_batch`, from what `features` made of each of the `clips`; its time is not in the latencies."""
        ...

    def frozen_part(self, model: torch.nn.Module, processor: Any) -> str:
        """A hash of all weights and settings that `features` depends on."""
        ...


@runtime_checkable
class Guards(Protocol):
    """A family whose answers may change what must come through unchanged: such changes are taken back."""

    def guarded(self, model: torch.nn.Module, clip: Clip, found: Hypothesis) -> Hypothesis:
        """`found`, an answer to `clip`, as a person gets it."""
        ...


class Listening(Protocol):
    """One stream of sound as it comes in, and what one or more readers have written of it so far."""

    def hear(self, samples: NDArray[np.float32], gives_way: Callable[[], bool] = ...) -> None:
        """Take more of the sound: any number of samples at the family's rate. Call it without gradients.

        Once `gives_way()` is true, what was not yet read waits for the next call.
        """
        ...

    def words(self, processor: Any, reader: int) -> tuple[list[tuple[str, float]], list[float]]:
        """The `words` of a reader and their `starts`, as in `Hypothesis`."""
        ...

    def keep(self, reader: int) -> None:
        """Go on with one reader alone, as reader 0."""
        ...


@runtime_checkable
class Listens(Protocol):
    """A family that writes while it hears, frame by frame, what it would write of the whole sound."""

    def listen(self, model: torch.nn.Module, processor: Any, readers: int = 1) -> Listening:
        """What hears sound as it comes in; each of `readers` is a row, as in `transcribe_with_adapters`.

        The model has to be in eval mode. Call it without gradients.
        """
        ...


@dataclass(frozen=True, slots=True)
class Recogniser:
    """A base model in memory, perhaps with an adapter on it."""

    family: Family
    model: Any  # torch.nn.Module or peft.PeftModel
    processor: Any
    source: str  # what the person asked for: "starter", a Hub id, a folder
    folder: Path  # where the base model's files lie
    device: str  # "cpu", "mps", "cuda:0"
    precision: str  # "fp32", "mixed", "bf16" or "fp16"; an adapter is fp32 always
