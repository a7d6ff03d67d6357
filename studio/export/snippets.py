"""The lines of Python that use what a run made, without this project: for the page and for model cards."""

from __future__ import annotations

from pathlib import Path

from studio.errors import ModelError
from studio.models import locate
from studio.models.adapters import base_note
from studio.models.registry import family_of

_LOAD = """
processor = AutoProcessor.from_pretrained(base)
model = AutoModelForSpeechSeq2Seq.from_pretrained(base, dtype=torch.float32)
"""
_READ = """
samples, rate = librosa.load("clip.wav", sr=16_000)
inputs = processor(samples, sampling_rate=rate, return_tensors="pt"{padding})
with torch.no_grad():
    tokens = model.generate(**inputs, max_length=100)
print(processor.tokenizer.decode(tokens[0], skip_special_tokens=True))
"""
_WHOLE_FRAMES = ", padding=True, pad_to_multiple_of=80, return_attention_mask=True"
"""The streaming models take whole frames of 5 ms and need a mask; padding would change what the others read."""


def adapter_snippet(adapter: Path, base: str | None = None) -> str:
    """Python that reads clip.wav with the base model and the adapter in a folder, by transformers and peft.

    Raises ModelError where the base is unknown or not on this disk.
    """
    source = base or base_note(adapter).get("source")
    if not source:
        raise ModelError(f"{adapter} does not say which model it was made on.", "Give the base model.")
    return (
        "import librosa\nimport torch\nfrom peft import PeftModel\n"
        "from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor\n\n"
        f"base = {_place(source)!r}{_LOAD}"
        f"model = PeftModel.from_pretrained(model, {str(adapter)!r}).eval()\n" + _read(locate(source))
    )


def merged_snippet(folder: Path, family: str | None = None) -> str:
    """Python that reads clip.wav with the merged model in `folder` (of the family `family`), by transformers alone."""
    return (
        "import librosa\nimport torch\nfrom transformers import AutoModelForSpeechSeq2Seq, AutoProcessor\n\n"
        f"base = {str(folder)!r}{_LOAD}model.eval()\n" + _read(folder, family)
    )


def _read(folder: Path, family: str | None = None) -> str:
    name = family or family_of(folder).name
    return _READ.format(padding=_WHOLE_FRAMES if name == "moonshine_streaming" else "")


def _place(source: str) -> str:
    """What transformers takes: a Hub id as it is, anything else by its folder."""
    is_hub_id = "/" in source and not Path(source).expanduser().is_dir()
    return source if is_hub_id else str(locate(source))
