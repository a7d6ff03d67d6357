"""The target “web”: a folder with a page that records and transcribes in the browser, before and after.

The page runs the graphs in ONNX Runtime's WebAssembly, of which the folder has a copy: it needs no network.
"""

from __future__ import annotations

import json
import shlex
import shutil
from base64 import b64encode
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from studio.errors import ConfigError, ModelError
from studio.export.merged import MergeReport
from studio.export.model_files import check_raw_sound
from studio.export.node_packages import ONNX_RUNTIME_WEB
from studio.export.onnx.log_mel import features
from studio.export.onnx.runtime import MergedGraphs, session
from studio.export.onnx.tokens import written_bytes
from studio.export.onnx.weights import Source, save
from studio.export.reference import Reference
from studio.export.targets import Runtime
from studio.models import load
from studio.progress import OnProgress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BEFORE, AFTER, RUNTIME, RULES = "before", "after", "runtime", "model.json"
_ENCODER, _DECODER, _FEATURES = "encoder_model", "decoder_model_merged", "features"
_RUNS = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")  # of the package, what a page without a GPU needs
_SPACE = "▁".encode()
_USAGE = """## Use it in a browser

```sh
python3 -m http.server 8765 --bind 127.0.0.1 --directory {folder}
```

Then open `http://localhost:8765`, in Chrome, Edge, Firefox or Safari. On a web server of your own the folder works as
it is, over HTTPS: without it, browsers do not let a page record. No sound leaves the computer whose browser it is.
"""


class Web:
    """The page, `before/` and `after/` with the graphs, `runtime/`, and `model.json` with the rules of decoding."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """Write the base of `merged` as well: it is what “before” is. Raises ModelError, ConfigError, DiskError."""
        report = MergeReport.read(merged)
        if report is None:
            raise ModelError(f"{merged} does not say what it was made of.", "Export a run.")
        progress(0, 3)
        check_raw_sound(Source.read(merged).processor, "The page")
        _copy_page(out)
        progress(1, 3)
        with TemporaryDirectory(dir=out) as folder:
            base = load(report.base, "cpu")
            base.family.save(base.model, base.processor, Path(folder))
            _write_graphs(Source.read(Path(folder)), out / BEFORE, precision)
        progress(2, 3)
        _write_graphs(Source.read(merged), out / AFTER, precision)
        rules = _rules(Reference.of(merged)) | {BEFORE: _shown(report.base), AFTER: report.adapter.parent.name}
        (out / RULES).write_text(json.dumps(rules, ensure_ascii=False), encoding="utf-8")
        progress(3, 3)

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """What the page calls “after”, in ONNX Runtime on the CPU."""
        return _Graphs(folder / AFTER, reference)

    def usage(self, folder: Path, files: Path) -> str:
        """How the page is opened."""
        return _USAGE.format(folder=shlex.quote(str(folder)))


class _Graphs(MergedGraphs):
    """The graphs of one side; of Whisper, with the features that the page computes."""

    def __init__(self, folder: Path, reference: Reference) -> None:
        super().__init__(folder / f"{_ENCODER}.onnx", folder / f"{_DECODER}.onnx", reference)
        path = folder / f"{_FEATURES}.onnx"
        self._features = session(path, reference.threads) if path.is_file() else None

    def _heard(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        if self._features is None:
            return samples[None]
        (given,) = self._features.get_inputs()
        whole = np.zeros((1, given.shape[1]), np.float32)
        whole[0, : len(samples)] = samples[: whole.shape[1]]
        found: NDArray[np.float32] = self._features.run(None, {given.name: whole})[0]
        return found


def _copy_page(out: Path) -> None:
    """Put page and runtime into `out`. Raises ConfigError where the runtime lacks a file."""
    package = ONNX_RUNTIME_WEB.folder
    (out / RUNTIME).mkdir()
    for name in _RUNS:
        if package is None or not (package / "dist" / name).is_file():
            raise ConfigError(f"{ONNX_RUNTIME_WEB.name} has no file {name}.", ONNX_RUNTIME_WEB.install)
        shutil.copyfile(package / "dist" / name, out / RUNTIME / name)
    with as_file(files("studio.export.onnx") / "page") as page:
        for path in page.iterdir():
            shutil.copyfile(path, out / path.name)


def _write_graphs(source: Source, folder: Path, precision: str) -> None:
    folder.mkdir()
    source.write_encoder(folder / f"{_ENCODER}.onnx", precision)
    source.write_decoder(folder / f"{_DECODER}.onnx", precision)
    if source.family == "whisper":
        save(features(source.processor.feature_extractor), folder / f"{_FEATURES}.onnx")


def _shown(base: str) -> str:
    """The name of a base model for a page that others may see: of a folder its own, not where it lies."""
    return Path(base).name if Path(base).is_absolute() else base


def _rules(reference: Reference) -> dict[str, Any]:
    """What the page keeps to: `speech.js` names it."""
    family, processor = reference.recogniser.family, reference.recogniser.processor
    rules, length, is_whisper = reference.rules, reference.length, family.name == "whisper"
    written = written_bytes(processor.tokenizer)
    said = (written.get(number, b"").replace(_SPACE, b" ") for number in range(len(processor.tokenizer)))
    return {
        "parts": [*([_FEATURES] if is_whisper else []), _ENCODER, _DECODER],
        "rate": family.sample_rate,
        "least_seconds": family.min_seconds,
        "most_seconds": family.max_seconds,
        "frame": processor.feature_extractor.n_samples if is_whisper else 0,
        "prompt": list(rules.prompt),
        "ends": list(rules.ends),
        "never": list(rules.never),
        "never_first": list(rules.never_first),
        "length": asdict(length),
        "tokens": [b64encode(each).decode() for each in said],
    }
