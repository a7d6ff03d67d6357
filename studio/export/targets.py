"""Where a tuned model can run: one file a target, entered here with what must be known before it is chosen.

A target's own file is imported when it is asked for, and only it imports the target's packages.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, cast

from studio.errors import ConfigError
from studio.export.node_packages import ONNX_RUNTIME_WEB, NodePackage
from studio.progress import OnProgress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from studio.export.reference import Reference


@dataclass(frozen=True, slots=True)
class Precision:
    """How exactly a target keeps the weights, and how near it must stay to PyTorch in fp32."""

    size: float  # bytes that a weight takes on disk
    least_psnr: float  # dB, of every stage
    same_texts: bool = False  # whether every text must be that of PyTorch


FP32 = Precision(size=4.0, least_psnr=60.0, same_texts=True)
FP16 = Precision(size=2.0, least_psnr=35.0)
BF16 = Precision(size=2.0, least_psnr=25.0)
INT8 = Precision(size=1.1, least_psnr=20.0)


class Runtime(Protocol):
    """An exported model in a program that people run it with: one clip, mono at 16 kHz, -1..1; or one typed text."""

    def stages(self, given: Any, /) -> Mapping[str, NDArray[np.float32]]:
        """What `Reference.stages` gives, as this runtime computes it: the same names, each of the same shape."""
        ...

    def transcribe(self, given: Any, /) -> str:
        """The text by greedy decoding."""
        ...


class Exporter(Protocol):
    """What a target's own file offers."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """Write into the empty folder `out` what the model folder `merged` (fp32) becomes.

        `progress(done, total)` counts parts of any size; what it raises ends the work. Raises ModelError, DiskError.
        """
        ...

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """The exported model in `folder`, with `reference.threads` threads.

        Of the `reference` it takes which tokens may be written, and what turns sound into features and tokens into
        text where the runtime leaves that to others; never weights.
        """
        ...

    def usage(self, folder: Path, files: Path) -> str:
        """Markdown for a person: how the export in `folder` is used, with the lines that load it.

        Its files may be elsewhere for the moment: `files`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """One place where a tuned model can run."""

    name: str  # on the command line, and of the folder
    title: str  # for people: the programs that load it
    families: tuple[str, ...]  # of models that it takes
    precisions: Mapping[str, Precision]  # by name; the first is the default
    home: str  # module:class of its Exporter
    extra: str = ""  # of this package, in pyproject.toml
    modules: tuple[str, ...] = ()  # what the extra brings, as it is imported
    node: NodePackage | None = None  # that it copies

    @property
    def default_precision(self) -> str:
        """The one that is taken where none is asked for."""
        return next(iter(self.precisions))

    @property
    def install(self) -> str:
        """The line that installs what the target needs; empty where nothing is missing."""
        if any(find_spec(module) is None for module in self.modules):
            return f"pip install 'speech-studio[{self.extra}]'"
        return self.node.install if self.node and self.node.folder is None else ""

    @property
    def versions(self) -> dict[str, str]:
        """Of the packages that write and check it, which are installed, by name."""
        found = {name: metadata.version(name) for name in self.modules}
        return found | ({self.node.name: self.node.installed} if self.node else {})

    def exporter(self) -> Exporter:
        """What writes and opens it. Raises ConfigError where its packages are not installed, with the line to do so."""
        if self.install:
            raise ConfigError(f"The packages that export to {self.name} are not installed.", self.install)
        module, _, name = self.home.partition(":")
        return cast(Exporter, getattr(import_module(module), name)())

    def checked(self, family: str, precision: str | None) -> str:
        """`precision`, or the default, if the target has it and takes `family`. Raises ConfigError otherwise."""
        if family not in self.families:
            others = [target.name for target in TARGETS.values() if family in target.families]
            remedy = f"Targets that do: {', '.join(others)}." if others else "No target does yet."
            raise ConfigError(f"{self.name} does not take {family} models.", remedy)
        chosen = precision or self.default_precision
        if chosen not in self.precisions:
            known = ", ".join(self.precisions)
            raise ConfigError(f"{self.name} has no precision “{chosen}”.", f"Choose one of: {known}.")
        return chosen


def _table(*targets: Target) -> Mapping[str, Target]:
    return MappingProxyType({target.name: target for target in targets})


TYPING = ("llama", "qwen2", "qwen3", "smollm3", "gemma3_text")
_PLAIN = ("llama", "qwen2", "qwen3")  # without layers of several kinds
_ONNX = ("onnx", "onnxruntime")

TARGETS: Mapping[str, Target] = _table(
    Target(
        name="merged",
        title="Python, with plain transformers",
        families=("moonshine", "moonshine_streaming", "whisper", "kyutai_speech_to_text", "echo", *TYPING),
        precisions={"fp32": FP32, "fp16": FP16, "bf16": BF16},
        home="studio.export.safetensors:Safetensors",
    ),
    Target(
        name="candle",
        title="moshi-server, Unmute and other programs of Kyutai's",
        families=("kyutai_speech_to_text",),
        precisions={"bf16": BF16},
        home="studio.export.candle:Candle",
    ),
    Target(
        name="ctranslate2",
        title="faster-whisper, WhisperX, Whisper-WebUI, Home Assistant",
        families=("whisper",),
        precisions={"fp16": FP16, "fp32": FP32, "int8": INT8},
        home="studio.export.ctranslate2:CTranslate2",
        extra="ct2",
        modules=("ctranslate2",),
    ),
    Target(
        name="ggml",
        title="whisper.cpp, MacWhisper and other dictation apps",
        families=("whisper",),
        precisions={"f16": FP16, "q8_0": INT8, "q5_0": Precision(size=0.7, least_psnr=15.0)},
        home="studio.export.ggml:Ggml",
        extra="ggml",
        modules=("pywhispercpp",),
    ),
    Target(
        name="gguf",
        title="llama.cpp, llama-cpp-python and programs built on them",
        families=(*_PLAIN, "gemma3_text"),
        precisions={"f16": FP16, "q8_0": INT8},
        home="studio.export.gguf:Gguf",
        extra="gguf",
        modules=("gguf",),
    ),
    Target(
        name="onnx",
        title="transformers.js and programs on ONNX Runtime",
        families=("moonshine", "whisper"),
        precisions={"fp32": FP32, "int8": INT8},
        home="studio.export.onnx.huggingface:HuggingFace",
        extra="onnx",
        modules=_ONNX,
    ),
    Target(
        name="sherpa",
        title="sherpa-onnx on Android, iOS, Raspberry Pi and computers",
        families=("moonshine", "whisper"),
        precisions={"int8": INT8, "fp32": FP32},
        home="studio.export.onnx.sherpa:Sherpa",
        extra="onnx",
        modules=_ONNX,
    ),
    Target(
        name="moonshine-voice",
        title="Moonshine's own runtime on phones and computers",
        families=("moonshine",),
        precisions={"int8": INT8, "fp32": FP32},
        home="studio.export.onnx.voice:MoonshineVoice",
        extra="onnx",
        modules=_ONNX,
    ),
    Target(
        name="moonshine-streaming",
        title="Moonshine's own runtime, which writes while you speak",
        families=("moonshine_streaming",),
        precisions={"int8": replace(INT8, size=1.5), "fp32": replace(FP32, size=5.5)},  # the embeddings lie there twice
        home="studio.export.onnx.streaming:MoonshineStreamingVoice",
        extra="streaming",
        modules=(*_ONNX, "onnxscript", "moonshine_voice"),
    ),
    Target(
        name="moonshine-adapter",
        title="Python, with Moonshine's makers' own code: the adapter alone",
        families=("moonshine", "moonshine_streaming"),
        precisions={"fp32": replace(FP32, size=0.2)},
        home="studio.export.makers_adapter:MakersAdapter",
    ),
    Target(
        name="web",
        title="A web page: recorded and transcribed in the browser, before and after",
        families=("moonshine", "whisper"),
        precisions={"int8": replace(INT8, size=2 * INT8.size), "fp32": replace(FP32, size=2 * FP32.size)},
        home="studio.export.onnx.web:Web",
        extra="onnx",
        modules=_ONNX,
        node=ONNX_RUNTIME_WEB,
    ),
    Target(
        name="executorch",
        title="ExecuTorch in apps for Android, iPhone and Mac",
        families=("moonshine", *_PLAIN),
        precisions={
            "8da8w": replace(INT8, size=1.5),
            "fp32": replace(FP32, size=5.5),
        },  # the embeddings lie there twice
        home="studio.export.executorch:ExecuTorch",
        extra="executorch",
        modules=("executorch", "torchao"),
    ),
    Target(
        name="coreml",
        title="Core ML in apps for iPhone and Mac",
        families=("moonshine", "whisper"),
        precisions={"fp16": FP16, "int8": INT8},
        home="studio.export.coreml.packages:CoreML",
        extra="coreml",
        modules=("coremltools",),
    ),
)


def target_named(name: str) -> Target:
    """The target called `name`. Raises ConfigError, with the nearest name there is."""
    if name not in TARGETS:
        near = difflib.get_close_matches(name, TARGETS, 1)
        hint = f"Did you mean “{near[0]}”?" if near else f"Targets: {', '.join(TARGETS)}."
        raise ConfigError(f"There is no export target “{name}”.", hint)
    return TARGETS[name]
