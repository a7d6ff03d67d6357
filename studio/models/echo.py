"""The fake family: a real, tiny network that transcribes tones. It lets every test of the machinery run in a second.

Its speech is one tone of 50 ms a character (`speak`), and a digit sounds the same whether it is written `4` or `four`.
The base writes digits; an adapter can teach it words, as one would teach a real model. Its weights follow from its
shape, so the base needs no file of weights; a merged one brings its own.
"""

from __future__ import annotations

import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from studio.config import Kind
from studio.errors import ModelError
from studio.models.base import USUAL_TARGETS, AdapterHypothesis, Clip, Hypothesis
from studio.models.inference_mode import inference_mode
from studio.models.limits import check_length
from studio.text import DIGIT_NAMES

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from studio.models.base import Batch, Row
    from studio.models.key_terms import KeyTerms

WEIGHTS = "model.safetensors"
SAMPLE_RATE = 16_000  # Hz
FRAME = 800  # samples: 50 ms, a whole number of periods of every tone
SOUNDS = " abcdefghijklmnopqrstuvwxyz0123456789'.,?!-"
PIECES = ("", *SOUNDS, *DIGIT_NAMES)  # what one frame can be written as; "" for silence
_LOWEST, _STEP = 300, 100  # Hz
_HABITS = 4  # hidden dimensions that the base leaves at 0: an adapter raises them to write digits as words
_CERTAINTY = 8.0  # logit of the right piece
_RELUCTANCE = 0.4  # share of it that a digit's name lacks against the digit
_DIGIT_NAME = "|".join(DIGIT_NAMES)
_PIECE = re.compile(rf"\b({_DIGIT_NAME})\b(?: (?=(?:{_DIGIT_NAME})\b))?|(.)", re.DOTALL)


def speak(text: str) -> NDArray[np.float32]:
    """`text` as sound for Echo: mono, 16 kHz, one tone of 50 ms a character, one for a digit however it is written."""
    import numpy as np

    sounds = re.sub(r"(?<=[0-9]) (?=[0-9])", "", "".join(_sound(piece) for piece in _split(text)))
    seconds = np.arange(FRAME) / SAMPLE_RATE
    tones = [np.sin(2 * np.pi * (_LOWEST + _STEP * SOUNDS.index(sound)) * seconds) for sound in sounds]
    return (0.3 * np.concatenate(tones or [np.zeros(FRAME)])).astype(np.float32)


def _split(text: str) -> list[str]:
    """`text` as pieces: digit names, which swallow the space before another one, and single characters."""
    return [match[1] or match[2] for match in _PIECE.finditer(" ".join(text.lower().split()))]


def _sound(piece: str) -> str:
    """The character whose tone a piece has; what Echo cannot say sounds like a space."""
    if piece in DIGIT_NAMES:
        return str(DIGIT_NAMES.index(piece))
    return piece if piece in SOUNDS else " "


def _network() -> torch.nn.Sequential:
    """(batch, frames, sounds + 1) to logits (batch, frames, pieces): each sound is scored as its character."""
    import torch

    features, width = len(SOUNDS) + 1, len(SOUNDS) + 1 + _HABITS
    q_proj = torch.nn.Linear(features, width, bias=False)
    v_proj = torch.nn.Linear(width, width, bias=False)
    proj_out = torch.nn.Linear(width, len(PIECES), bias=False)
    with torch.no_grad():
        torch.nn.init.eye_(q_proj.weight)
        torch.nn.init.eye_(v_proj.weight)
        proj_out.weight.copy_(_read_out(width))
    return torch.nn.Sequential(OrderedDict(q_proj=q_proj, v_proj=v_proj, proj_out=proj_out))


def _read_out(width: int) -> torch.Tensor:
    """A digit is a little less likely as its name than as itself; more so the higher the habits are."""
    import torch

    weight = torch.zeros(len(PIECES), width)
    weight[0, len(SOUNDS)] = _CERTAINTY / 2  # the constant feature: silence, unless a tone says otherwise
    for column, sound in enumerate(SOUNDS):
        weight[PIECES.index(sound), column] = _CERTAINTY
    for digit, name in enumerate(DIGIT_NAMES):
        weight[PIECES.index(name), SOUNDS.index(str(digit))] = _CERTAINTY * (1 - _RELUCTANCE)
        weight[PIECES.index(name), -_HABITS:] = _CERTAINTY
    return weight


def _logits(model: torch.nn.Module, features: torch.Tensor) -> torch.Tensor:
    """(batch, frames, pieces) in fp32, of features on any device."""
    parameter = next(model.parameters())
    logits: torch.Tensor = model(features.to(parameter.device, parameter.dtype)).float()
    return logits


def _words(ids: Sequence[int], chances: Sequence[float]) -> list[tuple[str, float]]:
    """Each word, and the lowest probability of its pieces."""
    words: list[tuple[str, float]] = []
    is_going_on = False
    for piece, chance in zip((PIECES[place] for place in ids), chances, strict=True):
        is_name = piece in DIGIT_NAMES
        if piece.strip() and is_going_on and not is_name:
            words[-1] = (words[-1][0] + piece, min(words[-1][1], round(chance, 4)))
        elif piece.strip():
            words.append((piece, round(chance, 4)))
        is_going_on = not is_name and (is_going_on if piece == "" else piece != " ")
    return words


def _biased(logits: torch.Tensor, terms: KeyTerms) -> list[int]:
    """The likeliest piece of every frame, of (frames, pieces), with key terms made likelier."""
    match, ids = terms.begin(), []
    for frame in logits.clone():
        for piece, bonus in match.bonuses().items():
            frame[piece] += bonus
        ids.append(int(frame.argmax()))
        match.take(ids[-1])
    return ids


class EchoProcessor:
    """Between samples or text and what the network takes."""

    def features(self, samples: NDArray[np.float32]) -> torch.Tensor:
        """How much of each tone each frame holds: (frames, sounds + 1); the last column is 1 everywhere."""
        import numpy as np
        import torch

        frames = np.pad(samples, (0, -len(samples) % FRAME)).reshape(-1, FRAME)
        hertz = _LOWEST + _STEP * np.arange(len(SOUNDS))
        strength = np.abs(np.fft.rfft(frames, axis=1))[:, hertz * FRAME // SAMPLE_RATE]
        share = strength / np.maximum(strength.max(axis=1, keepdims=True), FRAME * 1e-3)  # silence stays silent
        return torch.from_numpy(np.pad(share, ((0, 0), (0, 1)), constant_values=1.0).astype(np.float32))

    def labels(self, text: str, frames: int) -> torch.Tensor:
        """The piece that each of `frames` should be written as; silence after the text."""
        import torch

        ids = [PIECES.index(piece) if piece in PIECES else 0 for piece in _split(text)][:frames]
        return torch.tensor(ids + [0] * (frames - len(ids)))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a list of pieces, single-spaced."""
        pieces = (PIECES[place] for place in ids)
        return " ".join("".join(f" {piece} " if piece in DIGIT_NAMES else piece for piece in pieces).split())

    def save_pretrained(self, folder: str | Path) -> None:
        """Write what the processor knows: its pieces."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "processor_config.json").write_text(json.dumps({"pieces": PIECES}))


class Echo:
    """The family of the fake."""

    name = "echo"
    kind: Kind = "speech"
    sample_rate = SAMPLE_RATE
    min_seconds = 0.02
    max_seconds = 30.0
    lora_targets: Mapping[str, str] = MappingProxyType(
        dict.fromkeys(("conventions", "voice", "deep", "full"), "[qv]_proj")
    )
    targets_on_cpu = USUAL_TARGETS
    below_adapters = r"(?!)"  # none: features have no weights

    def load(self, folder: Path, device: str, dtype: torch.dtype, language: str = "") -> tuple[torch.nn.Module, Any]:
        """The network with the folder's weights, or with those that follow from its shape."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        network = _network()
        if (weights := folder / WEIGHTS).is_file():
            try:
                network.load_state_dict(load_file(weights))
            except (SafetensorError, RuntimeError) as error:
                raise ModelError(f"{weights} is not whole.", "Merge the adapter again.") from error
        return network.to(device, dtype).eval(), self.load_processor(folder)

    def save(self, model: torch.nn.Module, processor: Any, folder: Path) -> None:
        """Write config.json and model.safetensors, as transformers does."""
        from safetensors.torch import save_file

        (folder / "config.json").write_text(json.dumps({"model_type": self.name}) + "\n")
        save_file(dict(model.state_dict()), folder / WEIGHTS)
        self.save_processor(processor, folder)

    def save_processor(self, processor: Any, folder: Path) -> None:
        """Write the pieces."""
        processor.save_pretrained(folder)

    def load_processor(self, folder: Path) -> Any:
        """The one processor there is."""
        return EchoProcessor()

    def check_text(self, model: torch.nn.Module, processor: Any, text: str) -> None:
        """It writes any text."""

    def prepare(self, model: torch.nn.Module, processor: Any, clip: Clip) -> Row:
        """Features (frames, sounds + 1) and labels (frames)."""
        check_length(self, clip)
        features = processor.features(clip.samples)
        return {"features": features, "labels": processor.labels(clip.text, len(features))}

    def collate(self, rows: Sequence[Row]) -> Batch:
        """Rows padded to the longest."""
        from torch.nn.utils.rnn import pad_sequence

        return {
            "features": pad_sequence([row["features"] for row in rows], batch_first=True),
            "labels": pad_sequence([row["labels"] for row in rows], batch_first=True, padding_value=-100),
        }

    def loss(self, model: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross-entropy of every frame's piece."""
        from torch.nn.functional import cross_entropy

        logits = _logits(model, batch["features"])
        labels = batch["labels"].to(logits.device)
        return cross_entropy(logits.transpose(1, 2), labels, reduction="sum"), (labels != -100).sum()

    def logits(self, model: torch.nn.Module, processor: Any, clip: Clip) -> torch.Tensor:
        """(frames, pieces): every frame is a token."""
        check_length(self, clip)
        with inference_mode(model):
            return _logits(model, processor.features(clip.samples)[None])[0]

    def transcribe(
        self,
        model: torch.nn.Module,
        processor: Any,
        clip: Clip,
        on_partial: Callable[[str], None] | None = None,
        draft: str = "",
    ) -> Hypothesis:
        """The likeliest piece of every frame."""
        start = time.perf_counter()
        logits = self.logits(model, processor, clip)
        read = self._hypothesis(processor, clip, logits, logits.argmax(-1).tolist(), start)
        for frames in range(1, len(logits) + 1):
            if on_partial is not None:
                on_partial(processor.decode(logits[:frames].argmax(-1).tolist()))
        return read

    def _hypothesis(self, processor: Any, clip: Clip, logits: torch.Tensor, ids: list[int], start: float) -> Hypothesis:
        chances = [frame[piece].item() for frame, piece in zip(logits.softmax(-1), ids, strict=True)]
        return Hypothesis(
            text=processor.decode(ids),
            seconds=len(clip.samples) / self.sample_rate,
            latency=time.perf_counter() - start,
            confidence=sum(chances) / len(chances),
            words=_words(ids, chances),
        )

    def transcribe_batch(self, model: torch.nn.Module, processor: Any, clips: Sequence[Clip]) -> list[Hypothesis]:
        """One by one: it takes no time."""
        return [self.transcribe(model, processor, clip) for clip in clips]

    def transcribe_with_adapters(
        self, model: torch.nn.Module, processor: Any, clip: Clip, readers: int = 1, terms: KeyTerms | None = None
    ) -> list[AdapterHypothesis]:
        """All readers through the network at once."""
        check_length(self, clip)
        start, features = time.perf_counter(), processor.features(clip.samples)
        with inference_mode(model):
            batch = _logits(model, features.expand(readers, -1, -1))
        found = []
        for logits in batch:
            plain = self._hypothesis(processor, clip, logits, logits.argmax(-1).tolist(), start)
            ids = _biased(logits, terms) if terms else []
            found.append(
                AdapterHypothesis(
                    plain=plain, biased=self._hypothesis(processor, clip, logits, ids, start) if terms else None
                )
            )
        return found

    def spellings(self, processor: Any, text: str) -> list[list[int]]:
        """One piece a character, or a digit's name."""
        pieces = _split(text)
        return [[PIECES.index(piece) for piece in pieces]] if set(pieces) <= set(PIECES) else []
