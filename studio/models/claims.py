"""What a model folder claims, checked before transformers acts on it: it may be broken, or made to do harm.

A config.json can ask for a million layers, a tokenizer for a million tokens, and JSON can be nested so deeply that
Python gives up. Each is refused with a sentence, before anything large is made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeGuard

from studio.errors import ModelError
from studio.faults import plain_reason
from studio.text import counted

_AGAIN = "Fetch or copy the model again, whole."
_SETTINGS = (
    "config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
    "special_tokens_map.json",
)  # fmt: skip
_LARGEST: Mapping[str, int] = MappingProxyType(
    dict.fromkeys(_SETTINGS, 1_000_000)
    | dict.fromkeys(("tokenizer_config.json", "added_tokens.json"), 5_000_000)
    | {"tokenizer.json": 50_000_000, "vocab.json": 10_000_000}
)
"""Bytes; published models have a tenth at most."""
_MOST_ADDED = 20_000  # tokens: Whisper adds 1,608, and each is looked for in every text
_MOST_LAYERS = 256
_MOST = 10_000_000  # of any other number of things
_MOST_HEADER = 100_000_000  # bytes, as safetensors itself has it
_MOST_RANK = 4096
_MOST_ALPHA = 1e6  # far above any that helps
_DEEPEST = 100  # levels
_OF_CODE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError)
"""What Python itself raises where code meets a value that it does not expect: its message means nothing to a person."""
_FIELD = re.compile(r"Validation error for field '(\w+)'")  # huggingface_hub's, of transformers' configs
_LAYER = re.compile(r"^(?!codec_model\.).*((en|de)coder|model)\.layers\.\d+")  # a codec's names differ


def check_model(folder: Path) -> None:
    """Raise ModelError where a JSON file of the model in `folder` cannot be what it should be."""
    present = [name for name in _LARGEST if (folder / name).is_file()]
    _check_files(folder, tuple((name, (folder / name).stat().st_mtime_ns) for name in present))


@lru_cache(maxsize=8)  # the page asks at every change of a setting, and a tokenizer takes 0.2 s
def _check_files(folder: Path, files: tuple[tuple[str, int], ...]) -> None:
    for name, _changed in files:
        _check_values(folder / name, read_object(folder / name))
    _check_processor(folder)


def check_processor(folder: Path) -> None:
    """As `check_model`, of the files of a processor alone."""
    for name in _LARGEST:
        if name != "config.json" and (folder / name).is_file():
            read_object(folder / name)
    _check_processor(folder)


def check_adapter(folder: Path) -> None:
    """Raise ModelError where adapter_config.json in `folder` cannot be what it should be."""
    path = folder / "adapter_config.json"
    settings = read_object(path)
    ranks = {"r": settings.get("r", 8), **_named_values(settings, "rank_pattern")}
    for name, rank in ranks.items():
        if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= _MOST_RANK:
            raise _refused(path, f"{name} is {_shown(rank)}, where 1 to {_MOST_RANK:,} is possible")
    alphas = {"lora_alpha": settings.get("lora_alpha", 8), **_named_values(settings, "alpha_pattern")}
    for name, alpha in alphas.items():
        if not is_alpha(alpha):
            raise _refused(path, f"{name} is {_shown(alpha)}, where a number up to {_MOST_ALPHA:,.0f} is possible")


def is_alpha(value: object) -> TypeGuard[float]:
    """Whether an adapter can be scaled by `value` over its rank: a number above 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _MOST_ALPHA


def patterns(settings: Mapping[str, Any]) -> list[str]:
    """The regular expressions that peft makes of an adapter's settings and tries on every layer's name."""
    found = [text for name in ("target_modules", "exclude_modules") if isinstance(text := settings.get(name), str)]
    for name in ("rank_pattern", "alpha_pattern"):
        found += [rf"(.*\.)?({key})$" for key in _listed(settings.get(name))]
    found += [rf"(^|.*\.){name}($|\..*)" for name in _listed(settings.get("modules_to_save"))]
    return found + [rf"(?:^|.*?\.){name}\.(?P<idx>\d+)\..*" for name in _listed(settings.get("layers_pattern"))]


def _listed(value: Any) -> list[str]:
    several = value if isinstance(value, list | dict) else [value]
    return [text for text in several if isinstance(text, str)]


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`. Raises ModelError where it is none, too large, or nested too deeply."""
    try:
        size = path.stat().st_size
        if size > _LARGEST.get(path.name, 1_000_000):
            raise _refused(path, f"it has {size / 1e6:.0f} MB, far more than any model's")
        found = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise _refused(path, "it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise _refused(path, f"it is not JSON from line {error.lineno}, column {error.colno} on") from error
    except UnicodeDecodeError as error:
        raise _refused(path, "it is not a text in UTF-8") from error
    except OSError as error:
        raise _refused(path, plain_reason(error)) from error
    except ValueError as error:  # such as a number of 10,000 digits
        raise _refused(path, "it is not JSON that can be read") from error
    if not isinstance(found, dict):
        raise _refused(path, "it is not a JSON object")
    if _is_deep(found):
        raise _refused(path, "it is nested too deeply")
    return found


def header(weights: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in a file of safetensors, by its name. Raises ModelError where it is not one."""
    try:
        with weights.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            if size > min(_MOST_HEADER, weights.stat().st_size):
                raise _refused(weights, "its header is longer than the file")
            found = json.loads(stream.read(size))
            entries = {name: entry for name, entry in found.items() if name != "__metadata__"}
            end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
            if 8 + size + end > weights.stat().st_size:
                raise _refused(weights, "it is not whole")
            return {name: tuple(int(length) for length in entry["shape"]) for name, entry in entries.items()}
    except (OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _refused(weights, "it is not whole") from error


def _check_values(path: Path, settings: Mapping[str, Any]) -> None:
    if path.name != "config.json":
        return
    for name, value in _numbers(settings):
        most = _MOST_LAYERS if name.endswith("layers") else _MOST
        if name.endswith(("layers", "size", "dim", "heads", "d_model", "positions", "position_embeddings")):
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
                raise _refused(path, f"{name} is {_shown(value)}, where a whole number up to {most:,} is possible")
        elif isinstance(value, int) and abs(value) > most:
            raise _refused(path, f"{name} is {_shown(value)}, where {most:,} at most is possible")


def _numbers(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every setting that is not an object or a list, and those within objects; None means the default."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _numbers(value)
        elif value is not None and not isinstance(value, list):
            yield name, value


def _check_processor(folder: Path) -> None:
    for name, key in (("tokenizer.json", "added_tokens"), ("tokenizer_config.json", "added_tokens_decoder")):
        if (folder / name).is_file():
            _check_added(folder / name, read_object(folder / name).get(key) or ())
    if (folder / "added_tokens.json").is_file():
        _check_added(folder / "added_tokens.json", read_object(folder / "added_tokens.json"))


def _check_added(path: Path, added: Any) -> None:
    if not isinstance(added, list | dict | tuple):
        raise _refused(path, "its added tokens are not a list")
    if len(added) > _MOST_ADDED:
        raise _refused(path, f"it adds {len(added):,} tokens, where {_MOST_ADDED:,} are possible")


def check_shapes(network: Any, folder: Path) -> None:
    """Raise ModelError where the weights in `folder` are not those of `network`, which has no numbers yet."""
    stored: dict[str, tuple[int, ...]] = {}
    for weights in sorted(folder.glob("model*.safetensors")):
        stored |= header(weights)
    asked = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    if _layers(asked) != _layers(stored):
        raise _refused(
            folder / "config.json",
            f"it asks for {counted(len(_layers(asked)), 'layer')}, and the weights have {len(_layers(stored))}",
        )
    for name, shape in asked.items():
        if name in stored and stored[name] != shape:
            raise _refused(
                folder / "config.json", f"it asks for {name} of {shape}, and the weights have {stored[name]}"
            )


def _layers(names: Iterable[str]) -> set[str]:
    return {found[0] for name in names if (found := _LAYER.search(name))}


def _named_values(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The values of the object `name`, by what to call them; of anything else than an object itself."""
    found = settings.get(name) or {}
    return {f"{name}[{key!r}]": value for key, value in found.items()} if isinstance(found, dict) else {name: found}


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inner(outer)]
        if not level:
            return False
    return True


def _inner(value: Any) -> list[Any]:
    found = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [inner for inner in found if isinstance(inner, dict | list)]


def _shown(value: Any) -> str:
    """As the file has it."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:40]}…"


def unreadable(folder: Path, error: Exception) -> ModelError:
    """The sentence for an `error` of a library that read the model in `folder`: the setting, no words of its code."""
    if field := _FIELD.search(str(error)):
        path = folder / "config.json"
        return _refused(path, f"{field[1]} is {_shown(read_object(path).get(field[1]))}, which is no value for it")
    if isinstance(error, _OF_CODE):
        why = "a value in its config.json or generation_config.json is not possible for this kind of model"
    else:
        why = plain_reason(error).split(". ")[0]
    return ModelError(f"The model in {folder} cannot be read: {why}.", _AGAIN)


def no_processor(folder: Path, error: Exception) -> ModelError:
    """As `unreadable`, where what prepares sound and text could not be read."""
    settings, own = folder / "processor_config.json", folder / "preprocessor_config.json"
    has_extractor = settings.is_file() and isinstance(read_object(settings).get("feature_extractor"), dict)
    if isinstance(error, ImportError):  # it names a package that is missing
        why = plain_reason(error).split(". ")[0]
    elif not own.is_file() and not has_extractor:
        why = "neither preprocessor_config.json nor processor_config.json says how sound is prepared"
    elif not (folder / "tokenizer.json").is_file():
        why = "tokenizer.json is missing"
    else:
        why = "one of its files is damaged (the tokenizer's, processor_config.json or preprocessor_config.json)"
    return ModelError(f"{folder} holds no processor that can be used: {why}.", _AGAIN)


def _refused(path: Path, why: str) -> ModelError:
    return ModelError(f"{path} cannot be used: {why}.", _AGAIN)
