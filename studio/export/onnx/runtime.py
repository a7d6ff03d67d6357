"""Exported graphs in ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.export.reference import ENCODER, FIRST_LOGITS, Reference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class MergedGraphs:
    """An encoder and a merged decoder, as Hugging Face names their inputs."""

    def __init__(self, encoder: Path, decoder: Path, reference: Reference) -> None:
        self._encoder, self._decoder = (session(path, reference.threads) for path in (encoder, decoder))
        self._reference = reference
        (self._input,) = (each.name for each in self._encoder.get_inputs())
        self._past = [each for each in self._decoder.get_inputs() if each.name.startswith("past_key_values.")]
        self._outputs = [each.name for each in self._decoder.get_outputs()]

    def stages(self, samples: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """The encoder's output and the logits after the prompt."""
        hidden = self._encoded(samples)
        return {ENCODER: hidden[0], FIRST_LOGITS: self._following(hidden)(self._reference.rules.prompt)}

    def transcribe(self, samples: NDArray[np.float32]) -> str:
        """Greedily, by the rules and to the length that PyTorch keeps to."""
        return self._reference.written(samples, self._following(self._encoded(samples)))

    def _heard(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the encoder is given."""
        extractor = self._reference.recogniser.processor.feature_extractor
        features = extractor(samples, sampling_rate=extractor.sampling_rate, return_tensors="np")[self._input]
        heard: NDArray[np.float32] = features.astype("float32")
        return heard

    def _encoded(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        hidden: NDArray[np.float32] = self._encoder.run(None, {self._input: self._heard(samples)})[0]
        return hidden

    def _following(self, hidden: NDArray[np.float32]) -> Callable[[Sequence[int]], NDArray[np.float32]]:
        """The logits after the ids that it is given, which continue those that it was given before."""
        import numpy as np

        cache = {each.name: np.zeros((1, each.shape[1], 0, each.shape[3]), np.float32) for each in self._past}
        later = False

        def following(ids: Sequence[int]) -> NDArray[np.float32]:
            nonlocal later
            given = {"input_ids": np.array([ids]), "encoder_hidden_states": hidden, "use_cache_branch": [later]}
            found = dict(zip(self._outputs, self._decoder.run(None, given | cache), strict=True))
            for name in cache:
                if not (later and ".encoder." in name):
                    cache[name] = found[name.replace("past_key_values", "present")]
            later = True
            logits: NDArray[np.float32] = found["logits"][0, -1]
            return logits

        return following


def session(path: Path, threads: int) -> Any:
    """The graph in a file, ready to run."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    return InferenceSession(path, options, providers=["CPUExecutionProvider"])


def converted(path: Path, out: Path) -> None:
    """Write the graph of the ONNX file `path` to `out` in ONNX Runtime's own format, optimised for any processor."""
    from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions

    options = SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_EXTENDED  # the next level is this processor's
    options.optimized_model_filepath = str(out)
    options.add_session_config_entry("session.save_model_format", "ORT")
    InferenceSession(path, options, providers=["CPUExecutionProvider"])
