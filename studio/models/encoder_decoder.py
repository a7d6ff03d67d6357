"""What the families of encoder and decoder share: a frozen stem, an encoder, a decoder that writes tokens.

The stem (convolutions) is computed once per clip in `prepare`: it lies below every adapter, and v1's GroupNorm averages
over time, so only a stem computed on the clip alone makes a padded batch equal to its clips. Where no adapter reaches
the encoder either, `prepare` goes on to the encoder's output (3 to 7 times faster steps).
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.config import Kind
from studio.errors import DataError, ModelError
from studio.models import portable, pretrained
from studio.models.base import USUAL_TARGETS, AdapterHypothesis, Clip, Hypothesis
from studio.models.greedy import Rules, Written, greedy, padded
from studio.models.inference_mode import inference_mode
from studio.models.limits import check_length
from studio.models.words import words_of

if TYPE_CHECKING:
    import torch

    from studio.models.base import Batch, Row
    from studio.models.key_terms import KeyTerms

IGNORED = -100  # a label that cross-entropy leaves out: padding, marked by length, since pad may be the end token

TOKENS_PER_SECOND = 6.5  # the makers' bound for speech; it stops repetition loops
SPELLED_TOKENS_PER_SECOND = 20.0  # a small vocabulary spells words out: fast speech has about 15 letters a second
SMALL_VOCABULARY = 4096
LEAST_TOKENS = 8  # one short word may be spelled out

TOGETHER = 600  # frames that are encoded at once: beyond it a CPU gains nothing from a batch and padding costs


class EncoderDecoder(ABC):
    """A family of transformers' encoder-decoder speech models. See `Family` for the methods' contracts."""

    name: str
    kind: Kind = "speech"
    sample_rate = 16_000
    min_seconds: float
    max_seconds: float
    lora_targets: Mapping[str, str]
    below_adapters: str
    network: str  # name of the class in transformers
    positions = "max_position_embeddings"  # the setting that says how many tokens the decoder can hold
    tokens_per_second = TOKENS_PER_SECOND
    targets_on_cpu = USUAL_TARGETS

    @abstractmethod
    def stem(self, base: Any, processor: Any, clip: Clip) -> torch.Tensor:
        """The features (frames, width) below the first encoder layer, of one clip alone."""

    @abstractmethod
    def encode(self, base: Any, stem: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The encoder's output for stems (batch, frames, width); `mask` (batch, frames) is True on real frames."""

    def prompt(self, base: Any) -> list[int]:
        """The token ids that begin every text."""
        return [base.config.decoder_start_token_id]

    def rules(self, base: Any) -> Rules:
        """What decoding keeps to."""
        return Rules(self.prompt(base), end_tokens(base))

    def tokens(self, base: Any, processor: Any, text: str) -> list[int]:
        """The token ids of `text`, without prompt and end."""
        ids: list[int] = processor.tokenizer(text, add_special_tokens=False).input_ids
        return ids

    def decode(self, base: Any, ids: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor, cache: Any) -> Any:
        """Hidden states (batch, tokens, width) of `ids`, which continue those in the `cache`, where there is one.

        `memory` is the encoder's output, which rows that share it have in one place; once it is in the cache it is not
        read again.
        """
        from studio.models.kernels.cache import cache_for

        decoder = base.model.decoder
        return decoder(
            input_ids=ids, encoder_hidden_states=memory, encoder_attention_mask=mask, **cache_for(decoder, cache)
        ).last_hidden_state

    def load(self, folder: Path, device: str, dtype: torch.dtype, language: str = "") -> tuple[torch.nn.Module, Any]:
        """The model in eval mode and its processor, from a local folder of safetensors. Raises ModelError."""
        model = pretrained.load_network(self.network, folder, dtype)
        self.settle(model, folder, language)
        if not 0 <= model.config.decoder_start_token_id < model.config.vocab_size:
            raise ModelError(
                f"{folder / 'config.json'} cannot be used: its decoder_start_token_id is no token of its vocabulary.",
                "Fetch or copy the model again, whole.",
            )
        return model.to(device).eval(), self.load_processor(folder)

    def settle(self, base: Any, folder: Path, language: str) -> None:
        """Choose what the files in `folder` leave open about the text that `base` writes. Raises ModelError.

        A model of one language is asked for that one or for none.
        """
        if base.config.decoder_start_token_id is None:  # the streaming class's default; training needs it
            base.config.decoder_start_token_id = base.config.bos_token_id

    def load_processor(self, folder: Path) -> Any:
        """The feature extractor and tokenizer in `folder`. Raises ModelError."""
        processor = pretrained.load_processor(folder)
        rate = getattr(getattr(processor, "feature_extractor", None), "sampling_rate", None)
        if rate != self.sample_rate:
            stated = "states no sample rate" if rate is None else f"expects {rate} Hz"
            raise ModelError(
                f"The model in {folder} cannot be used: its processor {stated}, and a {self.name} model needs "
                f"{self.sample_rate} Hz.",
                "Fetch or copy the model again, whole.",
            )
        return processor

    def save(self, model: torch.nn.Module, processor: Any, folder: Path) -> None:
        """Write a folder that plain transformers loads."""
        pretrained.save(model, processor, folder)

    def save_processor(self, processor: Any, folder: Path) -> None:
        """Write feature extractor and tokenizer, for plain transformers too."""
        portable.save_processor(processor, folder)

    def prepare(self, model: torch.nn.Module, processor: Any, clip: Clip) -> Row:
        """`features` and `labels` together."""
        return self.labels(model, processor, clip) | self.features(model, processor, clip)

    def check_text(self, model: torch.nn.Module, processor: Any, text: str) -> None:
        """Raise DataError where `text` has more tokens than the decoder has positions."""
        base = base_of(model)
        room = self.room(base)
        if len(text.encode()) < room:  # a token is a byte at least, and one may be a space before the text
            return
        if (count := len(self.tokens(base, processor, text))) > room:
            raise DataError(
                f"The label has {count:,} tokens; the model writes {room:,} at most.", "Cut the clip into sentences."
            )

    def room(self, base: Any) -> int:
        """How many tokens of a text the decoder has positions for, besides the prompt."""
        return int(getattr(base.config, self.positions)) - len(self.prompt(base))

    def labels(self, model: torch.nn.Module, processor: Any, clip: Clip) -> Row:
        """`inputs` and `labels` (tokens). Raises DataError as `check_text` does."""
        import torch

        self.check_text(model, processor, clip.text)
        base = base_of(model)
        prompt, tokens = self.prompt(base), self.tokens(base, processor, clip.text)
        return {
            "inputs": torch.tensor([*prompt, *tokens]),
            "labels": torch.tensor([*[IGNORED] * (len(prompt) - 1), *tokens, end_tokens(base)[0]]),
        }

    def features(self, model: torch.nn.Module, processor: Any, clip: Clip) -> Row:
        """`memory` (frames, width) or, where an adapter reaches the encoder, `stem`."""
        check_length(self, clip)
        base = base_of(model)
        with inference_mode(model):
            stem = self.stem(base, processor, clip)
            if adapts_encoder(base):
                return {"stem": stem.cpu()}
            return {"memory": self.encode(base, stem[None], _everywhere(stem[None]))[0].cpu()}

    def frozen_part(self, model: torch.nn.Module, processor: Any) -> str:
        """Of the encoder without adapters, and of the settings of network and feature extractor."""
        base = base_of(model)
        kind = "stem" if adapts_encoder(base) else "memory"
        settings = base.config.to_dict() | {"_name_or_path": ""}  # the same model may lie anywhere
        parts = (kind, settings, processor.feature_extractor.to_dict())
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode())
        for name, weight in base.model.encoder.state_dict().items():
            if ".lora_" not in name:
                digest.update(name.replace(".base_layer.", ".").encode())
                digest.update(tensor_bytes(weight))
        return digest.hexdigest()

    def collate(self, rows: Sequence[Row]) -> Batch:
        """Rows padded to the longest, with a mask (batch, frames) of the real frames."""
        from torch.nn.utils.rnn import pad_sequence

        def tokens(name: str, value: int = 0) -> torch.Tensor:
            return pad_sequence([row[name] for row in rows], batch_first=True, padding_value=value)

        name = "stem" if "stem" in rows[0] else "memory"
        frames, mask = padded([row[name] for row in rows])
        return {
            name: frames,
            "mask": mask,
            "inputs": tokens("inputs"),  # any id will do: the decoder is causal and these labels are ignored
            "labels": tokens("labels", IGNORED),
        }

    def loss(self, model: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross-entropy of the labels, in fp32 whatever the model's precision."""
        from studio.models.kernels.loss import summed_loss

        base, counted = base_of(model), batch["labels"] != IGNORED
        hidden = self._hidden(base, batch)
        return summed_loss(hidden, base.proj_out, batch["labels"][counted].to(hidden.device)), counted.sum()

    def logits(self, model: torch.nn.Module, processor: Any, clip: Clip) -> torch.Tensor:
        """(tokens, vocabulary) for the labels of `clip.text`, its end included."""
        batch, base = self.collate([self.prepare(model, processor, clip)]), base_of(model)
        with inference_mode(model):
            logits: torch.Tensor = base.proj_out(self._hidden(base, batch)).float()
        return logits

    def _hidden(self, base: Any, batch: Batch) -> torch.Tensor:
        """(labels that count, width): what the vocabulary is projected from; the rows follow one another."""
        batch = {name: tensor.to(base.device) for name, tensor in batch.items()}
        memory = batch["memory"] if "memory" in batch else self.encode(base, batch["stem"], batch["mask"])
        # A clone, since the streaming decoder adds positions to it in place.
        hidden: torch.Tensor = self.decode(base, batch["inputs"], memory.clone(), batch["mask"], None)
        return hidden[batch["labels"] != IGNORED]  # the vocabulary is a third of a step: no padding through it

    def transcribe(
        self,
        model: torch.nn.Module,
        processor: Any,
        clip: Clip,
        on_partial: Callable[[str], None] | None = None,
        draft: str = "",
    ) -> Hypothesis:
        """Read one clip, greedily."""
        base = base_of(model)
        ids = self.tokens(base, processor, draft) if draft else []
        ids = ids[: self.most_tokens(base, clip)]  # the decoder has no places for more
        return self._read(model, processor, [clip], on_partial, draft=ids)[0]

    def transcribe_batch(self, model: torch.nn.Module, processor: Any, clips: Sequence[Clip]) -> list[Hypothesis]:
        """Encode clip by clip, decode together."""
        return self._read(model, processor, clips)

    def transcribe_features(
        self, model: torch.nn.Module, processor: Any, clips: Sequence[Clip], features: Sequence[Row]
    ) -> list[Hypothesis]:
        """Decode together what was encoded, at least in part, before."""
        return self._read(model, processor, clips, features=features)

    def transcribe_with_adapters(
        self, model: torch.nn.Module, processor: Any, clip: Clip, readers: int = 1, terms: KeyTerms | None = None
    ) -> list[AdapterHypothesis]:
        """Encoded once for all, unless an adapter reaches the encoder; decoded in one batch."""
        check_length(self, clip)
        start, base = time.perf_counter(), base_of(model)
        matches = [match for _ in range(readers) for match in ((None, terms.begin()) if terms else (None,))]
        with inference_mode(model):
            stem = self.stem(base, processor, clip)[None]
            if adapts_encoder(base):
                stem = stem.expand(readers, -1, -1)
            memories = self.encode(base, stem, _everywhere(stem)).expand(readers, -1, -1)
            each = [memory for memory in memories for _ in range(len(matches) // readers)]
            limits = [self.most_tokens(base, clip)] * len(each)
            rows = greedy(functools.partial(self._next, base), each, limits, self.rules(base), None, matches)
        latency = (time.perf_counter() - start) / len(rows)
        read = iter([self._hypothesis(processor, clip, row, latency) for row in rows])
        return [AdapterHypothesis(plain=next(read), biased=next(read) if terms else None) for _ in range(readers)]

    def spellings(self, processor: Any, text: str) -> list[list[int]]:
        """With and without a space before it; what the vocabulary cannot write is left out."""
        found = processor.tokenizer([text, f" {text}"], add_special_tokens=False).input_ids
        return [ids for ids in found if processor.tokenizer.unk_token_id not in ids]

    def _read(
        self,
        model: Any,
        processor: Any,
        clips: Sequence[Clip],
        on_partial: Callable[[str], None] | None = None,
        features: Sequence[Row] | None = None,
        draft: Sequence[int] = (),
    ) -> list[Hypothesis]:
        for clip in clips:
            check_length(self, clip)
        start, base = time.perf_counter(), base_of(model)
        with inference_mode(model):
            if features is None:
                features = [{"stem": self.stem(base, processor, clip)} for clip in clips]
            memories = self._memories(base, features)
            limits = [self.most_tokens(base, clip) for clip in clips]
            partial = (lambda ids: on_partial(_text(processor, ids))) if on_partial else None
            following = functools.partial(self._next, base)
            written = greedy(following, memories, limits, self.rules(base), partial, draft=draft)
        latency = (time.perf_counter() - start) / len(clips)
        return [self._hypothesis(processor, clip, row, latency) for clip, row in zip(clips, written, strict=True)]

    def _next(self, base: Any, *given: Any) -> torch.Tensor:
        """(batch, tokens, vocabulary) in fp32: the logits of the token after each of those `given`, as to `decode`."""
        logits: torch.Tensor = base.proj_out(self.decode(base, *given)).float()
        return logits

    def _memories(self, base: Any, features: Sequence[Row]) -> list[torch.Tensor]:
        """The encoder's outputs (frames, width). Short clips that follow each other are encoded together."""
        if "memory" in features[0]:
            return [row["memory"].to(base.device) for row in features]
        found: list[torch.Tensor] = []
        for stems in _few_frames([row["stem"].to(base.device) for row in features]):
            frames, mask = padded(stems)
            encoded = self.encode(base, frames, mask)
            found += [row[: len(stem)] for row, stem in zip(encoded, stems, strict=True)]
        return found

    def _hypothesis(self, processor: Any, clip: Clip, written: Written, latency: float) -> Hypothesis:
        return Hypothesis(
            text=_text(processor, written.ids),
            seconds=len(clip.samples) / self.sample_rate,
            latency=latency,
            confidence=written.confidence,
            words=words_of(processor.tokenizer, written.ids, written.chances),
        )

    def most_tokens(self, base: Any, clip: Clip) -> int:
        """How many tokens a clip can hold: beyond it the decoder is in a loop."""
        wanted = max(LEAST_TOKENS, math.ceil(len(clip.samples) / self.sample_rate * self.tokens_a_second(base)))
        return min(wanted, self.room(base))

    def tokens_a_second(self, base: Any) -> float:
        """How many tokens a second of sound can hold."""
        return SPELLED_TOKENS_PER_SECOND if base.config.vocab_size < SMALL_VOCABULARY else self.tokens_per_second


def base_of(model: Any) -> Any:
    """transformers' own model within a PeftModel, with the adapter's layers in it; or `model` itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def adapts_encoder(base: Any) -> bool:
    """Whether an adapter reaches the encoder, so that its output changes while training."""
    return any(hasattr(module, "lora_A") for module in base.model.encoder.modules())


def end_tokens(base: Any) -> list[int]:
    """The ids that end a text; the first is the one that labels end with."""
    ends = base.config.eos_token_id
    return list(ends) if isinstance(ends, list | tuple) else [ends]


def _few_frames(stems: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """`stems` in their order, as many at a time as have few frames together, padding included; or one."""
    group: list[torch.Tensor] = []
    for stem in stems:
        longest = max(len(other) for other in (*group, stem))
        if group and longest * (len(group) + 1) > TOGETHER:
            yield group
            group = []
        group.append(stem)
    yield group


def _everywhere(frames: torch.Tensor) -> torch.Tensor:
    """The mask of a batch without padding."""
    import torch

    return torch.ones(frames.shape[:2], dtype=torch.bool, device=frames.device)


def tensor_bytes(tensor: torch.Tensor) -> bytes:
    """The numbers of `tensor` as they lie in memory, in any precision."""
    import torch

    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _text(processor: Any, ids: Sequence[int]) -> str:
    text: str = processor.tokenizer.decode(ids, skip_special_tokens=True)
    return text.strip()
