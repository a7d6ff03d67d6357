"""A typing model in ExecuTorch: one method, the network with a cache of the text so far."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError
from studio.export.executorch_program import FILE, executed, in_eight_bits, opened
from studio.export.prompt import TYPED, Prompt

if TYPE_CHECKING:
    import torch

METHOD = "network"
AT_ONCE = 8  # tokens of a call, always: with as many as there are, ExecuTorch 1.5 fixes the number that it was shown
MOST_POSITIONS = 1024  # of a text and its answer, whatever the model has
_USAGE = """The file has one method, `{method}`. It takes {at_once} tokens, ({at_once}), and the position of the first
of them in the text, (1); it returns the logits ({at_once}, vocabulary) after each, and caches the tokens at earlier
positions. Where there are fewer tokens zeros follow, whose logits mean nothing. A text and its answer have at most
{positions} tokens. Any reader of `tokenizer.json` turns text into ids and back; `prompt.json` has what comes before and
after what was typed. {left_out}

## Use it in an Android app

Copy `{file}` and `tokenizer.json` into the app and add `org.pytorch:executorch-android` in Gradle, then:

```kotlin
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

val model = Module.load(path) // of {file}
val ids = mutableListOf({before_ids}).apply {{ addAll(encoded) }} // the ids of a space and what was typed
ids.addAll(listOf({between_ids}))
val (answer, limit) = mutableListOf<Long>() to minOf(2 * ids.size + 16, {positions} - ids.size)
var given = ids.toList()
var position = 0L
while (answer.size < limit) {{
    var next = 0L
    for (part in given.chunked({at_once})) {{
        val tokens = Tensor.fromBlob(part.toLongArray().copyOf({at_once}), longArrayOf({at_once}))
        val place = Tensor.fromBlob(longArrayOf(position), longArrayOf(1))
        val logits = model.execute("{method}", EValue.from(tokens), EValue.from(place))[0].toTensor().dataAsFloatArray
        val (size, row) = logits.size / {at_once} to part.size - 1
        next = (0 until size).maxBy {{ logits[row * size + it] }}.toLong()
        position += part.size
    }}
    if (next in longArrayOf({ends})) break
    answer.add(next)
    given = listOf(next)
}} // `answer` is the text, which any reader of tokenizer.json decodes
```

## Use it in an app for iPhone or Mac

Add ExecuTorch's Swift package with `backend_xnnpack` and `kernels_optimized`, and both files to the app, then:

```swift
import ExecuTorch

let model = Module(filePath: path) // of {file}
let ids: [Int64] = [{before_ids}] + encoded + [{between_ids}] // in between the ids of a space and what was typed
let limit = min(2 * ids.count + 16, {positions} - ids.count)
var (answer, given, position) = ([Int64](), ids, 0)
while answer.count < limit {{
    var next: Int64 = 0
    for start in stride(from: 0, to: given.count, by: {at_once}) {{
        let part = Array(given[start..<min(start + {at_once}, given.count)])
        let tokens = Tensor<Int64>(part + Array(repeating: 0, count: {at_once} - part.count), shape: [{at_once}])
        let place = Tensor<Int64>([Int64(position)], shape: [1])
        let logits: Tensor<Float> = try model.execute("{method}", [tokens, place])[0].tensor()!
        let size = logits.count / {at_once}
        let scores = Array(logits.scalars()[(part.count - 1) * size ..< part.count * size])
        next = Int64(scores.indices.max {{ scores[$0] < scores[$1] }}!)
        position += part.count
    }}
    if [{ends}].contains(next) {{ break }}
    answer.append(next)
    given = [next]
}} // `answer` is the text, which any reader of tokenizer.json decodes
```

## Use it in Python, with ExecuTorch

`pip install executorch tokenizers`, then:

```python
import torch
from executorch.runtime import Runtime
from tokenizers import Tokenizer

folder = {folder!r}
network = Runtime.get().load_program(f"{{folder}}/{file}").load_method("{method}")
tokenizer = Tokenizer.from_file(f"{{folder}}/tokenizer.json")
tokenizer.encode_special_tokens = True  # whatever was typed is text

typed = {typed!r}
given = [{before_ids}, *tokenizer.encode(f" {{typed}}", add_special_tokens=False).ids, {between_ids}]
answer, position, limit = [], 0, min(2 * len(given) + 16, {positions} - len(given))
while len(answer) < limit:
    for start in range(0, len(given), {at_once}):
        part = given[start : start + {at_once}]
        tokens = torch.tensor([*part, *[0] * ({at_once} - len(part))])
        (logits,) = network.execute([tokens, torch.tensor([position])])
        position += len(part)
    token = int(logits[len(part) - 1].argmax())
    if token in [{ends}]:
        break
    answer.append(token)
    given = [token]
print(tokenizer.decode(answer).strip())
```
"""


def usage(folder: Path, files: Path) -> str:
    """What the method takes, the lines for Kotlin, Swift and Python, and what they leave out."""
    prompt = Prompt.read(files)
    ids = {"before_ids": prompt.before_ids, "between_ids": prompt.between_ids, "ends": prompt.ends}
    return _USAGE.format(
        **{name: ", ".join(map(str, value)) for name, value in ids.items()},
        folder=str(folder), file=FILE, method=METHOD, at_once=AT_ONCE, typed=TYPED, left_out=prompt.left_out,
        positions=_positions(prompt.positions),
    )  # fmt: skip


def programs(network: Any, in_bytes: bool) -> dict[str, Any]:
    """What torch.export makes of the `network` of transformers; `in_bytes` with 8-bit matrices and embeddings."""
    import torch
    from torch.export import export

    from studio.export.traceable import ByteEmbedding
    from studio.export.traceable_text import Network

    room = _positions(network.config.max_position_embeddings) + AT_ONCE - 1  # also for the zeros of the last call
    traced = Network(network, room).eval()
    if in_bytes:
        traced.embedding = ByteEmbedding(network.get_input_embeddings().weight.detach())
        in_eight_bits([traced])
    with torch.no_grad():
        given = (torch.arange(AT_ONCE), torch.tensor([0]))
        return {METHOD: export(traced, given, strict=False)}


class Program:
    """The file in the runtime. See `Network`: its memory is the program's, of one text at a time."""

    def __init__(self, path: Path, positions: int, threads: int) -> None:
        self._program, self._room = opened(path, threads), _positions(positions)
        self._method = self._program.load_method(METHOD)

    def __call__(self, ids: Sequence[int], seen: int, first: int) -> torch.Tensor:
        """See `Network`. Raises ModelError where the file has no room for so many tokens."""
        import torch

        if seen + len(ids) > self._room:
            raise ModelError(f"The text has more than {self._room:,} tokens, typed and answered.", "Export it to gguf.")
        rows = []
        for start in range(0, len(ids), AT_ONCE):
            part = ids[start : start + AT_ONCE]
            tokens = torch.tensor([*part, *[0] * (AT_ONCE - len(part))])
            (logits,) = executed(self._method, tokens, torch.tensor([seen + start]))
            rows.append(logits[: len(part)].clone())
        return torch.cat(rows)[first:]


def _positions(of_model: int) -> int:
    return min(of_model, MOST_POSITIONS)
