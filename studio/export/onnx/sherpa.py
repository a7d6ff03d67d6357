"""The target “sherpa”: sherpa-onnx, on Android, iOS, Raspberry Pi and the rest of its list."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from studio.export.model_files import check_raw_sound
from studio.export.onnx import sherpa_whisper
from studio.export.onnx.runtime import MergedGraphs, session
from studio.export.onnx.sherpa_usage import usage
from studio.export.onnx.tokens import write_base64
from studio.export.onnx.weights import Source
from studio.export.reference import ENCODER, FIRST_LOGITS, Reference
from studio.export.targets import Runtime
from studio.models.language import language_of
from studio.progress import OnProgress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOKENS = "tokens.txt"
_SETTINGS = "generation_config.json"  # says which language it is
_PARTS: Mapping[str, tuple[str, str]] = MappingProxyType({
    "moonshine": ("encoder_model", "decoder_model_merged"),
    "whisper": ("encoder", "decoder"),
})  # fmt: skip
_ENDINGS: Mapping[str, str] = MappingProxyType({"fp32": ".onnx", "int8": ".int8.onnx"})


class Sherpa:
    """An encoder, a decoder and `tokens.txt`."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """The two graphs of `merged` and its tokens. Raises ModelError, DiskError."""
        source = Source.read(merged)
        encoder, decoder = (out / f"{part}{_ENDINGS[precision]}" for part in _PARTS[source.family])
        progress(0, 2)
        if source.family == "whisper":
            source.save(sherpa_whisper.encoder, encoder, precision, metadata=_metadata(source))
            progress(1, 2)
            source.save(sherpa_whisper.decoder, decoder, precision)
        else:
            check_raw_sound(source.processor, "sherpa-onnx")
            source.write_encoder(encoder, precision)
            progress(1, 2)
            source.write_decoder(decoder, precision)
        write_base64(source.processor.tokenizer, out / TOKENS)
        shutil.copy2(merged / _SETTINGS, out / _SETTINGS)
        progress(2, 2)

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """The graphs in ONNX Runtime on the CPU, by the rules that PyTorch keeps to."""
        encoder, decoder = _files(folder)
        if reference.recogniser.family.name == "whisper":
            return _Whisper(encoder, decoder, reference)
        return MergedGraphs(encoder, decoder, reference)

    def usage(self, folder: Path, files: Path) -> str:
        """The lines of sherpa-onnx."""
        encoder, decoder = _files(files)
        language = language_of(str(files)) if encoder.name.startswith("encoder.") else None
        return usage(folder, encoder.name, decoder.name, language)


class _Whisper:
    """sherpa-onnx's two graphs of a Whisper in ONNX Runtime, given the features that PyTorch is given."""

    def __init__(self, encoder: Path, decoder: Path, reference: Reference) -> None:
        self._encoder, self._decoder = (session(path, reference.threads) for path in (encoder, decoder))
        self._reference = reference
        self._caches = [each for each in self._decoder.get_inputs() if each.name.startswith("in_")]

    def stages(self, samples: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """The encoder's output and the logits after the prompt."""
        *crosses, hidden = self._encoded(samples)
        return {ENCODER: hidden[0], FIRST_LOGITS: self._following(crosses)(self._reference.rules.prompt)}

    def transcribe(self, samples: NDArray[np.float32]) -> str:
        """Greedily, by the rules and to the length that PyTorch keeps to."""
        return self._reference.written(samples, self._following(self._encoded(samples)[:2]))

    def _encoded(self, samples: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        found: list[NDArray[np.float32]] = self._encoder.run(None, {"mel": self._reference.mel(samples)})
        return found

    def _following(self, crosses: Sequence[NDArray[np.float32]]) -> Callable[[Sequence[int]], NDArray[np.float32]]:
        """The logits after the ids that it is given, which continue those that it was given before."""
        import numpy as np

        sound = dict(zip(("n_layer_cross_k", "n_layer_cross_v"), crosses, strict=True))
        shapes = [[1 if isinstance(size, str) else size for size in each.shape] for each in self._caches]
        caches = [np.zeros(shape, np.float32) for shape in shapes]
        start = 0

        def following(ids: Sequence[int]) -> NDArray[np.float32]:
            nonlocal start
            past = {each.name: cache for each, cache in zip(self._caches, caches, strict=True)}
            given = {"tokens": np.array([ids]), "offset": np.array([start])} | sound | past
            found, *caches[:] = self._decoder.run(None, given)
            start += len(ids)
            logits: NDArray[np.float32] = found[0, -1]
            return logits

        return following


def _files(folder: Path) -> list[Path]:
    """The encoder and the decoder in an exported folder."""
    return [next(folder.glob(f"{part}*.onnx")) for part in ("encoder", "decoder")]


def _metadata(source: Source) -> dict[str, str]:
    """What sherpa-onnx reads in the encoder's file: sizes, and the ids of the tokens that guide Whisper."""
    config, tokenizer, settings = source.config, source.processor.tokenizer, source.generation
    known = {token.strip("<|>"): number for token, number in tokenizer.get_vocab().items() if token.startswith("<|")}
    languages = {code: known[code] for code in (token.strip("<|>") for token in settings.get("lang_to_id") or {})}
    is_multilingual = bool(settings.get("is_multilingual") and languages)
    start = known["startoftranscript"]
    language = languages.get(language_of(str(source.folder)))
    values: dict[str, Any] = {
        "model_type": "whisper",
        "version": 1,
        "n_mels": config.num_mel_bins,
        "n_audio_ctx": config.max_source_positions,
        "n_audio_state": config.d_model,
        "n_text_layer": config.decoder_layers,
        "n_text_ctx": config.max_target_positions,
        "n_text_state": config.d_model,
        "n_text_head": config.decoder_attention_heads,
        "n_vocab": config.vocab_size,
        "sot": start,
        "eot": config.eos_token_id,
        "blank_id": tokenizer(" ", add_special_tokens=False).input_ids[0],
        "translate": known["translate"],
        "transcribe": known["transcribe"],
        "no_timestamps": known["notimestamps"],
        "no_speech": known.get("nospeech", known.get("nocaptions")),
        "is_multilingual": int(is_multilingual),
        "sot_sequence": [start, language, known["transcribe"]] if is_multilingual else [start],
        "all_language_tokens": list(languages.values()),
        "all_language_codes": list(languages),
    }
    return {name: ",".join(map(str, each)) if isinstance(each, list) else str(each) for name, each in values.items()}
