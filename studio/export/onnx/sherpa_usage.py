"""How a model for sherpa-onnx is used: in Python, on a board or a computer, in an app for Android or iOS."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

_USAGE = """## Use it in Python, with sherpa-onnx

`pip install sherpa-onnx`, then:

```python
import librosa
import sherpa_onnx

folder = {folder!r}
recogniser = sherpa_onnx.OfflineRecognizer.{make}(
    encoder=f"{{folder}}/{encoder}",
    decoder=f"{{folder}}/{decoder}",
    tokens=f"{{folder}}/tokens.txt",{python}
)
samples, rate = librosa.load("clip.wav", sr=16_000)
stream = recogniser.create_stream()
stream.accept_waveform(rate, samples)
recogniser.decode_stream(stream)
print(stream.result.text.strip())
```

## Use it in sherpa-onnx on a Raspberry Pi or a computer

Copy the folder there, and go into it:

```sh
cd {quoted}
sherpa-onnx-offline {flags} --tokens=tokens.txt clip.wav
```

## Use it in an Android app, with sherpa-onnx

Copy the two graphs and `tokens.txt` into `app/src/main/assets/speech`, then:

```kotlin
val model = OfflineModelConfig({kotlin}, tokens = "speech/tokens.txt")
val recognizer = OfflineRecognizer(assetManager = assets, config = OfflineRecognizerConfig(modelConfig = model))
val stream = recognizer.createStream()
stream.acceptWaveform(samples, sampleRate = 16000)
recognizer.decode(stream)
println(recognizer.getResult(stream).text)
```

## Use it in an iOS app, with sherpa-onnx

Add the two graphs and `tokens.txt` to the app's bundle, then, with `SherpaOnnx.swift` of sherpa-onnx:

```swift
func path(_ name: String) -> String {{ Bundle.main.bundlePath + "/" + name }}
let model = sherpaOnnxOfflineModelConfig(tokens: path("tokens.txt"), {swift})
let feat = sherpaOnnxFeatureConfig(sampleRate: 16000, featureDim: 80)
var config = sherpaOnnxOfflineRecognizerConfig(featConfig: feat, modelConfig: model)
let recognizer = SherpaOnnxOfflineRecognizer(config: &config)
print(recognizer.decode(samples: samples, sampleRate: 16000).text)
```
"""
_FRAME = 3000  # of 10 ms that Whisper hears: otherwise short clips lose their end


@dataclass(frozen=True, slots=True)
class _Lines:
    """What differs between the families, in each language."""

    make: str
    python: str
    flags: str
    kotlin: str
    swift: str


def usage(folder: Path, encoder: str, decoder: str, language: str | None) -> str:
    """Markdown for the graphs called `encoder` and `decoder`; `language` is that of a Whisper, None of a Moonshine."""
    found = _moonshine(encoder, decoder) if language is None else _whisper(encoder, decoder, language)
    return _USAGE.format(
        folder=str(folder),
        quoted=shlex.quote(str(folder)),
        encoder=encoder,
        decoder=decoder,
        make=found.make,
        python=found.python,
        flags=found.flags,
        kotlin=found.kotlin,
        swift=found.swift,
    )


def _moonshine(encoder: str, decoder: str) -> _Lines:
    parts = f'encoder = "speech/{encoder}", mergedDecoder = "speech/{decoder}"'
    swift = f'encoder: path("{encoder}"), mergedDecoder: path("{decoder}")'
    return _Lines(
        make="from_moonshine_v2",
        python="",
        flags=f"--moonshine-encoder={encoder} --moonshine-merged-decoder={decoder}",
        kotlin=f"moonshine = OfflineMoonshineModelConfig({parts})",
        swift=f"moonshine: sherpaOnnxOfflineMoonshineModelConfig({swift})",
    )


def _whisper(encoder: str, decoder: str, language: str) -> _Lines:
    guided = f"--whisper-language={language} " if language else ""
    parts = f'encoder = "speech/{encoder}", decoder = "speech/{decoder}", language = "{language}"'
    swift = f'encoder: path("{encoder}"), decoder: path("{decoder}"), language: "{language}"'
    return _Lines(
        make="from_whisper",
        python=f"\n    language={language!r},\n    tail_paddings={_FRAME},  # otherwise short clips lose their end",
        flags=f"--whisper-encoder={encoder} --whisper-decoder={decoder} {guided}--whisper-tail-paddings={_FRAME}",
        kotlin=f"whisper = OfflineWhisperModelConfig({parts}, tailPaddings = {_FRAME})",
        swift=f"whisper: sherpaOnnxOfflineWhisperModelConfig({swift}, tailPaddings: {_FRAME})",
    )
