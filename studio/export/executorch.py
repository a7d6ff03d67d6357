"""The target “executorch”: PyTorch's own runtime for phones and small machines, one file with two methods.

Both are computed by XNNPACK where it knows how, and else by the runtime's own portable code.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError
from studio.export.model_files import check_raw_sound, copy_rest, rules_of
from studio.export.reference import ENCODER, FIRST_LOGITS, Reference
from studio.export.targets import Runtime
from studio.faults import plain_reason
from studio.models import load
from studio.progress import OnProgress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

FILE = "model.pte"
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
        """The two methods of `merged`. Raises ModelError where ExecuTorch refuses the model, DiskError."""
        progress(0, 3)
        recogniser = load(merged, "cpu")
        check_raw_sound(recogniser.processor, "an app")
        with _quiet():
            methods = _methods(recogniser.model, in_bytes=precision != "fp32")
            progress(1, 3)
            try:
                program = _lowered(*methods)
            except (RuntimeError, ValueError, TypeError, KeyError, AssertionError) as error:
                raise ModelError(
                    f"ExecuTorch cannot convert this model: {plain_reason(error)}.", "Export it to another target."
                ) from error
        progress(2, 3)
        with (out / FILE).open("wb") as file:
            program.write_to_file(file)
        copy_rest(merged, out)
        progress(3, 3)

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """The file in ExecuTorch on the CPU, by the rules that PyTorch keeps to."""
        return _Program(folder / FILE, reference)

    def usage(self, folder: Path, files: Path) -> str:
        """What the methods take, and the lines for Kotlin, Swift and Python."""
        rules, most = rules_of(files)
        (start,), ends = rules.prompt, ", ".join(map(str, rules.ends))
        return _USAGE.format(folder=str(folder), file=FILE, start=start, ends=ends, most=most)


class _Program:
    """Both methods. The decoder's memory is the program's: one text at a time."""

    def __init__(self, path: Path, reference: Reference) -> None:
        with _quiet():
            from executorch.extension.pybindings import portable_lib
            from executorch.runtime import Runtime as Programs

            portable_lib._unsafe_reset_threadpool(reference.threads)  # one for the whole process: nothing runs now
            self._program = Programs.get().load_program(path)
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
        return [each.clone() for each in _executed(self._encoder, given)]

    def _following(self, encoded: Sequence[Any]) -> Callable[[Sequence[int]], NDArray[np.float32]]:
        """The logits after the ids that it is given, which continue those that it was given before."""
        import torch

        position = 0

        def following(ids: Sequence[int]) -> NDArray[np.float32]:
            nonlocal position
            for token in ids:
                (found,) = _executed(self._decoder, torch.tensor([token]), torch.tensor([position]), *encoded)
                position += 1
            logits: NDArray[np.float32] = found.numpy().copy()
            return logits

        return following


def _executed(method: Any, *given: Any) -> Sequence[Any]:
    """What `method` returns. Raises ModelError where the runtime refuses what was converted."""
    try:
        found: Sequence[Any] = method.execute(given)
    except RuntimeError as error:
        raise ModelError(
            f"ExecuTorch cannot run this model: {plain_reason(error)}.", "Export it to another target."
        ) from error
    return found


def _methods(network: Any, in_bytes: bool) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder; `in_bytes` with 8-bit matrices, and 8-bit activations where they are multiplied.

    Each row of a matrix has a scale of its own, and so has each token. Convolutions stay as they are.
    """
    from studio.export.traceable import ByteEmbedding, Decoder, Encoder

    encoder, decoder = Encoder(network).eval(), Decoder(network).eval()
    if in_bytes:
        from torch import nn
        from torchao.quantization import Int8DynamicActivationIntxWeightConfig, PerAxis, quantize_

        decoder.embedding = ByteEmbedding(network.get_input_embeddings().weight.detach())
        parts = (module for method in (encoder, decoder) for module in method.modules())
        matrices = dict.fromkeys(module for module in parts if isinstance(module, nn.Linear))  # some are in both
        quantize_(nn.ModuleList(matrices), Int8DynamicActivationIntxWeightConfig(weight_granularity=PerAxis(0)))
    return encoder, decoder


def _lowered(encoder: nn.Module, decoder: nn.Module) -> Any:
    """The program of both methods, for sounds of any length that the model takes."""
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from torch.export import Dim, export

    from studio.export.traceable import FRAMES

    with torch.no_grad():
        samples = torch.zeros(1, 2 * _RATE)
        _, keys, values = encoder(samples)
        given = (torch.tensor([1]), torch.tensor([0]), keys, values)
        frames = {2: Dim.DYNAMIC(min=2, max=FRAMES)}
        length = {1: Dim.DYNAMIC(min=_LEAST, max=_MOST)}
        programs = {
            _ENCODER: export(encoder, (samples,), dynamic_shapes=(length,), strict=False),
            _DECODER: export(decoder, given, dynamic_shapes=(None, None, frames, frames), strict=False),
        }
        return to_edge_transform_and_lower(programs, partitioner=[XnnpackPartitioner()]).to_executorch()


@contextmanager
def _quiet() -> Iterator[None]:
    """Within the block nothing is printed: what will change in torchao, what ExecuTorch reads about processors."""
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
