"""Whisper: log-mel spectra of a frame that is always 30 s long, English-only and multilingual checkpoints.

Which tokens begin a text, and which may not be written, is what the model's generation config says. Where it
leaves the language open, as OpenAI's multilingual checkpoints do, and none is asked for, it is English: transformers
would guess it clip by clip, short clips are easily taken for another language, and training needs one. A merged model
keeps the language that it was asked for.

Clips fill a frame of 30 s with silence. A network may learn from shorter ones, which have only a few seconds of it:
the positions after them are cut off, as whisper.cpp's `audio_ctx` does. Cut too close it writes loops, so those
seconds are needed; figures are in `studio/docs/decisions.md`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from studio.errors import ModelError
from studio.models.base import Clip
from studio.models.encoder_decoder import EncoderDecoder, end_tokens
from studio.models.greedy import Rules
from studio.models.language import ENGLISH

if TYPE_CHECKING:
    import torch

LORA_TARGETS: Mapping[str, str] = MappingProxyType(
    {
        "conventions": r".*\.decoder\.layers\.\d+\.self_attn\.[qkv]_proj",
        "voice": r".*\.decoder\.layers\.\d+\.(self_attn|encoder_attn)\.([qkv]|out)_proj",
        "deep": r".*\.(self_attn|encoder_attn)\.([qkv]|out)_proj",
        "full": r".*\.layers\.\d+\.((self_attn|encoder_attn)\.([qkv]|out)_proj|fc[12])",
    }
)
SILENCE_AFTER = 5.0  # seconds after each clip in a short frame: with 3 a base model errs seven times as often
FRAMES_A_SECOND = 50
_SAMPLES_PER_FRAME = 320
NO_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})  # openai/whisper, tokenizer.py: split_to_word_tokens


class Whisper(EncoderDecoder):
    """Log-mel spectra through two convolutions into encoder and decoder, which also process the silence up to 30 s."""

    name = "whisper"
    network = "WhisperForConditionalGeneration"
    positions = "max_target_positions"
    tokens_per_second = 13.0  # twice Moonshine's bound: many languages need more tokens than English
    min_seconds = 400 / 16_000  # one window of 25 ms
    max_seconds = 30.0  # transformers would cut the rest off in silence
    lora_targets = LORA_TARGETS
    below_adapters = r"(.*\.)?encoder\.conv[12]"
    targets_on_cpu = "voice"  # each clip costs 30 s of encoder at every step where an adapter reaches it
    silence_after: float | None = None  # seconds after each clip; None fills the frame of 30 s

    def with_short_frames(self) -> Self:
        """The family that hears SILENCE_AFTER of silence after each clip, and not all that fits into 30 s."""
        shorter = copy.copy(self)
        shorter.silence_after = SILENCE_AFTER
        return shorter

    def settle(self, base: Any, folder: Path, language: str) -> None:
        """One language and one task, where the checkpoint has several. Raises ModelError where it lacks them."""
        super().settle(base, folder, language)
        settings = base.generation_config
        if not _is_multilingual(settings):
            return
        settings.language = language or getattr(settings, "language", None) or ENGLISH
        settings.task = getattr(settings, "task", None) or "transcribe"
        settings.forced_decoder_ids = None  # the older way to say both
        if _language_token(settings) not in settings.lang_to_id or settings.task not in settings.task_to_id:
            raise ModelError(
                f"The model in {folder} cannot {settings.task} the language “{settings.language}”.",
                "Put a language that it knows into its generation_config.json.",
            )

    def prompt(self, base: Any) -> list[int]:
        """Start, language, task, no timestamps: as far as this checkpoint has them, in transformers' order."""
        settings = base.generation_config
        ids = [settings.decoder_start_token_id]
        if _is_multilingual(settings):
            ids += [settings.lang_to_id[_language_token(settings)], settings.task_to_id[settings.task]]
        else:
            ids += [token for _, token in getattr(settings, "forced_decoder_ids", None) or () if token is not None]
        no_timestamps = getattr(settings, "no_timestamps_token_id", None)
        return ids if no_timestamps in (None, ids[-1]) else [*ids, no_timestamps]

    def rules(self, base: Any) -> Rules:
        """What decoding keeps to: signs that are not speech are never written, nor is nothing at all."""
        settings = base.generation_config
        never, never_first = settings.suppress_tokens or (), settings.begin_suppress_tokens or ()
        return Rules(self.prompt(base), end_tokens(base), never, never_first)

    def tokens(self, base: Any, processor: Any, text: str) -> list[int]:
        """The token ids of `text` as the model itself writes it: after a space, where its language has spaces."""
        settings = base.generation_config
        has_spaces = not _is_multilingual(settings) or _language_token(settings)[2:-2] not in NO_SPACES
        return super().tokens(base, processor, " " * has_spaces + text.strip())

    def stem(self, base: Any, processor: Any, clip: Clip) -> torch.Tensor:
        """Convolutions and positions, 50 frames a second. Restates transformers' WhisperEncoder.forward so far."""
        from torch.nn.functional import gelu

        extracted = processor.feature_extractor(clip.samples, sampling_rate=self.sample_rate, return_tensors="pt")
        encoder = base.model.encoder
        count = self.frames(base, len(clip.samples))
        spectrum = extracted.input_features[..., : 2 * count]  # the second convolution halves it
        hidden = gelu(encoder.conv1(spectrum.to(base.device, base.dtype)))
        frames: torch.Tensor = gelu(encoder.conv2(hidden))[0].T + encoder.embed_positions.weight[:count]
        return frames

    def frozen_part(self, model: torch.nn.Module, processor: Any) -> str:
        """As every family's, and the length of the frames."""
        frozen = super().frozen_part(model, processor)
        return frozen if self.silence_after is None else f"{frozen} {self.silence_after}"

    def frames(self, base: Any, samples: int) -> int:
        """How many frames a clip of so many `samples` fills."""
        most = int(base.config.max_source_positions)
        if self.silence_after is None:
            return most
        return min(most, math.ceil(samples / _SAMPLES_PER_FRAME + self.silence_after * FRAMES_A_SECOND))

    def encode(self, base: Any, stem: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The layers over padded stems; clips that fill their frame have nothing to mask."""
        encoder = base.model.encoder
        heard = None if mask.all() else attention_mask(encoder.config, stem, stem, mask)
        for layer in encoder.layers:
            stem = layer(stem, heard)
        output: torch.Tensor = encoder.layer_norm(stem)
        return output

    def decode(self, base: Any, ids: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor, cache: Any) -> Any:
        """As every family's. This decoder takes no mask of the frames: its layers get it from `memory`."""
        from studio.models.kernels.cache import cache_for

        decoder = base.model.decoder
        if not mask.all():
            _mask_memory(decoder, ids, memory, mask)
        return decoder(input_ids=ids, encoder_hidden_states=memory, **cache_for(decoder, cache)).last_hidden_state


def attention_mask(config: Any, queries: torch.Tensor, heard: torch.Tensor, mask: torch.Tensor) -> Any:
    """`mask` (batch, frames) as the model's way of attending from `queries` to what it has `heard` takes it."""
    from transformers.masking_utils import create_bidirectional_mask

    return create_bidirectional_mask(
        config=config, inputs_embeds=queries, attention_mask=mask, encoder_hidden_states=heard
    )


def _mask_memory(decoder: Any, ids: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor) -> None:
    """Have the layers of `decoder` leave out the padding of `memory` (batch, frames, width) by `mask`.

    transformers hands its layers no mask of the frames. Here it travels with `memory`, so that a layer that is computed
    again for its gradients has the one that it had.
    """
    queries = memory.new_empty((*ids.shape, 1))
    memory.frames_mask = attention_mask(decoder.config, queries, memory, mask)  # type: ignore[attr-defined]
    for layer in decoder.layers:
        if _with_its_mask not in layer.encoder_attn._forward_pre_hooks.values():
            layer.encoder_attn.register_forward_pre_hook(_with_its_mask, with_kwargs=True)


def _with_its_mask(attention: Any, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    memory = named["key_value_states"]
    return given, named | {"attention_mask": getattr(memory, "frames_mask", None)}


def _is_multilingual(settings: Any) -> bool:
    return bool(getattr(settings, "is_multilingual", True) and getattr(settings, "lang_to_id", None))


def _language_token(settings: Any) -> str:
    """The token of the settled language, which may be given as “german”, “de” or “<|de|>”."""
    language = settings.language.lower().strip("<|>")
    if f"<|{language}|>" in settings.lang_to_id:
        return f"<|{language}|>"
    from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

    return f"<|{TO_LANGUAGE_CODE.get(language, language)}|>"
