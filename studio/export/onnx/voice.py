"""The target “moonshine-voice”: Moonshine's own runtime, on phones, computers and in Python.

It reads graphs in ONNX Runtime's own format, tiny and base as the makers shaped them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from studio.errors import ModelError
from studio.export.model_files import check_raw_sound
from studio.export.onnx.runtime import MergedGraphs, converted
from studio.export.onnx.tokens import write_list
from studio.export.onnx.weights import Source
from studio.export.reference import Reference
from studio.export.targets import Runtime
from studio.models.claims import read_object
from studio.progress import OnProgress

ENCODER, DECODER, TOKENS = "encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin"
_SHAPES = {(6, 8, 288): "TINY", (8, 8, 416): "BASE"}  # layers, heads, width; the runtime has them in its code
_SIZES = ("decoder_num_hidden_layers", "decoder_num_attention_heads", "hidden_size")
_TOKENS = {"decoder_start_token_id": 1, "eos_token_id": 2}  # these too
_SETTINGS = "config.json"  # says which of the two it is
_USAGE = """## Use it in Python, with Moonshine's own runtime

`pip install moonshine-voice`, then:

```python
import librosa
from moonshine_voice import ModelArch, Transcriber

transcriber = Transcriber({folder!r}, ModelArch.{shape})
samples, rate = librosa.load("clip.wav", sr=16_000)
transcript = transcriber.transcribe_without_streaming(samples.tolist(), rate)
print(" ".join(line.text for line in transcript.lines))
```

## Use it in an app for Android or iOS, with Moonshine's own runtime

The makers' packages for both take the same folder: copy it into the app, and give a transcriber its path and the
shape, which is {shape}.
"""


class MoonshineVoice:
    """`encoder_model.ort`, `decoder_model_merged.ort` and `tokenizer.bin`."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """The two graphs of `merged` and its tokens. Raises ModelError where the runtime cannot run it, DiskError."""
        source = Source.read(merged)
        _shape(merged)
        check_raw_sound(source.processor, "Moonshine's runtime")
        progress(0, 4)
        with TemporaryDirectory(dir=out) as folder:
            encoder, decoder = Path(folder) / "encoder.onnx", Path(folder) / "decoder.onnx"
            source.write_encoder(encoder, precision)
            progress(1, 4)
            source.write_decoder(decoder, precision)
            progress(2, 4)
            converted(encoder, out / ENCODER)
            progress(3, 4)
            converted(decoder, out / DECODER)
        write_list(source.processor.tokenizer, out / TOKENS)
        shutil.copy2(merged / _SETTINGS, out / _SETTINGS)
        progress(4, 4)

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """The graphs in ONNX Runtime on the CPU, by the rules that PyTorch keeps to."""
        return MergedGraphs(folder / ENCODER, folder / DECODER, reference)

    def usage(self, folder: Path, files: Path) -> str:
        """The lines of the makers' package."""
        return _USAGE.format(folder=str(folder), shape=_shape(files))


def _shape(folder: Path) -> str:
    """The makers' name for the shape of the model in `folder`. Raises ModelError where it is neither of theirs."""
    settings = read_object(folder / _SETTINGS)
    sizes = tuple(settings.get(name) for name in _SIZES)
    if sizes not in _SHAPES or any(settings.get(name) != number for name, number in _TOKENS.items()):
        raise ModelError(
            "Moonshine's runtime takes models of the shape of Moonshine tiny or base, and this is another.",
            "Export it to another target.",
        )
    return _SHAPES[sizes]
