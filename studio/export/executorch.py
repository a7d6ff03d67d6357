"""The target “executorch”: PyTorch's own runtime for phones and small machines, one file; of Moonshine two methods.

They are computed by XNNPACK where it knows how, and else by the runtime's own portable code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError
from studio.export import executorch_typing as typing
from studio.export.executorch_program import FILE, executed, in_eight_bits, lowered, opened, quiet
from studio.export.model_files import check_raw_sound, copy_rest, rules_of
from studio.export.prompt import Prompt
from studio.export.reference import ENCODER, FIRST_LOGITS, Reference
from studio.export.targets import Runtime
from studio.export.typed import TypedRuntime
from studio.faults import plain_reason
from studio.models import load_to_trace
from studio.models.registry import family_of
from studio.progress import OnProgress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ENCODER, _DECODER = "encoder", "decoder"  # the methods
_RATE = 16_000  # samples a second
_LEAST, _MOST = _RATE // 10, 30 * _RATE  # samples; the fewest make two frames, since one would be a shape of its own
_USAGE = """The file has two methods. `encoder` takes samples at 16 kHz, (1, samples), of 0.1 to 30 s, and returns its
output, the keys and the values. `decoder` takes a token, its position in the text, and those keys and values; it
returns the logits of the next token, and caches the tokens at earlier positions. A text begins with token {start} at
position 0 and ends with {ends}; it has at most {most} tokens.

## Use it in an Android app

Copy `{file}` and `tokenizer.json` into the app and add `org.pytorch:executorch-android` in Gradle, then:

```kotlin
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

val model = Module.load(path) // of {file}
val sound = Tensor.fromBlob(samples, longArrayOf(1, samples.size.toLong())) // a FloatArray at 16 kHz
val (_, keys, values) = model.execute("encoder", EValue.from(sound))
val ids = mutableListOf({start}L)
while (ids.size <= {most}) {{
    val token = Tensor.fromBlob(longArrayOf(ids.last()), longArrayOf(1))
    val position = Tensor.fromBlob(longArrayOf(ids.size - 1L), longArrayOf(1))
    val found = model.execute("decoder", EValue.from(token), EValue.from(position), keys, values)
    val logits = found[0].toTensor().dataAsFloatArray
    val next = logits.indices.maxBy {{ logits[it] }}.toLong()
    if (next in longArrayOf({ends})) break
    ids.add(next)
}} // `ids` without the first are the text, which any reader of tokenizer.json decodes
```

## Use it in an app for iPhone or Mac

Add ExecuTorch's Swift package with `backend_xnnpack` and `kernels_optimized`, and both files to the app, then:

```swift
import ExecuTorch

let model = Module(filePath: path) // of {file}
let encoded = try model.execute("encoder", Tensor<Float>(samples, shape: [1, samples.count]))
var ids: [Int64] = [{start}]
while ids.count <= {most} {{
    let token = Tensor<Int64>([ids.last!], shape: [1])
    let position = Tensor<Int64>([Int64(ids.count - 1)], shape: [1])
    let logits: Tensor<Float> = try model.execute("decoder", [token, position, encoded[1], encoded[2]])[0].tensor()!
    let scores = logits.scalars()
    let next = Int64(scores.indices.max {{ scores[$0] < scores[$1] }}!)
    if [{ends}].contains(next) {{ break }}
    ids.append(next)
}} // `ids` without the first are the text, which any reader of tokenizer.json decodes
```

## Use it in Python, with ExecuTorch

`pip install executorch tokenizers librosa`, then:

```python
import librosa
import torch
from executorch.runtime import Runtime
from tokenizers import Tokenizer

folder = {folder!r}
program = Runtime.get().load_program(f"{{folder}}/{file}")
encoder, decoder = (program.load_method(name) for name in ("encoder", "decoder"))
samples, rate = librosa.load("clip.wav", sr=16_000)
_, keys, values = encoder.execute([torch.from_numpy(samples)[None]])
ids = [{start}]
while len(ids) <= {most}:
    position = len(ids) - 1
    (logits,) = decoder.execute([torch.tensor([ids[-1]]), torch.tensor([position]), keys, values])
    token = int(logits.argmax())
    if token in ({ends},):
        break
    ids.append(token)
print(Tokenizer.from_file(f"{{folder}}/tokenizer.json").decode(ids[1:]).strip())
```
"""


class ExecuTorch:
    """`model.pte`, settings and tokenizer next to it."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """The methods of `merged`. Raises ModelError where ExecuTorch refuses the model, DiskError."""
        progress(0, 3)
        recogniser, in_bytes = load_to_trace(merged), precision != "fp32"
        is_typing = recogniser.family.kind == "typing"
        if not is_typing:
            check_raw_sound(recogniser.processor, "an app")
        with quiet():
            try:
                programs = (typing.programs if is_typing else _programs)(recogniser.model, in_bytes)
                progress(1, 3)
                program = lowered(programs)
            except (RuntimeError, ValueError, TypeError, KeyError, AssertionError) as error:
                raise ModelError(
                    f"ExecuTorch cannot convert this model: {plain_reason(error)}.", "Export it to another target."
                ) from error
        progress(2, 3)
        with (out / FILE).open("wb") as file:
            program.write_to_file(file)
        copy_rest(merged, out)
        if is_typing:
            Prompt.of(recogniser).write(out)
        progress(3, 3)

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """The file in ExecuTorch on the CPU, by the rules that PyTorch keeps to."""
        recogniser = reference.recogniser
        if recogniser.family.kind == "typing":
            positions = recogniser.model.config.max_position_embeddings
            return TypedRuntime(typing.Program(folder / FILE, positions, reference.threads), reference)
        return _Program(folder / FILE, reference)

    def usage(self, folder: Path, files: Path) -> str:
        """What the methods take, and the lines for Kotlin, Swift and Python."""
        if family_of(files).kind == "typing":
            return typing.usage(folder, files)
        rules, most = rules_of(files)
        (start,), ends = rules.prompt, ", ".join(map(str, rules.ends))
        return _USAGE.format(folder=str(folder), file=FILE, start=start, ends=ends, most=most)


class _Program:
    """Both methods. The decoder's memory is the program's: one text at a time."""

    def __init__(self, path: Path, reference: Reference) -> None:
        self._program = opened(path, reference.threads)
        self._encoder, self._decoder = map(self._program.load_method, (_ENCODER, _DECODER))
        self._reference = reference

    def stages(self, samples: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """The encoder's output and the logits after the prompt."""
        hidden, *encoded = self._encode(samples)
        return {ENCODER: hidden.numpy(), FIRST_LOGITS: self._following(encoded)(self._reference.rules.prompt)}

    def transcribe(self, samples: NDArray[np.float32]) -> str:
        """Greedily, by the rules and to the length that PyTorch keeps to."""
        return self._reference.written(samples, self._following(self._encode(samples)[1:]))

    def _encode(self, samples: NDArray[np.float32]) -> list[Any]:
        """The encoder's output, and the keys and values of it."""
        import torch

        given = torch.from_numpy(samples)[None]
        if len(samples) < _LEAST:
            given = torch.nn.functional.pad(given, (0, _LEAST - len(samples)))
        return [each.clone() for each in executed(self._encoder, given)]

    def _following(self, encoded: Sequence[Any]) -> Callable[[Sequence[int]], NDArray[np.float32]]:
        """The logits after the ids that it is given, which continue those that it was given before."""
        import torch

        position = 0

        def following(ids: Sequence[int]) -> NDArray[np.float32]:
            nonlocal position
            for token in ids:
                (found,) = executed(self._decoder, torch.tensor([token]), torch.tensor([position]), *encoded)
                position += 1
            logits: NDArray[np.float32] = found.numpy().copy()
            return logits

        return following


def _programs(network: Any, in_bytes: bool) -> dict[str, Any]:
    """Encoder and decoder, for sounds of any length that the model takes; `in_bytes` as far as that goes."""
    import torch
    from torch.export import Dim, export

    from studio.export.traceable import ByteEmbedding
    from studio.export.traceable_moonshine import FRAMES, Decoder, Encoder

    encoder, decoder = Encoder(network).eval(), Decoder(network).eval()
    if in_bytes:
        decoder.embedding = ByteEmbedding(network.get_input_embeddings().weight.detach())
        in_eight_bits([encoder, decoder])
    with torch.no_grad():
        samples = torch.zeros(1, 2 * _RATE)
        _, keys, values = encoder(samples)
        given = (torch.tensor([1]), torch.tensor([0]), keys, values)
        frames = {2: Dim.DYNAMIC(min=2, max=FRAMES)}
        length = {1: Dim.DYNAMIC(min=_LEAST, max=_MOST)}
        return {
            _ENCODER: export(encoder, (samples,), dynamic_shapes=(length,), strict=False),
            _DECODER: export(decoder, given, dynamic_shapes=(None, None, frames, frames), strict=False),
        }
