"""The target “onnx”: Hugging Face's layout, which transformers.js and most programs on ONNX Runtime look for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from studio.export.onnx.runtime import MergedGraphs
from studio.export.onnx.weights import Source
from studio.export.reference import Reference
from studio.export.targets import Runtime
from studio.progress import OnProgress

FOLDER = "onnx"
ENDINGS: Mapping[str, str] = MappingProxyType({"fp32": "", "int8": "_quantized"})  # as programs look for them
_PARTS = ("encoder_model", "decoder_model_merged")
_USAGE = """In Node or in a web page, with `npm install @huggingface/transformers`:

```js
import {{ env, pipeline }} from "@huggingface/transformers";

env.localModelPath = {parent}; // in a page: the address of that folder
env.allowRemoteModels = false;
const transcriber = await pipeline("automatic-speech-recognition", {name}, {{ dtype: {dtype} }});
console.log((await transcriber(samples)).text); // a Float32Array at 16 kHz
```
"""


class HuggingFace:
    """`onnx/encoder_model.onnx` and `onnx/decoder_model_merged.onnx`, settings and tokenizer beside that folder."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """The two graphs of `merged`. Raises ModelError where one is too large for a file, DiskError."""
        source, (encoder, decoder) = Source.read(merged), _paths(out, precision)
        encoder.parent.mkdir()
        progress(0, 2)
        source.write_encoder(encoder, precision)
        progress(1, 2)
        source.write_decoder(decoder, precision)
        source.copy_rest(out)
        progress(2, 2)

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """The folder in ONNX Runtime on the CPU."""
        encoder, decoder = (next((folder / FOLDER).glob(f"{part}*.onnx")) for part in _PARTS)
        return MergedGraphs(encoder, decoder, reference)

    def usage(self, folder: Path, files: Path) -> str:
        """The lines of transformers.js."""
        dtype = "q8" if any((files / FOLDER).glob("*_quantized.onnx")) else "fp32"
        return _USAGE.format(
            parent=json.dumps(str(folder.parent)), name=json.dumps(folder.name), dtype=json.dumps(dtype)
        )


def _paths(out: Path, precision: str) -> list[Path]:
    return [out / FOLDER / f"{part}{ENDINGS[precision]}.onnx" for part in _PARTS]
