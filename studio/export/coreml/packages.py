"""The target “coreml”: Apple's own format, for apps on iPhone and Mac: two packages, an encoder and a decoder."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError
from studio.export.coreml.interpreter import Interpreter
from studio.export.coreml.usage import usage
from studio.export.model_files import check_raw_sound, copy_rest
from studio.export.reference import ENCODER, FIRST_LOGITS, Reference
from studio.export.targets import Runtime
from studio.faults import plain_reason
from studio.models import Recogniser, load_to_trace
from studio.progress import OnProgress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from studio.export.traceable import Decoder, Encoder

PACKAGES = ("Encoder.mlpackage", "Decoder.mlpackage")
_ENCODED = ("hidden", "cross_keys", "cross_values")  # the encoder's outputs; the decoder is given the last two
_LOGITS = "logits"
_STATES = ("keys", "values")  # what the decoder remembers
_RATE = 16_000  # samples a second
_MOST = 30 * _RATE  # samples that an encoder is given at most
_LEAST: Mapping[str, int] = MappingProxyType({"moonshine": _RATE // 10, "whisper": _MOST})
"""Samples that an encoder is given at least, by family: 0.1 s make two frames of Moonshine's."""


class CoreML:
    """`Encoder.mlpackage` and `Decoder.mlpackage`, settings and tokenizer next to them."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """The two packages of `merged`. Raises ModelError where coremltools refuses the model, DiskError."""
        progress(0, 3)
        recogniser = load_to_trace(merged)
        check_raw_sound(recogniser.processor, "an app")
        encoder, decoder = _modules(recogniser)
        try:
            with _quiet():
                packages = _packages(encoder, decoder, _LEAST[recogniser.family.name])
                for number, (name, package) in enumerate(zip(PACKAGES, packages, strict=True), 1):
                    (_in_bytes(package, decoder) if precision == "int8" else package).save(str(out / name))
                    progress(number, 3)
        except (RuntimeError, ValueError, TypeError, KeyError, AssertionError, NotImplementedError) as error:
            raise ModelError(
                f"coremltools cannot convert this model: {plain_reason(error)}.", "Export it to another target."
            ) from error
        copy_rest(merged, out)
        progress(3, 3)

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """The packages in Core ML on a Mac, elsewhere in an interpreter, by the rules that PyTorch keeps to."""
        encoder, decoder = (folder / name for name in PACKAGES)
        if sys.platform == "darwin":
            return _Packages(_Predicting(encoder), _Predicting(decoder), reference)
        with _quiet():
            return _Packages(Interpreter(encoder), Interpreter(decoder), reference)

    def usage(self, folder: Path, files: Path) -> str:
        """How the packages come into an app, what they take, and the lines for Swift and Python."""
        return usage(folder, files)


class _Predicting:
    """A package in Core ML itself, on a Mac."""

    def __init__(self, package: Path) -> None:
        import coremltools

        self._model = coremltools.models.MLModel(str(package))
        has_state = bool(self._model.get_spec().description.state)
        self._more = {"state": self._model.make_state()} if has_state else {}

    def predict(self, given: dict[str, Any]) -> dict[str, Any]:
        """Of tensors by name, tensors by name."""
        import numpy as np
        import torch

        kinds = {torch.int64: np.int32, torch.float32: np.float32}
        arrays = {name: each.numpy().astype(kinds[each.dtype]) for name, each in given.items()}
        return {name: torch.from_numpy(each) for name, each in self._model.predict(arrays, **self._more).items()}


class _Packages:
    """Both packages. The decoder remembers one text at a time."""

    def __init__(self, encoder: Any, decoder: Any, reference: Reference) -> None:
        self._encoder, self._decoder, self._reference = encoder, decoder, reference
        self._least = _LEAST[reference.recogniser.family.name]

    def stages(self, samples: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """The encoder's output and the logits after the prompt."""
        encoded = self._encode(samples)
        first = self._following(encoded)(self._reference.rules.prompt)
        return {ENCODER: encoded[_ENCODED[0]].float().numpy(), FIRST_LOGITS: first}

    def transcribe(self, samples: NDArray[np.float32]) -> str:
        """Greedily, by the rules and to the length that PyTorch keeps to."""
        return self._reference.written(samples, self._following(self._encode(samples)))

    def _encode(self, samples: NDArray[np.float32]) -> dict[str, Any]:
        import torch

        given = torch.from_numpy(samples)[None]
        if len(samples) < self._least:
            given = torch.nn.functional.pad(given, (0, self._least - len(samples)))
        found: dict[str, Any] = self._encoder.predict({"samples": given})
        return found

    def _following(self, encoded: dict[str, Any]) -> Callable[[Sequence[int]], NDArray[np.float32]]:
        """The logits after the ids that it is given, which continue those that it was given before."""
        import torch

        crosses = {name: encoded[name].float() for name in _ENCODED[1:]}
        position = 0

        def following(ids: Sequence[int]) -> NDArray[np.float32]:
            nonlocal position
            for token in ids:
                given = {"token": torch.tensor([token]), "position": torch.tensor([position])}
                found = self._decoder.predict(given | crosses)[_LOGITS]
                position += 1
            logits: NDArray[np.float32] = found.float().numpy()
            return logits

        return following


def _packages(encoder: Encoder, decoder: Decoder, least: int) -> Iterator[Any]:
    """The encoder and the decoder in fp16, each as it is asked for; sounds may have `least` samples or more."""
    import coremltools as ct
    import numpy as np
    import torch

    from studio.export.traceable_moonshine import FRAMES

    samples = torch.zeros(1, max(least, 2 * _RATE))
    with torch.no_grad():
        _, keys, values = encoder(samples)
    is_fixed = least == _MOST
    length = _MOST if is_fixed else ct.RangeDim(least, _MOST, samples.shape[1])
    sound = ct.TensorType("samples", ct.Shape((1, length)), dtype=np.float32)
    yield _converted(encoder, (samples,), [sound], _ENCODED)
    frames = keys.shape[2] if is_fixed else ct.RangeDim(2, FRAMES, keys.shape[2])
    shape = ct.Shape((*keys.shape[:2], frames, keys.shape[3]))
    inputs = [ct.TensorType(name, (1,), dtype=np.int32) for name in ("token", "position")]
    inputs += [ct.TensorType(name, shape) for name in _ENCODED[1:]]
    memory = [
        ct.StateType(ct.TensorType(shape=tuple(getattr(decoder, name).shape), dtype=np.float16), name)
        for name in _STATES
    ]
    given = (torch.ones(1, dtype=torch.int32), torch.zeros(1, dtype=torch.int32), keys, values)
    yield _converted(decoder, given, inputs, (_LOGITS,), states=memory)


def _modules(recogniser: Recogniser) -> tuple[Encoder, Decoder]:
    """The encoder and the decoder that are traced."""
    from studio.export import traceable_moonshine, traceable_whisper

    network = recogniser.model
    if recogniser.family.name == "whisper":
        extractor = recogniser.processor.feature_extractor
        return traceable_whisper.Encoder(network, extractor).eval(), traceable_whisper.Decoder(network).eval()
    return traceable_moonshine.Encoder(network).eval(), traceable_moonshine.Decoder(network).eval()


def _converted(module: nn.Module, given: Sequence[Any], inputs: list[Any], outputs: Sequence[str], **more: Any) -> Any:
    """`module`, traced with what is `given`, as a package in fp16 for iOS 18 and macOS 15: the first with states."""
    import coremltools as ct
    import torch

    trace: Any = torch.jit.trace
    with torch.no_grad():
        traced = trace(module, given, check_trace=False)
    return ct.convert(
        traced,
        inputs=inputs,
        outputs=[ct.TensorType(name) for name in outputs],
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS18,
        compute_precision=ct.transform.FP16ComputePrecision(lambda operation: not _is_of_spectrum(operation)),
        skip_model_load=True,
        **more,
    )


def _is_of_spectrum(operation: Any) -> bool:
    """Whether it computes Whisper's features, for which fp16 and 8 bits are too coarse."""
    from coremltools.converters.mil.mil.scope import ScopeSource

    return "spectrum" in operation.scopes.get(ScopeSource.TORCHSCRIPT_MODULE_NAME, ())


def _in_bytes(package: Any, decoder: Decoder) -> Any:
    """The package with matrices in 8 bits, with a scale for each output.

    What has no more numbers than the tables of Moonshine's positions stays as it is: 8 bits would blur those. So do
    Whisper's features.
    """
    from coremltools.optimize import coreml as optimise

    least = decoder.keys.shape[2] * decoder.keys.shape[3] + 1
    settings = optimise.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=least)
    kinds = dict.fromkeys(("linear", "conv", "gather"), settings)
    operations = package._mil_program.functions["main"].operations
    kept = dict.fromkeys(each.name for each in operations if _is_of_spectrum(each))
    return optimise.linear_quantize_weights(
        package, optimise.OptimizationConfig(op_type_configs=kinds, op_name_configs=kept)
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Within the block coremltools neither warns nor draws bars: it says that it was not tried with this PyTorch."""
    log = logging.getLogger("coremltools")
    was_disabled = log.disabled
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        log.disabled = True
        try:
            yield
        finally:
            log.disabled = was_disabled
