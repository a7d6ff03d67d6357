"""The target “coreml”: Apple's own format, for apps on iPhone and Mac: two packages, an encoder and a decoder."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError
from studio.export.coreml.interpreter import Interpreter
from studio.export.coreml.usage import USAGE
from studio.export.model_files import check_raw_sound, copy_rest, rules_of
from studio.export.reference import ENCODER, FIRST_LOGITS, Reference
from studio.export.targets import Runtime
from studio.faults import plain_reason
from studio.models import load
from studio.progress import OnProgress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

PACKAGES = ("Encoder.mlpackage", "Decoder.mlpackage")
_ENCODED = ("hidden", "cross_keys", "cross_values")  # the encoder's outputs; the decoder is given the last two
_LOGITS = "logits"
_STATES = ("keys", "values")  # what the decoder remembers
_RATE = 16_000  # samples a second
_LEAST, _MOST = _RATE // 10, 30 * _RATE  # samples; the fewest make two frames


class CoreML:
    """`Encoder.mlpackage` and `Decoder.mlpackage`, settings and tokenizer next to them."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """The two packages of `merged`. Raises ModelError where coremltools refuses the model, DiskError."""
        progress(0, 3)
        recogniser = load(merged, "cpu")
        check_raw_sound(recogniser.processor, "an app")
        config = recogniser.model.config
        least = config.max_position_embeddings * config.hidden_size // config.decoder_num_attention_heads
        try:
            with _quiet():
                for number, (name, package) in enumerate(zip(PACKAGES, _packages(recogniser.model), strict=True), 1):
                    (_in_bytes(package, least) if precision == "int8" else package).save(str(out / name))
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
        rules, most = rules_of(files)
        (start,), ends = rules.prompt, ", ".join(map(str, rules.ends))
        return USAGE.format(folder=str(folder), start=start, ends=ends, most=most)


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
        if len(samples) < _LEAST:
            given = torch.nn.functional.pad(given, (0, _LEAST - len(samples)))
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


def _packages(network: Any) -> Iterator[Any]:
    """The encoder and the decoder in fp16, each as it is asked for; lengths may be any that the model takes."""
    import coremltools as ct
    import numpy as np
    import torch

    from studio.export.traceable import FRAMES, Decoder, Encoder

    encoder, decoder = Encoder(network).eval(), Decoder(network).eval()
    samples = torch.zeros(1, 2 * _RATE)
    with torch.no_grad():
        _, keys, values = encoder(samples)
    length = ct.RangeDim(_LEAST, _MOST, 2 * _RATE)
    yield _converted(encoder, (samples,), [ct.TensorType("samples", ct.Shape((1, length)))], _ENCODED)
    frames = ct.RangeDim(2, FRAMES, keys.shape[2])
    shape = ct.Shape((*keys.shape[:2], frames, keys.shape[3]))
    inputs = [ct.TensorType(name, (1,), dtype=np.int32) for name in ("token", "position")]
    inputs += [ct.TensorType(name, shape) for name in _ENCODED[1:]]
    memory = [
        ct.StateType(ct.TensorType(shape=tuple(getattr(decoder, name).shape), dtype=np.float16), name)
        for name in _STATES
    ]
    given = (torch.ones(1, dtype=torch.int32), torch.zeros(1, dtype=torch.int32), keys, values)
    yield _converted(decoder, given, inputs, (_LOGITS,), states=memory)


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
        compute_precision=ct.precision.FLOAT16,
        skip_model_load=True,
        **more,
    )


def _in_bytes(package: Any, least: int) -> Any:
    """The package with matrices of more than `least` numbers in 8 bits, with a scale for each output.

    `least` are those of the tables that say how positions are turned, which 8 bits would blur: a matrix has more.
    """
    from coremltools.optimize import coreml as optimise

    settings = optimise.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=least + 1)
    kinds = dict.fromkeys(("linear", "conv", "gather"), settings)
    return optimise.linear_quantize_weights(package, optimise.OptimizationConfig(op_type_configs=kinds))


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
