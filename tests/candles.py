"""The Candle copy of a tiny Kyutai model, as its makers' servers would load it, without a real codec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from studio.export.candle_layout import Shape, to_makers
from studio.models.kyutai.candle_folder import CONFIG, WEIGHTS

CODEC, TOKENIZER = "mimi-pytorch-tiny.safetensors", "tokenizer_tiny.model"
CLASSES, HEADS = 6, 4


def makers_config(**changes: Any) -> dict[str, Any]:
    """The config.json that the makers would give the tiny model."""
    return {
        "card": 64, "n_q": 4, "dep_q": 0, "delays": [0] * 5, "dim": 64, "text_card": 484, "num_heads": 4,
        "existing_text_padding_id": 3, "num_layers": 2, "hidden_scale": 1.5, "causal": True, "layer_scale": None,
        "context": 375, "max_period": 10000.0, "gating": "silu", "norm": "rms_norm_f32",
        "positional_embedding": "rope", "conditioners": {}, "cross_attention": False, "model_type": "stt",
        "depformer_multi_linear": True, "depformer_weights_per_step": True, "depformer_dim": 16,
        "extra_heads_num_heads": HEADS, "extra_heads_dim": CLASSES, "mimi_name": CODEC, "tokenizer_name": TOKENIZER,
        "stt_config": {"audio_delay_seconds": 0.5, "audio_silence_prefix_seconds": 0.0}, **changes,
    }  # fmt: skip


def write_candle(model: Path, heads: int = HEADS, weights: Any = None) -> Path:
    """The Candle copy next to the tiny `model`, with pause heads `weights` (heads, classes, width), or random ones."""
    import torch
    from safetensors.torch import load_file, save_file

    folder = model.with_name(f"{model.name}-candle")
    folder.mkdir()
    ours = load_file(model / "model.safetensors")
    shape = Shape.of(json.loads((model / "config.json").read_text()))
    found = {name: tensor.contiguous().clone() for name, tensor in to_makers(ours.__getitem__, shape)}
    generator = torch.Generator().manual_seed(7)
    rows = torch.randn(heads, CLASSES, 64, generator=generator) if weights is None else weights
    found |= {f"extra_heads.{head}.weight": row.contiguous() for head, row in enumerate(rows)}
    save_file(found, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(makers_config(extra_heads_num_heads=len(rows))))
    (folder / CODEC).write_bytes(b"codec")
    (folder / TOKENIZER).write_bytes(b"tokenizer")
    return folder
