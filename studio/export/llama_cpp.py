"""llama.cpp through its C interface, as the package llama-cpp-python has it, which computes a GGUF file's logits."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError

if TYPE_CHECKING:
    import torch

_MOST_POSITIONS = 4096  # whatever the model has: their keys and values are memory


class LlamaCpp:
    """A GGUF file in llama.cpp, on the CPU. See `Network`."""

    def __init__(self, file: Path, positions: int, threads: int) -> None:
        """Raises ModelError where llama.cpp cannot load the file."""
        self._library = api = _library()
        model = api.llama_model_load_from_file(str(file).encode(), api.llama_model_default_params())
        if not model:
            raise ModelError(f"llama.cpp cannot load {file}.", "Export it to another target.")
        weakref.finalize(self, api.llama_model_free, model)
        settings = api.llama_context_default_params()
        settings.n_ctx = settings.n_batch = min(positions, _MOST_POSITIONS)
        settings.n_threads = settings.n_threads_batch = threads
        self._context = api.llama_init_from_model(model, settings)
        weakref.finalize(self, api.llama_free, self._context)  # called before the model's
        self._memory = api.llama_get_memory(self._context)
        self._vocabulary = api.llama_vocab_n_tokens(api.llama_model_get_vocab(model))

    def __call__(self, ids: Sequence[int], seen: int, first: int) -> torch.Tensor:
        """See `Network`. Raises ModelError where there is no room for so many tokens."""
        import numpy as np
        import torch

        api, batch = self._library, self._library.llama_batch_init(len(ids), 0, 1)
        try:
            api.llama_memory_seq_rm(self._memory, 0, seen, -1)
            for place, token in enumerate(ids):
                batch.token[place], batch.pos[place], batch.logits[place] = token, seen + place, place >= first
                batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
            batch.n_tokens = len(ids)
            if status := api.llama_decode(self._context, batch):
                raise ModelError(f"llama.cpp failed with status {status}.", "Export it to another target.")
            rows = (api.llama_get_logits_ith(self._context, place) for place in range(first, len(ids)))
            return torch.from_numpy(np.stack([np.ctypeslib.as_array(row, (self._vocabulary,)).copy() for row in rows]))
        finally:
            api.llama_batch_free(batch)


@functools.lru_cache(maxsize=1)
def _library() -> Any:
    """The C functions, without what they would print."""
    import llama_cpp

    api: Any = llama_cpp
    silent = api.llama_log_callback(lambda level, text, data: None)
    api.llama_log_set(silent, None)
    api.llama_backend_init()
    api.studio_silent = silent  # llama.cpp calls it for as long as it runs
    return api
