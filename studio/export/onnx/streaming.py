"""The target “moonshine-streaming”: Moonshine's own runtime, which transcribes while a person speaks.

Its makers' exporter writes five graphs, which are kept in ONNX Runtime's own format.
"""

from __future__ import annotations

import io
import json
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError
from studio.export.model_files import check_raw_sound, rules_of
from studio.export.onnx.bytes_in_graphs import in_bytes
from studio.export.onnx.runtime import converted, session
from studio.export.onnx.tokens import write_list
from studio.export.reference import ENCODER, FIRST_LOGITS, Reference
from studio.export.targets import Runtime
from studio.faults import plain_reason
from studio.models.claims import read_object
from studio.models.moonshine_streaming import FRAME
from studio.models.pretrained import load_processor
from studio.progress import OnProgress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FRONTEND = "frontend"
GRAPHS = (FRONTEND, "encoder", "adapter", "cross_kv", "decoder_kv")
TOKENS, SIZES = "tokenizer.bin", "streaming_config.json"
_log = logging.getLogger(__name__)
_USAGE = """## Use it in Python, with Moonshine's own runtime

`pip install moonshine-voice`, then:

```python
import librosa
from moonshine_voice import ModelArch, Transcriber

transcriber = Transcriber({folder!r}, ModelArch.SMALL_STREAMING)  # streaming_config.json has the real sizes
samples, rate = librosa.load("clip.wav", sr=16_000)
transcript = transcriber.transcribe_without_streaming(samples.tolist(), rate)
print(" ".join(line.text for line in transcript.lines))
```

## Use it in Python while you speak, with Moonshine's own runtime

```python
from moonshine_voice import MicTranscriber, ModelArch

microphone = MicTranscriber().models_from({folder!r}).model_arch(ModelArch.SMALL_STREAMING)
microphone.on_text(print).load().start()
input("Speak. Return ends it.")
microphone.close()
```

## Use it in an app for Android or iOS, with Moonshine's own runtime

The makers' packages for both take the same folder: copy it into the app, and give a transcriber its path and
SMALL_STREAMING, whichever size it has.
"""


class MoonshineStreamingVoice:
    """`frontend.ort` to `decoder_kv.ort`, `streaming_config.json` and `tokenizer.bin`."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """The graphs of `merged` and its tokens. Raises ModelError where the makers' exporter refuses it, DiskError.

        In int8 all but the first graph, which computes on the sound itself, as the makers keep it.
        """
        processor = load_processor(merged)
        check_raw_sound(processor, "Moonshine's runtime")
        _check_tokens(merged)
        with TemporaryDirectory(dir=out) as folder:
            for done, name in enumerate(GRAPHS):
                progress(done, len(GRAPHS))
                graph = _makers_graph(_restated(merged, Path(folder) / "model"), name, Path(folder))
                if precision == "int8" and name != FRONTEND:
                    in_bytes(graph)
                converted(graph, out / f"{name}.ort")
                graph.unlink()
            shutil.copy2(Path(folder) / SIZES, out / SIZES)
        write_list(processor.tokenizer, out / TOKENS)
        progress(len(GRAPHS), len(GRAPHS))

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """The graphs in ONNX Runtime on the CPU, by the rules that PyTorch keeps to."""
        return StreamingGraphs(folder, reference)

    def usage(self, folder: Path, files: Path) -> str:
        """The lines of the makers' package."""
        return _USAGE.format(folder=str(folder))


class StreamingGraphs:
    """The five graphs, given a whole clip at once."""

    def __init__(self, folder: Path, reference: Reference) -> None:
        self._graphs = {name: session(folder / f"{name}.ort", reference.threads) for name in GRAPHS}
        self._sizes, self._reference = read_object(folder / SIZES), reference

    def stages(self, samples: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """The encoder's output and the logits after the prompt."""
        encoded = self._encoded(self.features([samples]))
        return {ENCODER: encoded[0], FIRST_LOGITS: self._following(encoded)(self._reference.rules.prompt)}

    def transcribe(self, samples: NDArray[np.float32]) -> str:
        """Greedily, by the rules and to the length that PyTorch keeps to."""
        encoded = self._encoded(self.features([samples]))
        return self._reference.written(samples, self._following(encoded))

    def features(self, parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """(1, frames, width) of a sound that comes in `parts`; the last is filled up to a whole frame with silence."""
        import numpy as np

        missing = -sum(map(len, parts)) % FRAME
        shapes, graph, found = self._sizes["frontend_state_shapes"], self._graphs[FRONTEND], []
        kinds = {each.name: np.int64 if "int64" in each.type else np.float32 for each in graph.get_inputs()}
        state: Mapping[str, Any] = {name: np.zeros(shape, kinds[name]) for name, shape in shapes.items()}
        for part in (*parts[:-1], np.pad(parts[-1], (0, missing))):
            frames, *after = graph.run(None, {"audio_chunk": part[None]} | dict(state))
            state = dict(zip(shapes, after, strict=True))
            found.append(frames)
        return np.concatenate(found, axis=1)

    def _encoded(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        encoded: NDArray[np.float32] = self._graphs["encoder"].run(None, {"features": features})[0]
        return encoded

    def _following(self, encoded: NDArray[np.float32]) -> Callable[[Sequence[int]], NDArray[np.float32]]:
        """The logits after the ids that it is given, which continue those that it was given before."""
        import numpy as np

        given = {"encoded": encoded, "pos_offset": np.zeros(1, np.int64)}
        (memory,) = self._graphs["adapter"].run(None, given)
        keys, values = self._graphs["cross_kv"].run(None, {"memory": memory})
        cross = {"out_k_cross": keys, "out_v_cross": values}
        empty = [self._sizes["depth"], 1, self._sizes["nheads"], 0, self._sizes["head_dim"]]
        past = [np.zeros(empty, np.float32)] * 2

        def following(ids: Sequence[int]) -> NDArray[np.float32]:
            caches = dict(zip(("k_self", "v_self"), past, strict=True))
            found, *past[:], _, _ = self._graphs["decoder_kv"].run(None, {"token": np.array([ids])} | caches | cross)
            logits: NDArray[np.float32] = found[0, -1]
            return logits

        return following


def _check_tokens(merged: Path) -> None:
    """Raise ModelError where a text does not begin and end with the tokens that the runtime takes for that."""
    settings, (rules, _) = read_object(merged / "config.json"), rules_of(merged)
    if (rules.prompt, list(rules.ends)) != ([settings.get("bos_token_id")], [settings.get("eos_token_id")]):
        raise ModelError(
            "Moonshine's runtime begins and ends a text with one token each, and this model has others.",
            "Export it to another target.",
        )


def _restated(merged: Path, out: Path) -> Path:
    """The model folder `merged` with its windows as the makers' exporter counts them: in frames before and after.

    In transformers (5.24) the widths of a window count the frame itself on one side and end before the last on the
    other, so that the exporter's encoder would hear a frame more on both sides than the model that was tuned.
    """
    out.mkdir(exist_ok=True)
    for path in merged.iterdir():
        if not (out / path.name).exists():
            (out / path.name).symlink_to(path.absolute())
    config = read_object(merged / "config.json")
    windows = config["encoder_config"]["sliding_windows"]
    config["encoder_config"]["sliding_windows"] = [_reach(*window) for window in windows]
    (out / "config.json").unlink()
    (out / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return out


def _reach(before: int, after: int) -> tuple[int, int]:
    """How many frames before and after its own a frame hears, by transformers' own rule for a window's widths."""
    from transformers.models.moonshine_streaming.modeling_moonshine_streaming import sliding_window_mask_function

    hears = sliding_window_mask_function((before, after))
    most = before + after + 1
    others = range(1, most + 1)
    return sum(bool(hears(0, 0, most, most - far)) for far in others), sum(bool(hears(0, 0, 0, far)) for far in others)


def _makers_graph(model: Path, name: str, out: Path) -> Path:
    """One graph of `model` in ONNX, and its file of sizes, both in `out`. Raises ModelError."""
    with _logged():
        try:
            from moonshine_voice.lora.export import export_checkpoint

            export_checkpoint(model, out, graphs=name)
        except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
            raise ModelError(
                f"The makers' exporter cannot convert this model: {plain_reason(error)}.",
                "Export it to another target.",
            ) from error
    return out / f"{name}.onnx"


@contextmanager
def _logged() -> Iterator[None]:
    """Within the block nothing is printed or warned of: it goes to the log, line by line."""
    said, tracer = io.StringIO(), logging.getLogger("torch.onnx")  # which has a handler of its own
    level = tracer.level
    tracer.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(said), redirect_stderr(said):
            warnings.simplefilter("ignore")
            yield
    finally:
        tracer.setLevel(level)
        for line in said.getvalue().splitlines():
            _log.info("%s", line)
