"""Typed text in a runtime other than PyTorch: the runtime computes logits, all else is what PyTorch's side does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.export.reference import FIRST_LOGITS, Reference, clip_of
from studio.models.causal_lm.decoding import Network
from studio.models.causal_lm.family import CausalLm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TypedRuntime:
    """A network, and of the `reference` tokenizer, settings, margin and list of words."""

    def __init__(self, network: Network, reference: Reference) -> None:
        self._network, self._recogniser = network, reference.recogniser

    def stages(self, typed: str) -> dict[str, NDArray[np.float32]]:
        """The logits after the prompt."""
        family, model, processor = self._parts
        prompt = family.prompt(model, processor, clip_of(typed))
        return {FIRST_LOGITS: self._network(prompt, 0, len(prompt) - 1)[0].numpy()}

    def transcribe(self, typed: str) -> str:
        """The corrected text, with the typed one for a draft."""
        family, model, processor = self._parts
        return family.answer(model, processor, clip_of(typed), self._network).text

    @property
    def _parts(self) -> tuple[CausalLm, Any, Any]:
        family = self._recogniser.family
        assert isinstance(family, CausalLm)  # what the targets that use this take
        return family, self._recogniser.model, self._recogniser.processor
