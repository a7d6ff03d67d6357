"""A family that takes typed text, small enough for a test: a Llama of two layers that reads and writes bytes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch

from studio.config import Kind
from studio.errors import DataError
from studio.models import registry
from studio.models.base import Clip, Hypothesis

_START, _TURN, _END = 256, 257, 258  # tokens after the 256 bytes
_MOST = 120  # bytes of one side


def llama(folder: Path) -> Path:
    """A folder with such a model, its weights random."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=260, max_position_embeddings=256, pad_token_id=259, **shape)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let models of the type “llama” be of this family."""
    known = {**registry.FAMILIES, "llama": "typing_family:Bytes"}
    monkeypatch.setattr(registry, "FAMILIES", MappingProxyType(known))


class Bytes:
    """See `studio.models.base.Family` for the contracts."""

    name = "llama"
    kind: Kind = "typing"
    sample_rate = 16_000
    min_seconds = 0.0
    max_seconds = 30.0
    lora_targets: Mapping[str, str] = MappingProxyType(
        dict.fromkeys(("conventions", "voice", "deep", "full"), r"model\.layers\.\d+\..*_proj")
    )
    targets_on_cpu = "full"
    below_adapters = r"(?!)"

    def load(self, folder: Path, device: str, dtype: torch.dtype, language: str = "") -> tuple[Any, Any]:
        from transformers import LlamaForCausalLM

        return LlamaForCausalLM.from_pretrained(folder, dtype=dtype).to(device).eval(), self.load_processor(folder)

    def load_processor(self, folder: Path) -> Any:
        return None

    def save(self, model: Any, processor: Any, folder: Path) -> None:
        model.save_pretrained(folder)

    def save_processor(self, processor: Any, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)

    def check_text(self, model: Any, processor: Any, text: str) -> None:
        if len(text.encode()) > _MOST:
            raise DataError(f"The text has {len(text.encode())} bytes.", "Shorten it.")

    def prepare(self, model: Any, processor: Any, clip: Clip) -> dict[str, torch.Tensor]:
        self.check_text(model, processor, clip.typed)
        prompt, answer = _prompt(clip), [*clip.text.encode(), _END]
        return {"ids": torch.tensor(prompt + answer), "labels": torch.tensor([-100] * len(prompt) + answer)}

    def collate(self, rows: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        from torch.nn.utils.rnn import pad_sequence

        return {
            "ids": pad_sequence([row["ids"] for row in rows], batch_first=True, padding_value=259),
            "labels": pad_sequence([row["labels"] for row in rows], batch_first=True, padding_value=-100),
        }

    def loss(self, model: Any, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        from torch.nn.functional import cross_entropy

        logits, labels = model(batch["ids"]).logits[:, :-1].float(), batch["labels"][:, 1:]
        return cross_entropy(logits.transpose(1, 2), labels, reduction="sum"), (labels != -100).sum()

    @torch.no_grad()
    def transcribe_batch(self, model: Any, processor: Any, clips: Sequence[Clip]) -> list[Hypothesis]:
        was, found = model.training, []
        model.eval()
        for clip in clips:
            start, ids, written = time.perf_counter(), _prompt(clip), []
            for _ in range(len(clip.typed.encode()) + 8):
                written.append(int(model(torch.tensor([ids + written])).logits[0, -1].argmax()))
                if written[-1] >= _START:
                    break
            text = bytes(token for token in written if token < _START).decode("utf-8", "replace")
            found.append(Hypothesis(text=text, seconds=0, latency=time.perf_counter() - start))
        model.train(was)
        return found


def _prompt(clip: Clip) -> list[int]:
    return [_START, *clip.typed.encode(), _TURN]
