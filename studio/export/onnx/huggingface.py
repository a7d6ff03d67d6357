"""The target “onnx”: Hugging Face's layout, which transformers.js and most programs on ONNX Runtime look for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from studio.export.model_files import copy_rest, length_of, rules_of
from studio.export.onnx.runtime import MergedGraphs
from studio.export.onnx.weights import Source
from studio.export.reference import Reference
from studio.export.targets import Runtime
from studio.progress import OnProgress

FOLDER = "onnx"
ENDINGS: Mapping[str, str] = MappingProxyType({"fp32": "", "int8": "_quantized"})  # as programs look for them
_PARTS = ("encoder_model", "decoder_model_merged")
_USAGE = """## Use it in a web page or in Node, with transformers.js

`npm install @huggingface/transformers`, then:

```js
import {{ env, pipeline }} from "@huggingface/transformers";

// In a page: the path of that folder on the page's own server, "/exports" for example.
env.localModelPath = {parent};
env.allowLocalModels = true;
env.allowRemoteModels = false;
const transcriber = await pipeline("automatic-speech-recognition", {name}, {{ dtype: {dtype} }});
const tokens = Math.ceil({per_second} * samples.length / 16_000); // samples: a Float32Array at 16 kHz
const most = Math.min(Math.max(tokens, {least}), {most});
const {{ text }} = await transcriber(samples, {{ max_new_tokens: most }});
console.log(text.trim());
```

Left to itself, transformers.js stops Moonshine after six tokens for each whole second of sound.

In a page it fetches ONNX Runtime from a public server. To do without that one, put
`node_modules/onnxruntime-web/dist` on your own and say where, before `pipeline`:

```js
env.backends.onnx.wasm.wasmPaths = "/onnxruntime-web/dist/";
```

## Use it in Python, with ONNX Runtime

`pip install onnxruntime transformers librosa`, then:

```python
import librosa
import numpy as np
from onnxruntime import InferenceSession
from transformers import AutoProcessor

folder = {folder!r}
processor = AutoProcessor.from_pretrained(folder)
encoder, decoder = (InferenceSession(f"{{folder}}/onnx/{{part}}") for part in {graphs})
samples, rate = librosa.load("clip.wav", sr=16_000)
features = processor(samples, sampling_rate=rate, return_tensors="np")
name = encoder.get_inputs()[0].name
hidden = encoder.run(None, {{name: features[name].astype(np.float32)}})[0]

past = [each for each in decoder.get_inputs() if each.name.startswith("past_")]
cache = {{each.name: np.zeros((1, each.shape[1], 0, each.shape[3]), np.float32) for each in past}}
given, ids = {prompt}, []
while len(ids) < {most}:
    inputs = {{"input_ids": np.array([given]), "encoder_hidden_states": hidden, "use_cache_branch": [bool(ids)]}}
    found = dict(zip([each.name for each in decoder.get_outputs()], decoder.run(None, inputs | cache)))
    token = int(found["logits"][0, -1].argmax())
    if token in {ends}:
        break
    for each in cache:
        if not ids or ".decoder." in each:  # the sound stays the same
            cache[each] = found[each.replace("past_key_values", "present")]
    given = [token]
    ids.append(token)
print(processor.tokenizer.decode(ids, skip_special_tokens=True).strip())
```
"""


class HuggingFace:
    """`onnx/encoder_model.onnx` and `onnx/decoder_model_merged.onnx`, settings and tokenizer next to that folder."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """The two graphs of `merged`. Raises ModelError where one is too large for a file, DiskError."""
        source, (encoder, decoder) = Source.read(merged), _paths(out, precision)
        encoder.parent.mkdir()
        progress(0, 2)
        source.write_encoder(encoder, precision)
        progress(1, 2)
        source.write_decoder(decoder, precision)
        copy_rest(merged, out)
        progress(2, 2)

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """The folder in ONNX Runtime on the CPU."""
        encoder, decoder = (next((folder / FOLDER).glob(f"{part}*.onnx")) for part in _PARTS)
        return MergedGraphs(encoder, decoder, reference)

    def usage(self, folder: Path, files: Path) -> str:
        """The lines of transformers.js, and a loop of one's own."""
        (rules, most), length = rules_of(files), length_of(files)
        graphs = [next((files / FOLDER).glob(f"{part}*.onnx")).name for part in _PARTS]
        return _USAGE.format(
            parent=json.dumps(str(folder.parent)),
            name=json.dumps(folder.name),
            dtype=json.dumps("q8" if "_quantized" in graphs[0] else "fp32"),
            folder=str(folder),
            graphs=tuple(graphs),
            prompt=list(rules.prompt),
            most=most,
            least=length.least,
            per_second=f"{length.per_second:g}",
            ends=list(rules.ends),
        )


def _paths(out: Path, precision: str) -> list[Path]:
    return [out / FOLDER / f"{part}{ENDINGS[precision]}.onnx" for part in _PARTS]
