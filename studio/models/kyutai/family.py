"""Kyutai's speech to text: a text stream in step with a stream of sound, half a second behind it.

A frozen codec (Mimi) makes 32 codes of every 80 ms of sound; one network reads codes and text of all frames so far and
writes the next frame's text token, mostly PAD. So labels need the time of every word (`interleaver`).
The codec lies below every adapter: a clip's codes are computed once. Layout and loss as in kyutai-labs/moshi and
kyutai-labs/moshi-finetune; the network is transformers'.
"""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from studio.config import PADDING_WEIGHT, Kind
from studio.data import word_times
from studio.errors import DataError, ModelError
from studio.models import portable, pretrained
from studio.models.base import USUAL_TARGETS, AdapterHypothesis, Clip, Hypothesis
from studio.models.encoder_decoder import IGNORED, base_of, tensor_bytes
from studio.models.inference_mode import inference_mode
from studio.models.kyutai.decoding import Listener, Streams, Written
from studio.models.kyutai.interleaver import END_OF_PAD, Layout, TimedTokens, text_stream
from studio.models.limits import check_length

if TYPE_CHECKING:
    import torch

    from studio.models.base import Batch, Row
    from studio.models.key_terms import KeyTerms

_ATTENTION, _MLP = r"self_attn\.{0}_proj\.linear", r"mlp\.fc[12]"
_LAYER = r"model\.layers\.\d+\."

LORA_TARGETS: Mapping[str, str] = MappingProxyType(
    {
        "conventions": _LAYER + _ATTENTION.format("[qv]"),
        "voice": _LAYER + _ATTENTION.format("[qkv]"),
        "deep": _LAYER + _ATTENTION.format("[qkvo]"),
        "full": f"{_LAYER}({_ATTENTION.format('[qkvo]')}|{_MLP})",
    }
)
LONGEST_DELAY = 10.0  # seconds; published models have 0.5 and 2.5
_AGAIN = "Fetch or copy the model again, whole."


class KyutaiSpeechToText:
    """The family of the makers' 1B (English and French) and 2.6B (English). See `Family` for the contracts."""

    name = "kyutai_speech_to_text"
    kind: Kind = "speech"
    sample_rate = 24_000
    min_seconds = 0.08  # a frame
    max_seconds = 30.0  # what the makers' examples train on; longer recordings are cut at silences
    lora_targets = LORA_TARGETS
    below_adapters = r"codec_model\..*"
    targets_on_cpu = USUAL_TARGETS
    embeddings = "embed_tokens.embed_tokens"
    network = "KyutaiSpeechToTextForConditionalGeneration"

    def __init__(self) -> None:
        self.padding_weight = PADDING_WEIGHT

    def weighing(self, padding_weight: float) -> Self:
        """The family whose loss counts frames without a word `padding_weight` times."""
        changed = copy.copy(self)
        changed.padding_weight = padding_weight
        return changed

    def load(self, folder: Path, device: str, dtype: torch.dtype, language: str = "") -> tuple[torch.nn.Module, Any]:
        """The model in eval mode, its codec in fp32, and its processor. Raises ModelError."""
        model = pretrained.load_network(self.network, folder, dtype)
        processor = self.load_processor(folder)
        config = model.config
        if config.num_codebooks > config.codec_config.num_quantizers:
            raise ModelError(
                f"{folder / 'config.json'} cannot be used: the model reads {config.num_codebooks} codebooks, and its "
                f"codec has {config.codec_config.num_quantizers}.",
                _AGAIN,
            )
        return model.to(device).eval(), processor

    def load_processor(self, folder: Path) -> Any:
        """The feature extractor and tokenizer in `folder`. Raises ModelError, also where they state no usable delay."""
        processor = pretrained.load_processor(folder)
        extractor = getattr(processor, "feature_extractor", None)
        if getattr(extractor, "sampling_rate", None) != self.sample_rate:
            raise ModelError(f"The processor in {folder} does not expect {self.sample_rate} Hz.", _AGAIN)
        delay = getattr(extractor, "audio_delay_seconds", None)
        if not isinstance(delay, int | float) or not 0 < delay <= LONGEST_DELAY:
            raise ModelError(
                f"The model in {folder} cannot be used: its preprocessor_config.json says audio_delay_seconds: "
                f"{json.dumps(delay)}, and text must follow sound by more than 0 and up to {LONGEST_DELAY:g} s.",
                _AGAIN,
            )
        return processor

    def save(self, model: torch.nn.Module, processor: Any, folder: Path) -> None:
        """Write a folder that plain transformers loads."""
        pretrained.save(model, processor, folder)

    def save_processor(self, processor: Any, folder: Path) -> None:
        """Write feature extractor and tokenizer, for plain transformers too."""
        portable.save_processor(processor, folder)

    def check_text(self, model: torch.nn.Module, processor: Any, text: str) -> None:
        """Raise DataError where `text` has more tokens than the longest clip has frames."""
        room = int(self.max_seconds * self.layout(model, processor).frame_rate)
        if len(text.encode()) < room:  # a token is a byte at least
            return
        if (count := len(self._tokens(processor, text))) > room:
            raise DataError(
                f"The label has {count:,} tokens; the model writes {room:,} at most.", "Cut the clip into sentences."
            )

    def layout(self, model: torch.nn.Module, processor: Any) -> Layout:
        """How this checkpoint lays its text over the frames of the sound."""
        config, extractor = base_of(model).config, processor.feature_extractor
        return Layout(
            frame_rate=self.sample_rate / config.frame_size,
            delay=extractor.audio_delay_seconds,
            silence_before=extractor.audio_silence_prefix_seconds or 0.0,
            pad=config.pad_token_id,
        )

    def prepare(self, model: torch.nn.Module, processor: Any, clip: Clip) -> Row:
        """`features` and `labels` together."""
        return self.labels(model, processor, clip) | self.features(model, processor, clip)

    def labels(self, model: torch.nn.Module, processor: Any, clip: Clip) -> Row:
        """`text` (frames): the token of each. Raises DataError where the clip has no word times, or too little room."""
        import torch

        if clip.text.strip() and not clip.words:
            name = f"Clip {clip.id}" if clip.id else "This clip"
            raise DataError(f"{name} has no word times, which this model learns from.", "Time its words: studio align")
        layout, words = self.layout(model, processor), word_times.one_by_one(clip.words or ())
        timed = [TimedTokens(self._tokens(processor, word), start) for word, (start, _) in words]
        for (word, _), tokens in zip(words, timed, strict=True):
            if not all(map(layout.is_text, tokens.ids)):
                raise DataError(f"“{word}” has characters that the model cannot write.", "Write it in other letters.")
        return {"text": torch.tensor(text_stream(timed, self._frames(model, processor, clip), layout))}

    def features(self, model: torch.nn.Module, processor: Any, clip: Clip) -> Row:
        """`codes` (frames, codebooks) of the clip and of the silence around it."""
        import torch

        check_length(self, clip)
        base, frames = base_of(model), self._frames(model, processor, clip)
        heard = processor.feature_extractor(clip.samples, sampling_rate=self.sample_rate, return_tensors="pt")
        whole = heard.input_values[..., : frames * base.config.frame_size].to(base.device)
        return {"codes": self.codes(model, whole)[0].to("cpu", torch.int16)}

    def codes(self, model: torch.nn.Module, samples: torch.Tensor) -> torch.Tensor:
        """(batch, frames, codebooks) of `samples` (batch, 1, samples), whole frames of any number."""
        base = base_of(model)
        with inference_mode(model):
            codes: torch.Tensor = base.codec_model.encode(samples).audio_codes[:, : base.config.num_codebooks]
        return codes.transpose(1, 2)

    def _frames(self, model: Any, processor: Any, clip: Clip) -> int:
        """Whole frames of `clip` and of the silence around it."""
        layout = self.layout(model, processor)
        silence = int(layout.silence_before * self.sample_rate) + int(layout.silence_after * self.sample_rate)
        return (len(clip.samples) + silence) // int(base_of(model).config.frame_size)

    def frozen_part(self, model: torch.nn.Module, processor: Any) -> str:
        """Of the codec and its settings, and of those of the feature extractor, which adds the silence."""
        base = base_of(model)
        parts = (base.config.codec_config.to_dict(), base.config.num_codebooks, processor.feature_extractor.to_dict())
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode())
        for name, weight in base.codec_model.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor_bytes(weight))
        return digest.hexdigest()

    def collate(self, rows: Sequence[Row]) -> Batch:
        """Rows padded to the longest. What pads codes is never heard: the network looks back alone."""
        from torch.nn.utils.rnn import pad_sequence

        return {
            "codes": pad_sequence([row["codes"] for row in rows], batch_first=True),
            "text": pad_sequence([row["text"] for row in rows], batch_first=True, padding_value=IGNORED),
        }

    def loss(self, model: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross-entropy of every frame's token, in fp32; a frame without a word counts `padding_weight` times."""
        from studio.models.kernels.loss import summed_loss

        base = base_of(model)
        text = batch["text"].to(base.device)
        hidden = self._hidden(base, batch["codes"].to(base.device), text)
        is_pad = (text == base.config.pad_token_id) | (text == END_OF_PAD)
        is_word = ~is_pad & (text != IGNORED)
        words = summed_loss(hidden[is_word], base.lm_head, text[is_word])
        pads = summed_loss(hidden[is_pad], base.lm_head, text[is_pad])
        return words + self.padding_weight * pads, is_word.sum() + self.padding_weight * is_pad.sum()

    def logits(self, model: torch.nn.Module, processor: Any, clip: Clip) -> torch.Tensor:
        """(frames, vocabulary) along the text stream of `clip`; without word times its tokens are spread evenly."""
        base = base_of(model)
        with inference_mode(model):
            hidden = self._heard(base, self.given(model, processor, clip))
            logits: torch.Tensor = base.lm_head(hidden)[0].float()
        return logits

    def given(self, model: torch.nn.Module, processor: Any, clip: Clip) -> torch.Tensor:
        """(1, frames, 1 + codebooks): what the network is given for `clip` and its text, as for `logits`."""
        labels = self.labels(model, processor, clip) if clip.words else self._spread(model, processor, clip)
        batch = self.collate([labels | self.features(model, processor, clip)])
        return _given(base_of(model), batch["codes"], batch["text"])

    def _spread(self, model: Any, processor: Any, clip: Clip) -> Row:
        """As `labels`, without word times: the tokens spread over all frames, as many as fit."""
        import torch

        layout, frames = self.layout(model, processor), self._frames(model, processor, clip)
        room = frames - layout.delay_frames
        ids = self._tokens(processor, clip.text)[:room]
        stream = [layout.pad] * frames
        for place, token in enumerate(ids):
            stream[layout.delay_frames + place * room // len(ids)] = token
        return {"text": torch.tensor(stream)}

    def _hidden(self, base: Any, codes: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """(batch, frames, width): what each frame's token is projected from; each sees the frames before its own."""
        return self._heard(base, _given(base, codes, text))

    def _heard(self, base: Any, given: torch.Tensor) -> torch.Tensor:
        given = given.to(base.device)
        hidden: torch.Tensor = base.model(
            input_ids=given, attention_mask=_window(given, base.config.sliding_window), use_cache=False
        ).last_hidden_state
        return hidden

    def transcribe(
        self,
        model: torch.nn.Module,
        processor: Any,
        clip: Clip,
        on_partial: Callable[[str], None] | None = None,
        draft: str = "",
    ) -> Hypothesis:
        """Read one clip, greedily, frame by frame; a draft saves nothing, since every frame has to be heard."""
        check_length(self, clip)
        return self._read(model, processor, [clip], on_partial=on_partial)[0]

    def transcribe_batch(self, model: torch.nn.Module, processor: Any, clips: Sequence[Clip]) -> list[Hypothesis]:
        """The codec clip by clip, the text of all clips together."""
        return self._read(model, processor, clips)

    def transcribe_features(
        self, model: torch.nn.Module, processor: Any, clips: Sequence[Clip], features: Sequence[Row]
    ) -> list[Hypothesis]:
        """The text alone."""
        return self._read(model, processor, clips, features)

    def _read(
        self,
        model: Any,
        processor: Any,
        clips: Sequence[Clip],
        features: Sequence[Row] | None = None,
        on_partial: Callable[[str], None] | None = None,
    ) -> list[Hypothesis]:
        start, base, layout = time.perf_counter(), base_of(model), self.layout(model, processor)
        rows = features or [self.features(model, processor, clip) for clip in clips]
        lengths = [len(row["codes"]) for row in rows]
        codes = self.collate([row | {"text": row["codes"][:, 0]} for row in rows])["codes"].to(base.device).long()
        with inference_mode(model):
            streams = Streams(base, layout, len(clips))
            for frame in range(max(lengths) - 1):
                streams.hear(codes[:, frame])
                if on_partial and layout.is_text(streams.written[0].ids[-1]):
                    on_partial(self._text(processor, streams.written[0], layout))
        latency = (time.perf_counter() - start) / len(clips)
        return [
            self._hypothesis(processor, clip, _cut(written, length), layout, latency)
            for clip, written, length in zip(clips, streams.written, lengths, strict=True)
        ]

    def transcribe_with_adapters(
        self, model: torch.nn.Module, processor: Any, clip: Clip, readers: int = 1, terms: KeyTerms | None = None
    ) -> list[AdapterHypothesis]:
        """The codec once for all; a text stream for each reader, and one with key terms."""
        start, base, layout = time.perf_counter(), base_of(model), self.layout(model, processor)
        matches = [match for _ in range(readers) for match in ((None, terms.begin()) if terms else (None,))]
        codes = self.features(model, processor, clip)["codes"].to(base.device).long()
        with inference_mode(model):
            streams = Streams(base, layout, len(matches), matches)
            for frame in codes[:-1]:
                streams.hear(frame.expand(len(matches), -1))
        latency = (time.perf_counter() - start) / len(matches)
        read = iter([self._hypothesis(processor, clip, row, layout, latency) for row in streams.written])
        return [AdapterHypothesis(plain=next(read), biased=next(read) if terms else None) for _ in range(readers)]

    def listen(self, model: torch.nn.Module, processor: Any, readers: int = 1) -> Listener:
        """What hears sound as it comes in, and writes what `transcribe` would. The model has to be in eval mode."""
        return Listener(base_of(model), self.layout(model, processor), self.sample_rate, readers)

    def spellings(self, processor: Any, text: str) -> list[list[int]]:
        """As words: each begins with a space, also at the start."""
        ids = self._tokens(processor, text)
        return [] if processor.tokenizer.unk_token_id in ids else [ids]

    def _tokens(self, processor: Any, text: str) -> list[int]:
        ids: list[int] = processor.tokenizer(text.strip(), add_special_tokens=False).input_ids
        return ids

    def _text(self, processor: Any, written: Written, layout: Layout) -> str:
        text: str = processor.tokenizer.decode(
            [token for _, token, _ in written.text(layout)], skip_special_tokens=True
        )
        return text.strip()

    def _hypothesis(self, processor: Any, clip: Clip, written: Written, layout: Layout, latency: float) -> Hypothesis:
        sure = [chance for _, _, chance in written.text(layout)] or written.chances
        words, starts = written.words(processor.tokenizer, layout)
        return Hypothesis(
            text=self._text(processor, written, layout),
            seconds=len(clip.samples) / self.sample_rate,
            latency=latency,
            confidence=sum(sure) / len(sure),
            words=words,
            starts=starts,
        )


def _cut(written: Written, frames: int) -> Written:
    """The stream of a clip of `frames`, which may have been heard together with longer ones."""
    return Written(written.ids[:frames], written.chances[:frames])


def _given(base: Any, codes: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Text and codes, each a frame later: the start tokens come first."""
    import torch

    config = base.config
    before = torch.cat([text.clamp(min=0)[..., None], codes.long()], dim=-1)[:, :-1]
    start = before.new_tensor([config.bos_token_id, *[config.audio_bos_token_id] * config.num_codebooks])
    return torch.cat([start.expand(len(text), 1, -1), before], dim=1)


def _window(given: torch.Tensor, window: int) -> torch.Tensor | None:
    """The mask (1, 1, frames, frames) of what each frame looks back on; None where all may see all before them."""
    import torch

    frames = given.shape[1]
    if frames <= window:
        return None
    places = torch.arange(frames, device=given.device)
    behind = places[:, None] - places
    return ((behind >= 0) & (behind < window))[None, None]
