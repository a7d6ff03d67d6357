"""How the packages of Core ML come into an app, for the card of an export."""

from __future__ import annotations

from pathlib import Path

from studio.export.model_files import rules_of
from studio.models.registry import family_of

_MOONSHINE = """`Encoder.mlpackage` takes samples at 16 kHz, (1, samples), of 0.1 to 30 s, and returns its output, the
keys and the values. `Decoder.mlpackage` takes a token, its position in the text, and those keys and values; it returns
the logits of the next token, and its state caches the tokens at earlier positions. A text begins with token {prompt} at
position 0 and ends with {ends}; it has at most {most} tokens. Both need iOS 18 or macOS 15.

## Use it in an app for iPhone or Mac, in Swift

{app}let sound = MLShapedArray(scalars: samples, shape: [1, samples.count]) // Float, 16 kHz
let encoded = try encoder.prediction(from: MLDictionaryFeatureProvider(dictionary: ["samples": MLMultiArray(sound)]))
let memory = decoder.makeState()
var ids: [Int32] = [{prompt}]
while ids.count <= {most} {{
    let given = try MLDictionaryFeatureProvider(dictionary: [
        "token": MLMultiArray(MLShapedArray(scalars: [ids.last!], shape: [1])),
        "position": MLMultiArray(MLShapedArray(scalars: [Int32(ids.count - 1)], shape: [1])),
        "cross_keys": encoded.featureValue(for: "cross_keys")!,
        "cross_values": encoded.featureValue(for: "cross_values")!,
    ])
    let found = try decoder.prediction(from: given, using: memory)
    let logits = found.featureValue(for: "logits")!.multiArrayValue!
    let next = Int32((0..<logits.count).max {{ logits[$0].floatValue < logits[$1].floatValue }}!)
    if [{ends}].contains(next) {{ break }}
    ids.append(next)
}} // `ids` without the first are the text, which any reader of tokenizer.json decodes
```

## Use it in Python on a Mac

`pip install coremltools tokenizers librosa`, then:

```python
import coremltools
import librosa
import numpy as np
from tokenizers import Tokenizer

folder = {folder!r}
encoder, decoder = (coremltools.models.MLModel(f"{{folder}}/{{part}}.mlpackage") for part in ("Encoder", "Decoder"))
samples, rate = librosa.load("clip.wav", sr=16_000)
encoded = encoder.predict({{"samples": samples[None]}})
sound = {{name: encoded[name] for name in ("cross_keys", "cross_values")}}
memory, ids = decoder.make_state(), [{prompt}]
while len(ids) <= {most}:
    given = {{"token": np.array(ids[-1:], np.int32), "position": np.array([len(ids) - 1], np.int32)}}
    token = int(decoder.predict(given | sound, state=memory)["logits"].argmax())
    if token in ({ends},):
        break
    ids.append(token)
print(Tokenizer.from_file(f"{{folder}}/tokenizer.json").decode(ids[1:]).strip())
```
"""
_WHISPER = """`Encoder.mlpackage` takes samples at 16 kHz, (1, 480000): always 30 s, with zeros after a shorter sound.
It computes Whisper's features itself, and returns its output, the keys and the values. `Decoder.mlpackage` takes a
token, its position in the text, and those keys and values; it returns the logits of the next token, and its state
caches the tokens at earlier positions. A text begins with the tokens {prompt} and ends with {ends};
after those it has at most {most}. The `suppress_tokens` in `generation_config.json` may never be written,
`begin_suppress_tokens` not first. Both packages need iOS 18 or macOS 15.

## Use it in an app for iPhone or Mac, in Swift

{app}let rules = try JSONSerialization.jsonObject(with: Data(contentsOf:
    Bundle.main.url(forResource: "generation_config", withExtension: "json")!)) as! [String: Any]
let never = rules["suppress_tokens"] as? [Int] ?? [], neverFirst = rules["begin_suppress_tokens"] as? [Int] ?? []
let whole = Array((samples + [Float](repeating: 0, count: 480_000)).prefix(480_000)) // Float, 16 kHz
let sound = MLMultiArray(MLShapedArray(scalars: whole, shape: [1, 480_000]))
let encoded = try encoder.prediction(from: MLDictionaryFeatureProvider(dictionary: ["samples": sound]))
let memory = decoder.makeState()
let prompt: [Int32] = [{prompt}]
var ids = prompt
for position in 0..<{last} {{
    let given = try MLDictionaryFeatureProvider(dictionary: [
        "token": MLMultiArray(MLShapedArray(scalars: [ids[position]], shape: [1])),
        "position": MLMultiArray(MLShapedArray(scalars: [Int32(position)], shape: [1])),
        "cross_keys": encoded.featureValue(for: "cross_keys")!,
        "cross_values": encoded.featureValue(for: "cross_values")!,
    ])
    let found = try decoder.prediction(from: given, using: memory)
    if position + 1 < prompt.count {{ continue }}
    var logits = MLShapedArray<Float>(converting: found.featureValue(for: "logits")!.multiArrayValue!).scalars
    for token in (ids.count > prompt.count ? never : never + neverFirst) {{ logits[token] = -.infinity }}
    let next = Int32(logits.indices.max {{ logits[$0] < logits[$1] }}!)
    if [{ends}].contains(next) {{ break }}
    ids.append(next)
}} // `ids` after the prompt are the text, which any reader of tokenizer.json decodes
```

## Use it in Python on a Mac

`pip install coremltools tokenizers librosa`, then:

```python
import json

import coremltools
import librosa
import numpy as np
from tokenizers import Tokenizer

folder = {folder!r}
encoder, decoder = (coremltools.models.MLModel(f"{{folder}}/{{part}}.mlpackage") for part in ("Encoder", "Decoder"))
with open(f"{{folder}}/generation_config.json") as file:
    rules = json.load(file)
never, never_first = (rules.get(name) or [] for name in ("suppress_tokens", "begin_suppress_tokens"))
samples, rate = librosa.load("clip.wav", sr=16_000, duration=30)
encoded = encoder.predict({{"samples": np.pad(samples, (0, 480_000 - len(samples)))[None]}})
sound = {{name: encoded[name] for name in ("cross_keys", "cross_values")}}
memory, prompt = decoder.make_state(), [{prompt}]
ids = list(prompt)
for position in range({last}):
    given = {{"token": np.array([ids[position]], np.int32), "position": np.array([position], np.int32)}}
    logits = decoder.predict(given | sound, state=memory)["logits"]
    if position + 1 < len(prompt):
        continue
    logits[never if len(ids) > len(prompt) else never + never_first] = -np.inf
    token = int(logits.argmax())
    if token in ({ends},):
        break
    ids.append(token)
print(Tokenizer.from_file(f"{{folder}}/tokenizer.json").decode(ids[len(prompt):]).strip())
```
"""
_APP = """Drag both packages{files} into Xcode, which compiles them. Without Xcode's build, on a Mac:

```sh
xcrun coremlcompiler compile Encoder.mlpackage .
xcrun coremlcompiler compile Decoder.mlpackage .
```

Then:

```swift
import CoreML

let encoder = try MLModel(contentsOf: Bundle.main.url(forResource: "Encoder", withExtension: "mlmodelc")!)
let decoder = try MLModel(contentsOf: Bundle.main.url(forResource: "Decoder", withExtension: "mlmodelc")!)
"""


def usage(folder: Path, files: Path) -> str:
    """The card of the packages in `folder`, whose files may be elsewhere for the moment: `files`."""
    rules, most = rules_of(files)
    prompt, ends = (", ".join(map(str, ids)) for ids in (rules.prompt, rules.ends))
    given = {"folder": str(folder), "prompt": prompt, "ends": ends, "most": most}
    if family_of(files).name == "whisper":
        app = _APP.format(files=", `tokenizer.json` and `generation_config.json`")
        return _WHISPER.format(app=app, last=most + len(rules.prompt) - 1, **given)
    return _MOONSHINE.format(app=_APP.format(files=" and `tokenizer.json`"), **given)
