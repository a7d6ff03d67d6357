"""whisper.cpp through its C interface, which the package pywhispercpp brings along as a library.

The package's own Python functions give neither logits nor a greedy search by other rules than whisper.cpp's.
"""

from __future__ import annotations

import ctypes
import functools
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError
from studio.export.reference import ENCODER, FIRST_LOGITS, Reference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_Log = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_SIGNATURES: dict[str, tuple[Any, Sequence[Any]]] = {
    "whisper_log_set": (None, [_Log, ctypes.c_void_p]),
    "whisper_init_from_file": (ctypes.c_void_p, [ctypes.c_char_p]),
    "whisper_free": (None, [ctypes.c_void_p]),
    "whisper_n_vocab": (ctypes.c_int, [ctypes.c_void_p]),
    "whisper_pcm_to_mel": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int]),
    "whisper_encode": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]),
    "whisper_decode": (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.POINTER(ctypes.c_int32), ctypes.c_int, ctypes.c_int, ctypes.c_int],
    ),
    "whisper_get_logits": (ctypes.POINTER(ctypes.c_float), [ctypes.c_void_p]),
}


class WhisperCpp:
    """A ggml file in whisper.cpp, which turns sound into features itself."""

    def __init__(self, file: Path, in_pytorch: Reference, reference: Reference) -> None:
        """`in_pytorch` has the file's weights: whisper.cpp does not say what its encoder gives. Raises ModelError."""
        self._library, self._reference, self._in_pytorch = _library(), reference, in_pytorch
        self._context = self._library.whisper_init_from_file(str(file).encode())
        if not self._context:
            raise ModelError(f"whisper.cpp cannot load {file}.", "Export it to another target.")
        weakref.finalize(self, self._library.whisper_free, self._context)

    def stages(self, samples: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """The encoder's output by the file's weights in PyTorch; the logits after the prompt by whisper.cpp."""
        encoder = {ENCODER: self._in_pytorch.stages(samples)[ENCODER]}
        self._encode(samples)
        return encoder | {FIRST_LOGITS: self._after(self._reference.rules.prompt, 0)}

    def transcribe(self, samples: NDArray[np.float32]) -> str:
        """The likeliest token after each other, by the rules and to the length that PyTorch keeps to."""
        self._encode(samples)
        heard = 0

        def following(ids: Sequence[int]) -> NDArray[np.float32]:
            nonlocal heard
            heard += len(ids)
            return self._after(ids, heard - len(ids))

        return self._reference.written(samples, following)

    def _encode(self, samples: NDArray[np.float32]) -> None:
        import numpy as np

        sound, threads = np.ascontiguousarray(samples, np.float32), self._reference.threads
        self._done(self._library.whisper_pcm_to_mel(self._context, sound.ctypes.data, len(sound), threads))
        self._done(self._library.whisper_encode(self._context, 0, threads))

    def _after(self, ids: Sequence[int], heard: int) -> NDArray[np.float32]:
        """The logits after `ids`, before which the decoder was given `heard` tokens."""
        import numpy as np

        given = (ctypes.c_int32 * len(ids))(*ids)
        self._done(self._library.whisper_decode(self._context, given, len(ids), heard, self._reference.threads))
        size = self._library.whisper_n_vocab(self._context)
        logits = np.ctypeslib.as_array(self._library.whisper_get_logits(self._context), (len(ids), size))
        last: NDArray[np.float32] = logits[-1].copy()
        return last

    def _done(self, status: int) -> None:
        if status:
            raise ModelError(f"whisper.cpp failed with status {status}.", "Export it to another target.")


_silent = _Log(lambda level, text, data: None)  # otherwise it logs to stderr; kept here for as long as it may do so


@functools.lru_cache(maxsize=1)
def _library() -> Any:
    """The C functions: the package's module is linked with the library, which is found through it."""
    import _pywhispercpp

    library = ctypes.CDLL(_pywhispercpp.__file__)
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library.whisper_log_set(_silent, None)
    return library
