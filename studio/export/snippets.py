"""The lines of Python that use what a run made, without this project: for the page and for model cards."""

from __future__ import annotations

from pathlib import Path

from studio.config import split_language
from studio.errors import ModelError
from studio.models import locate
from studio.models.adapters import base_note
from studio.models.catalogue import is_hub_id
from studio.models.causal_lm.template import BEFORE, BETWEEN
from studio.models.claims import read_object
from studio.models.language import language_of, languages
from studio.models.portable import NEEDS_PEFT, needs
from studio.models.registry import family_of

_LOAD = """
processor = AutoProcessor.from_pretrained(base)
model = AutoModelForSpeechSeq2Seq.from_pretrained(base).float()
"""
_READ = """
samples, rate = librosa.load("clip.wav", sr=16_000)
inputs = processor(samples, sampling_rate=rate, return_tensors="pt"{padding})
with torch.no_grad():
    tokens = model.generate(**inputs, {options}max_length=100)
print(processor.tokenizer.decode(tokens[0], skip_special_tokens=True))
"""
_READ_STREAM = """
samples, rate = librosa.load("clip.wav", sr=24_000)
inputs = processor.feature_extractor(samples, sampling_rate=rate, return_tensors="pt")
model.generation_config.audio_window_size = None  # the default of 1 would hear the first frame twice
with torch.no_grad():
    tokens = model.generate(**inputs, do_sample=False)
print(processor.tokenizer.decode(tokens[0][1:], skip_special_tokens=True))
"""
_CORRECT = """# Needs {family}
import torch
{peft}from transformers import AutoModelForCausalLM, AutoTokenizer

base = {base!r}
tokenizer = AutoTokenizer.from_pretrained(base)
model = AutoModelForCausalLM.from_pretrained(base).float().eval()
{adapter}
typed = "teh meeting is at noon"
inputs = tokenizer({before!r} + " " + typed + {between!r}, return_tensors="pt")
with torch.no_grad():
    tokens = model.generate(**inputs, do_sample=False, max_new_tokens=100)
print(tokenizer.decode(tokens[0][inputs.input_ids.shape[1]:], skip_special_tokens=True).strip())
"""
_ADAPTED = """\
model = PeftModel.from_pretrained(model, {adapter!r}).eval()
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
    folder, (name, language) = locate(source), split_language(source)
    if family_of(folder).kind == "typing":
        return _typing(place(name), folder, adapter)
    return (
        f"# Needs {needs(family_of(folder).name)}, {NEEDS_PEFT}\n"
        "import librosa\nimport torch\nfrom peft import PeftModel\n"
        "from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor\n\n"
        f"base = {place(name)!r}{_LOAD}"
        f"model = PeftModel.from_pretrained(model, {str(adapter)!r}).eval()\n" + _read(folder, language)
    )


def merged_snippet(folder: Path, at: Path | None = None) -> str:
    """Python that reads clip.wav with the merged model in `folder`, by transformers alone.

    Its files may be elsewhere for the moment: `at`. Raises ModelError.
    """
    files = at or folder
    if family_of(files).kind == "typing":
        return _typing(str(folder), files)
    return (
        f"# Needs {needs(family_of(files).name)}\n"
        "import librosa\nimport torch\nfrom transformers import AutoModelForSpeechSeq2Seq, AutoProcessor\n\n"
        f"base = {str(folder)!r}{_LOAD}model.eval()\n" + _read(files)
    )


def _typing(base: str, files: Path, adapter: Path | None = None) -> str:
    """Python that corrects a sentence with the network alone: without margin, list of words or rules of the studio."""
    own = read_object(files / "config.json").get("typing")
    before, between = (own["before"], own["between"]) if own else (BEFORE, BETWEEN)
    family = needs(family_of(files).name) + (f", {NEEDS_PEFT}" if adapter else "")
    peft = "from peft import PeftModel\n" if adapter else ""
    added = _ADAPTED.format(adapter=str(adapter)) if adapter else ""
    return _CORRECT.format(family=family, peft=peft, base=base, adapter=added, before=before, between=between)


def _read(folder: Path, language: str = "") -> str:
    family = family_of(folder).name
    if family == "kyutai_speech_to_text":
        return _READ_STREAM
    padding = _WHOLE_FRAMES if family == "moonshine_streaming" else ""
    return _READ.format(padding=padding, options=_spoken(folder, language) if languages(folder) else "")


def _spoken(folder: Path, language: str) -> str:
    """Language and task for a model that knows several: without them it guesses, clip by clip."""
    task = read_object(folder / "generation_config.json").get("task") or "transcribe"
    return f"language={language or language_of(str(folder))!r}, task={task!r}, "


def place(source: str) -> str:
    """What transformers takes: a Hub id as it is, anything else by its folder."""
    return source if is_hub_id(source) else str(locate(source))
