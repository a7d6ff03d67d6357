"""The target “ggml”: one file for whisper.cpp and the apps that are built on it, written and read here.

The file, little-endian (whisper.cpp's `whisper_model_load` reads it in this order): the magic number; eleven int32 of
the network's shape and of how its matrices are kept; the mel filters, (mels, frequencies) float32; the vocabulary, each
token as its length and bytes; the tensors, each as three int32 (dimensions, length of the name, type), its dimensions
with the innermost first, its name, its values.
"""

from __future__ import annotations

import json
import os
import shlex
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

from studio.errors import ModelError
from studio.export import whisper_cpp
from studio.export.block_quantisation import F16, F32, Q5_0, Q8_0, Kind, packed, unpacked
from studio.export.reference import Reference
from studio.export.targets import Runtime
from studio.models import load
from studio.models.language import language_of
from studio.progress import OnProgress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "ggml-model.bin"
_MAGIC = 0x67676D6C  # “ggml”
_QUANTISATION_VERSION = 2_000  # added to the number of a block type: how its blocks are laid out
_KINDS: Mapping[str, tuple[int, Kind]] = MappingProxyType({
    "f16": (1, F16),
    "q8_0": (7 + _QUANTISATION_VERSION, Q8_0),
    "q5_0": (8 + _QUANTISATION_VERSION, Q5_0),
})  # fmt: skip
"""By precision: ggml's number for such a file, and how matrices are kept; all else is F32, the convolutions F16."""
_SHAPE = (
    "vocab_size", "max_source_positions", "d_model", "encoder_attention_heads", "encoder_layers",
    "max_target_positions", "d_model", "decoder_attention_heads", "decoder_layers", "num_mel_bins",
)  # fmt: skip
_PARTS: Mapping[str, str] = MappingProxyType({
    "self_attn.q_proj": "attn.query", "self_attn.k_proj": "attn.key", "self_attn.v_proj": "attn.value",
    "self_attn.out_proj": "attn.out", "self_attn_layer_norm": "attn_ln",
    "encoder_attn.q_proj": "cross_attn.query", "encoder_attn.k_proj": "cross_attn.key",
    "encoder_attn.v_proj": "cross_attn.value", "encoder_attn.out_proj": "cross_attn.out",
    "encoder_attn_layer_norm": "cross_attn_ln", "fc1": "mlp.0", "fc2": "mlp.2", "final_layer_norm": "mlp_ln",
})  # fmt: skip
"""Of a layer: transformers' name to OpenAI's, which the file has."""
_ENDS: Mapping[str, str] = MappingProxyType({
    "encoder.embed_positions.weight": "encoder.positional_embedding",
    "encoder.layer_norm": "encoder.ln_post",
    "decoder.embed_positions.weight": "decoder.positional_embedding",
    "decoder.embed_tokens": "decoder.token_embedding",
    "decoder.layer_norm": "decoder.ln",
})  # fmt: skip
_USAGE = """## Use it in whisper.cpp

```sh
whisper-cli -m {quoted} -l {language} -f clip.wav
```

## Use it in MacWhisper and other dictation apps

Apps built on whisper.cpp take the file `{file}`: add it where they let you add a model of your own, or copy it into
their folder of models.

## Use it in Python, with whisper.cpp

`pip install pywhispercpp`, then:

```python
from pywhispercpp.model import Model

model = Model({path!r}, language={language!r})
print("".join(segment.text for segment in model.transcribe("clip.wav")))
```
"""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of the file."""

    name: str  # OpenAI's
    values: NDArray[np.float32]
    kind: Kind  # how it is kept


class Ggml:
    """Whisper in one file, its matrices in half precision or in blocks of 8 or 5 bits."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """Write `ggml-model.bin`. Raises ModelError where the format cannot hold the network's shape, DiskError."""
        recogniser = load(merged, "cpu")
        _check_shape(recogniser.model.config)
        number, kind = _KINDS[precision]
        tensors = list(_tensors(recogniser.model, kind))
        with (out / FILE).open("wb") as file:
            _write_head(file, recogniser, number)
            for done, tensor in enumerate(tensors):
                progress(done, len(tensors))
                _write_tensor(file, tensor)
        progress(len(tensors), len(tensors))

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """The file in whisper.cpp; for the encoder's output, which it keeps to itself, in PyTorch."""
        return whisper_cpp.WhisperCpp(folder / FILE, in_pytorch(folder / FILE, reference), reference)

    def usage(self, folder: Path, files: Path) -> str:
        """For whisper.cpp and the programs built on it."""
        path, language = str(folder / FILE), language_of(str(files))
        return _USAGE.format(file=FILE, path=path, quoted=shlex.quote(path), language=language)


def in_pytorch(file: Path, reference: Reference) -> Reference:
    """`reference` with the weights in `file`, as far as they were rounded there."""
    from copy import deepcopy
    from dataclasses import replace

    import torch

    recogniser = replace(reference.recogniser, model=deepcopy(reference.recogniser.model))
    found = dict(read(file))
    with torch.no_grad():
        for name, parameter in recogniser.model.model.named_parameters():
            parameter.copy_(torch.from_numpy(found.pop(_renamed(name)).reshape(parameter.shape)))
    assert not found
    return replace(reference, recogniser=recogniser)


def read(file: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The name and the values of each tensor in `file`."""
    with file.open("rb") as stream:
        stream.seek(4 * (1 + len(_SHAPE) + 1))
        mels, frequencies = struct.unpack("<2i", stream.read(8))
        stream.seek(4 * mels * frequencies, os.SEEK_CUR)
        (tokens,) = struct.unpack("<i", stream.read(4))
        for _ in range(tokens):
            (length,) = struct.unpack("<i", stream.read(4))
            stream.seek(length, os.SEEK_CUR)
        while head := stream.read(12):
            dimensions, length, number = struct.unpack("<3i", head)
            sizes = struct.unpack(f"<{dimensions}i", stream.read(4 * dimensions))[::-1]
            name = stream.read(length).decode()
            yield name, unpacked(stream, number, sizes)


def _check_shape(config: Any) -> None:
    """Raise ModelError for a network that whisper.cpp has no room for: the file does not say how wide its MLPs are."""
    for width in (config.encoder_ffn_dim, config.decoder_ffn_dim):
        if width != 4 * config.d_model:
            raise ModelError(
                f"whisper.cpp takes models whose MLPs are {4 * config.d_model} wide, 4 times the other layers; "
                f"here they have {width}.",
                "Export it to another target.",
            )


def _write_head(file: IO[bytes], recogniser: Any, number: int) -> None:
    """All that comes before the tensors."""
    import numpy as np

    config = recogniser.model.config
    file.write(struct.pack("<12i", _MAGIC, *(getattr(config, name) for name in _SHAPE), number))
    filters = np.ascontiguousarray(recogniser.processor.feature_extractor.mel_filters.T, dtype="<f4")
    file.write(struct.pack("<2i", *filters.shape))
    file.write(filters.tobytes())
    tokens = _vocabulary(recogniser.processor.tokenizer)
    file.write(struct.pack("<i", len(tokens)))
    for token in tokens:
        file.write(struct.pack("<i", len(token)) + token)


def _vocabulary(tokenizer: Any) -> list[bytes]:
    """The bytes of each text token, by its id; whisper.cpp names the special tokens, which come after, itself."""
    vocabulary = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["vocab"]
    bytes_of = {character: byte for byte, character in _characters().items()}
    special = set(tokenizer.all_special_ids)
    texts = {number: token for token, number in vocabulary.items() if number not in special}
    return [bytes(bytes_of[character] for character in texts[number]) for number in range(len(texts))]


def _characters() -> dict[int, str]:
    """The character that stands for each byte in a byte-level vocabulary (Radford et al. 2019): itself if printable."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + place) for place, byte in enumerate(others)}


def _tensors(model: Any, kind: Kind) -> Iterator[Tensor]:
    """Every weight of the network under OpenAI's name. Raises ModelError where `kind` cannot keep one."""
    for name, parameter in model.model.named_parameters():
        renamed, values = _renamed(name), parameter.detach().float().numpy()
        if values.ndim == 1 and ".conv" in renamed:
            values = values[:, None]  # added to frames, which come last
        is_matrix = values.ndim > 1 and renamed.endswith(".weight")
        chosen = F16 if is_matrix and values.ndim == 3 else kind if is_matrix else F32
        if values.shape[-1] % chosen.block:
            raise ModelError(
                f"ggml cannot keep {name} in {chosen.name}: its rows of {values.shape[-1]} values are no whole number "
                f"of blocks of {chosen.block}.",
                "Choose --precision f16.",
            )
        yield Tensor(renamed, values, chosen)


def _renamed(name: str) -> str:
    """OpenAI's name of transformers' parameter `name`."""
    for old, new in _ENDS.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    side, _, rest = name.partition(".layers.")
    if not rest:
        return name  # the convolutions
    layer, _, rest = rest.partition(".")
    part, _, ending = rest.rpartition(".")
    return f"{side}.blocks.{layer}.{_PARTS[part]}.{ending}"


def _write_tensor(file: IO[bytes], tensor: Tensor) -> None:
    name, shape = tensor.name.encode(), tensor.values.shape
    file.write(struct.pack(f"<{3 + len(shape)}i", len(shape), len(name), tensor.kind.number, *reversed(shape)))
    file.write(name)
    file.write(packed(tensor.values, tensor.kind))
