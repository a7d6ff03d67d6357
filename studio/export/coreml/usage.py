"""How the packages of Core ML come into an app, for the card of an export."""

from __future__ import annotations

USAGE = """`Encoder.mlpackage` takes samples at 16 kHz, (1, samples), of 0.1 to 30 s, and returns its output, the keys
and the values. `Decoder.mlpackage` takes a token, its position in the text, and those keys and values; it returns the
logits of the next token, and its state caches the tokens at earlier positions. A text begins with token {start} at
position 0 and ends with {ends}; it has at most {most} tokens. Both need iOS 18 or macOS 15.

## Use it in an app for iPhone or Mac, in Swift

Drag both packages and `tokenizer.json` into Xcode, which compiles them. Without Xcode's build, on a Mac:

```sh
xcrun coremlcompiler compile Encoder.mlpackage .
xcrun coremlcompiler compile Decoder.mlpackage .
```

Then:

```swift
import CoreML

let encoder = try MLModel(contentsOf: Bundle.main.url(forResource: "Encoder", withExtension: "mlmodelc")!)
let decoder = try MLModel(contentsOf: Bundle.main.url(forResource: "Decoder", withExtension: "mlmodelc")!)
let sound = MLShapedArray(scalars: samples, shape: [1, samples.count]) // Float, 16 kHz
let encoded = try encoder.prediction(from: MLDictionaryFeatureProvider(dictionary: ["samples": MLMultiArray(sound)]))
let memory = decoder.makeState()
var ids: [Int32] = [{start}]
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
memory, ids = decoder.make_state(), [{start}]
while len(ids) <= {most}:
    given = {{"token": np.array(ids[-1:], np.int32), "position": np.array([len(ids) - 1], np.int32)}}
    token = int(decoder.predict(given | sound, state=memory)["logits"].argmax())
    if token in ({ends},):
        break
    ids.append(token)
print(Tokenizer.from_file(f"{{folder}}/tokenizer.json").decode(ids[1:]).strip())
```
"""
