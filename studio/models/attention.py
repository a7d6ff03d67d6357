"""Where in the sound a decoder looks while it writes a given text: its cross-attention shows when words are said.

The weights are computed again from the queries and keys of the layers that are asked for: that leaves the model's own
way of attending, which may never hold them, as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.models.base import Clip
from studio.models.encoder_decoder import EncoderDecoder, base_of, end_tokens
from studio.models.inference_mode import inference_mode
from studio.models.limits import check_length

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

Head = tuple[int, int]  # layer of the decoder, head in it


def alignment_heads(base: Any) -> list[Head]:
    """The heads that follow the sound as its generation config lists them; else those of the later half of layers.

    The second is openai/whisper's own default (model.py, alignment_heads).
    """
    listed = getattr(getattr(base, "generation_config", None), "alignment_heads", None)
    layers, heads = len(base.model.decoder.layers), _heads(base)
    found = [(int(layer), int(head)) for layer, head in listed or () if layer < layers and head < heads]
    return found or [(layer, head) for layer in range(layers // 2, layers) for head in range(heads)]


@dataclass(frozen=True, slots=True)
class Attention:
    """How much each frame of a clip counts for each token."""

    weights: NDArray[np.float32]  # (heads, tokens + 1, frames); each row sums to 1, the last is the end's
    step: float  # seconds from one frame to the next


def cross_attention(family: EncoderDecoder, model: Any, processor: Any, clip: Clip, tokens: Sequence[int]) -> Attention:
    """Where the alignment heads look as each of `tokens`, and then the end, is about to be written.

    Raises DataError where the clip is too short or too long.
    """
    import torch

    check_length(family, clip)
    base = base_of(model)
    prompt, heads = family.prompt(base), alignment_heads(base)
    given = torch.tensor([[*prompt, *tokens, end_tokens(base)[0]]], device=base.device)
    with inference_mode(model), _watched(base, {layer for layer, _ in heads}) as seen:
        stem = family.stem(base, processor, clip)[None]
        mask = torch.ones(stem.shape[:2], dtype=torch.bool, device=stem.device)
        family.decode(base, given, family.encode(base, stem, mask), mask, None)
        frames, step = _extent(family, processor, clip, stem.shape[1])
        rows = [_weights(base, seen[layer], head, frames)[len(prompt) - 1 : -1] for layer, head in heads]
    return Attention(torch.stack(rows).cpu().numpy(), step)


def _extent(family: EncoderDecoder, processor: Any, clip: Clip, frames: int) -> tuple[int, float]:
    """How many of `frames` are the clip's own, and seconds a frame: Whisper's go on in silence up to 30 s."""
    samples = getattr(processor.feature_extractor, "n_samples", len(clip.samples))
    step = samples / family.sample_rate / frames
    return min(frames, math.ceil(len(clip.samples) / family.sample_rate / step)), step


@contextmanager
def _watched(base: Any, layers: set[int]) -> Iterator[dict[int, list[torch.Tensor]]]:
    """Within the block: of each of `layers`, its latest queries and keys (tokens or frames, width)."""
    seen: dict[int, list[Any]] = {layer: [None, None] for layer in layers}
    hooks = []
    for layer in layers:
        attention = base.model.decoder.layers[layer].encoder_attn
        for place, projection in enumerate((attention.q_proj, attention.k_proj)):
            hooks.append(projection.register_forward_hook(_keeper(seen[layer], place)))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _keeper(kept: list[Any], place: int) -> Any:
    def keep(module: Any, given: Any, output: torch.Tensor) -> None:
        kept[place] = output[0]

    return keep


def _weights(base: Any, seen: Sequence[torch.Tensor], head: int, frames: int) -> torch.Tensor:
    """(tokens, frames) of one head over the first `frames` alone, in fp32."""
    queries, keys = seen
    width = queries.shape[-1] // _heads(base)
    part = slice(head * width, (head + 1) * width)
    scores: torch.Tensor = queries[:, part].float() @ keys[:frames, part].float().T
    weights: torch.Tensor = (scores * width**-0.5).softmax(-1)
    return weights


def _heads(base: Any) -> int:
    config = base.config
    return int(
        getattr(config, "decoder_attention_heads", config.num_attention_heads)
    )  # Whisper's other is the encoder's
