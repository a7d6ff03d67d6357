"""The target “ctranslate2”: a folder for faster-whisper and all that is built on it.

CTranslate2's own converter writes it. It reads the files of transformers 4, which the merged folder has too.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError
from studio.export.reference import ENCODER, FIRST_LOGITS, Reference
from studio.export.targets import Runtime
from studio.faults import plain_reason
from studio.models.language import language_of
from studio.models.pretrained import without_bars
from studio.progress import OnProgress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NAMES: Mapping[str, str] = MappingProxyType({"fp32": "float32", "fp16": "float16", "int8": "int8"})
_COPIED = ("tokenizer.json", "preprocessor_config.json", "generation_config.json")
"""faster-whisper reads the first two along with CTranslate2's own files; the third says which language it is."""
_PART = ".part"  # the converter wants a folder that is not there yet
_USAGE = """## Use it in Python, with faster-whisper

`pip install faster-whisper`, then:

```python
from faster_whisper import WhisperModel

model = WhisperModel({folder!r}, device="cpu")
segments, _ = model.transcribe("clip.wav", language={language!r}, beam_size=1)
print("".join(segment.text for segment in segments))
```

## Use it in Home Assistant

`pip install wyoming-faster-whisper` on the machine that has this folder, and start:

```sh
wyoming-faster-whisper --model {quoted} --language {language} --uri tcp://0.0.0.0:10300 --data-dir {quoted}
```

Then, in Home Assistant, add the integration “Wyoming Protocol” with that machine's address and port 10300.

## Use it in WhisperX and Whisper-WebUI

WhisperX takes the folder as its model:

```sh
whisperx clip.wav --model {quoted} --language {language}
```

For Whisper-WebUI copy the folder into its `models/Whisper/faster-whisper`; it is then in the list of models.
"""


class CTranslate2:
    """Whisper as `model.bin`, `config.json` and `vocabulary.json`."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """Convert `merged`. Raises ModelError where the converter refuses it, DiskError."""
        from ctranslate2.converters import TransformersConverter

        progress(0, 1)
        try:
            with without_bars():
                converter = TransformersConverter(str(merged), copy_files=list(_COPIED))
                converter.convert(str(out / _PART), quantization=_NAMES[precision])
        except (RuntimeError, ValueError, TypeError, KeyError) as error:
            raise ModelError(
                f"CTranslate2 cannot convert this model: {plain_reason(error)}.", "Export it to another target."
            ) from error
        for path in (out / _PART).iterdir():
            path.rename(out / path.name)
        (out / _PART).rmdir()
        progress(1, 1)

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """The folder in CTranslate2 on the CPU, which computes fp16 weights in fp32."""
        return _Whisper(folder, reference)

    def usage(self, folder: Path, files: Path) -> str:
        """For faster-whisper and the programs built on it."""
        return _USAGE.format(folder=str(folder), quoted=shlex.quote(str(folder)), language=language_of(str(files)))


class _Whisper:
    """The exported folder in CTranslate2. What turns sound into features is PyTorch's: it takes them from others."""

    def __init__(self, folder: Path, reference: Reference) -> None:
        import ctranslate2
        from ctranslate2.models import Whisper

        ctranslate2.set_log_level(logging.ERROR)  # it would warn that fp16 is computed in fp32, as is meant
        self._model: Any = Whisper(str(folder), device="cpu", intra_threads=reference.threads, inter_threads=1)
        self._reference = reference

    def stages(self, samples: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """The encoder's output and the logits after the prompt."""
        import numpy as np

        encoded = self._encoded(samples)
        prompt = list(self._reference.rules.prompt)
        (found,) = self._model.generate(
            encoded, [prompt], beam_size=1, max_length=len(prompt) + 1, return_logits_vocab=True, suppress_blank=False,
            suppress_tokens=[],
        )  # fmt: skip
        first = np.array(found.logits[0][0], dtype=np.float32)
        return {ENCODER: np.array(encoded)[0].astype(np.float32), FIRST_LOGITS: first}

    def transcribe(self, samples: NDArray[np.float32]) -> str:
        """CTranslate2's own greedy search, with the rules and the length that PyTorch keeps to."""
        rules, most = self._reference.rules, self._reference.most_tokens(samples)
        (found,) = self._model.generate(
            self._encoded(samples), [list(rules.prompt)], beam_size=1, suppress_tokens=list(rules.never),
            max_length=2 * most,  # of which it writes half at most: the other is for a text before the clip
        )  # fmt: skip
        return self._reference.text(found.sequences_ids[0])

    def _encoded(self, samples: NDArray[np.float32]) -> Any:
        from ctranslate2 import StorageView

        return self._model.encode(StorageView.from_array(self._reference.mel(samples)))
