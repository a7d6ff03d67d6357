"""LoRA adapters: put on a base model, taken off for a moment, saved, loaded. One set of base weights in memory."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.config import lasting_model, split_language
from studio.errors import ModelError, StudioError
from studio.models import typists
from studio.models.base import Recogniser
from studio.models.claims import check_adapter, header, patterns, read_object
from studio.models.folders import written_whole
from studio.models.layers import matching
from studio.models.portable import NEEDS_PEFT, adapter_settings, needs
from studio.models.targets import Kind, check_targets, pattern_of
from studio.models.whole_layers import train_in_fp32, unloaded
from studio.runs.folder import RunFolder, model_moved_along
from studio.text import counted
from studio.workspace import Workspace, expanded

if TYPE_CHECKING:
    import torch

BASE_NOTE = "base.json"  # in an adapter's folder: which base model it was made on
TRAINED_ALPHA = "trained_alpha"  # in that note: the lora_alpha that the adapter was trained with


def attach(
    recogniser: Recogniser,
    rank: int,
    alpha: float,
    dropout: float,
    targets: str,
    seed: int,
    *,
    dora: bool = False,
    rslora: bool = False,
    whole: Sequence[str] = (),
) -> Recogniser:
    """`recogniser` with a fresh LoRA adapter, which changes nothing until it is trained.

    `targets` is a preset of the family's `lora_targets`, or a regex over module names. Only the adapter is trainable.
    `dora` learns the length of each weight's columns apart from their direction (arXiv:2402.09353); `rslora` scales
    by alpha / sqrt(rank) in place of alpha / rank (arXiv:2312.03732). The layers `whole` are trained whole, too.
    The same `seed` gives the same adapter, and the global random state is left as it was.
    Raises ConfigError where `targets` cannot be adapted.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    base = without_peft(recogniser.model)
    _check_targets(recogniser, base, targets)
    # A task type would pass arguments that these families' forward does not take (peft raises TypeError).
    config = LoraConfig(
        task_type=None,
        r=rank,
        lora_alpha=alpha,  # a float, though peft annotates a whole number
        lora_dropout=dropout,
        target_modules=pattern_of(recogniser.family, targets),
        use_dora=dora,
        use_rslora=rslora,
        modules_to_save=list(whole) or None,
    )
    base.name_or_path, _ = split_language(lasting_model(recogniser.source))  # what peft notes as the adapter's base
    with torch.random.fork_rng(devices=[]), _no_alias_warnings():
        torch.manual_seed(seed)
        model = get_peft_model(base, config).eval()
    train_in_fp32(model)
    return replace(recogniser, model=model)


def load_adapter(recogniser: Recogniser, folder: Path) -> Recogniser:
    """`recogniser` with the adapter in `folder` in place of any other, in eval mode, not trainable.

    Raises ModelError where the folder holds no adapter, or one of another base model.
    """
    _check_adapter(recogniser, folder)
    return add_adapter(replace(recogniser, model=without_peft(recogniser.model)), folder, "default")


def add_adapter(recogniser: Recogniser, folder: Path, name: str) -> Recogniser:
    """`recogniser` with the adapter in `folder` besides those that it has, called `name`, in eval mode, not trainable.

    Raises ModelError as `load_adapter` does; what was half loaded is then still on the model.
    """
    from peft import PeftModel

    _check_adapter(recogniser, folder)
    typist = typists.read(folder)
    model = recogniser.model
    try:
        with _no_alias_warnings(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found missing adapter keys", UserWarning)  # which is an error here
            warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)  # peft 0.18: it is replaced
            if isinstance(model, PeftModel):
                model.load_adapter(folder, name, local_files_only=True)
            else:
                model = PeftModel.from_pretrained(model, folder, name, local_files_only=True)
    except MemoryError:
        raise
    except Exception as error:  # peft lets through whatever a broken file makes of its code
        raise ModelError(
            f"The adapter in {folder} does not fit {recogniser.source}.", "Load the base model it was trained on."
        ) from error
    _check_whole(model, folder, name)
    typists.meet(model, typist, name)
    return replace(recogniser, model=model.eval())


def _check_whole(model: Any, folder: Path, name: str) -> None:
    """Raise ModelError, and take the adapter off again, where its file has not all tensors, or others too."""
    from peft import get_peft_model_state_dict

    wanted = set(get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False))
    found = set(header(folder / "adapter_model.safetensors"))
    if found == wanted:
        return
    unloaded(model) if len(model.peft_config) == 1 else model.delete_adapter(name)
    raise ModelError(
        f"The adapter in {folder} is incomplete: it lacks {len(wanted - found)} of {counted(len(wanted), 'tensor')}"
        + (f", and has {counted(len(found - wanted), 'tensor')} of no layer." if found - wanted else "."),
        "Copy it again, or train it again.",
    )


def find_adapter(named: str | Path, workspace: Workspace) -> Path:
    """The adapter folder that `named` means: itself, within a run's folder, or of the run of that name.

    Raises ModelError, which says how to list the runs.
    """
    given = expanded(named)
    run = [workspace.outputs / given] if len(given.parts) == 1 else []
    for folder in (given, RunFolder(given).adapter, *(RunFolder(path).adapter for path in run)):
        if (folder / "adapter_config.json").is_file():
            return folder
    raise ModelError(f"There is no adapter in “{named}”, and no finished run of that name.", "List them: studio runs")


def base_of(adapter: Path) -> str | None:
    """The model that the run of the adapter folder `adapter` was trained on; None where no run says so."""
    with suppress(StudioError):
        settings = RunFolder(adapter.parent).settings()
        return settings.model if settings else None
    return None


@contextmanager
def without_adapter(recogniser: Recogniser) -> Iterator[None]:
    """Within the block the model transcribes exactly as its base does; with no adapter it does so anyway."""
    from peft import PeftModel

    if not isinstance(recogniser.model, PeftModel):
        yield
        return
    with same_trainable(recogniser), recogniser.model.disable_adapter():
        yield


@contextmanager
def same_trainable(recogniser: Recogniser) -> Iterator[None]:
    """After the block the parameters that are trained are those from before: peft changes them (its issue 3447)."""
    wanted = {name: parameter.requires_grad for name, parameter in recogniser.model.named_parameters()}
    try:
        yield
    finally:
        for name, parameter in recogniser.model.named_parameters():
            parameter.requires_grad_(wanted[name])


def trainable(recogniser: Recogniser) -> list[torch.nn.Parameter]:
    """What an optimiser should be given: the adapter's parameters."""
    return [parameter for parameter in recogniser.model.parameters() if parameter.requires_grad]


def save(recogniser: Recogniser, folder: Path, trained_alpha: float | None = None) -> None:
    """Write the adapter as peft does (safetensors only), with a note of its base; whole or not at all.

    `trained_alpha` is what it was trained with, where its strength was changed since. Raises DiskError.
    """
    with written_whole(folder) as temporary:
        _write_adapter(recogniser, temporary, trained_alpha)


def without_peft(model: Any) -> Any:
    """The base model, freed of any adapter; `model` itself where it has none."""
    from peft import PeftModel

    return unloaded(model) if isinstance(model, PeftModel) else model


@contextmanager
def _no_alias_warnings() -> Iterator[None]:
    """Within the block peft may ask transformers 5.23 for gradient checkpointing by its older name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def _write_adapter(recogniser: Recogniser, folder: Path, trained_alpha: float | None) -> None:
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    # save_embedding_layers="auto" would ask the Hub about the base's vocabulary.
    state = get_peft_model_state_dict(recogniser.model, save_embedding_layers=False)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = adapter_settings(recogniser.model.peft_config["default"]) | {"inference_mode": True}
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    note: dict[str, Any] = {
        "source": lasting_model(recogniser.source),
        "family": recogniser.family.name,
        "fingerprint": fingerprint(recogniser.folder),
        TRAINED_ALPHA: trained_alpha or settings["lora_alpha"],
    }
    typists.write(typists.of(recogniser.model), folder)
    (folder / BASE_NOTE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    card = f"# LoRA adapter\n\nMade on {note['source']}. Needs {needs(note['family'])} and {NEEDS_PEFT}.\n"
    (folder / "README.md").write_text(card, encoding="utf-8")


def _check_targets(recogniser: Recogniser, base: torch.nn.Module, targets: str) -> None:
    import torch

    def kind_of(name: str) -> Kind:
        if _shares_weights(base, name):
            return "shared"
        return "linear" if isinstance(base.get_submodule(name), torch.nn.Linear) else "other"

    names = [name for name, _ in base.named_modules() if name]
    check_targets(recogniser.family, recogniser.source, targets, names, kind_of)


def _shares_weights(base: torch.nn.Module, name: str) -> bool:
    """Whether another layer has the weights of the layer `name`, as tied embeddings do: merging would change both."""
    weight = getattr(base.get_submodule(name), "weight", None)
    others = (module for other, module in base.named_modules() if other != name)
    return weight is not None and any(getattr(module, "weight", None) is weight for module in others)


def _check_adapter(recogniser: Recogniser, folder: Path) -> None:
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (folder / name).is_file():
            raise ModelError(f"{folder} holds no adapter: {name} is missing.", "Choose the folder of a finished run.")
    check_adapter(folder)
    header(folder / "adapter_model.safetensors")
    _check_patterns(recogniser, folder)
    note, name = base_note(folder), lasting_model(recogniser.source)
    made_on = note.get("source", name)
    if note.get("fingerprint", here := fingerprint(recogniser.folder)) == here:
        return
    if made_on == name:
        raise ModelError(
            f"The adapter in {folder} was made on another version of “{name}”.", "Train it again on this version."
        )
    raise ModelError(f"The adapter in {folder} was made on “{made_on}”, not on “{name}”.", f"Load it on “{made_on}”.")


def _check_patterns(recogniser: Recogniser, folder: Path) -> None:
    """Raise ModelError where a regular expression of the adapter in `folder` would keep peft busy without end."""
    from peft import PeftModel

    model = recogniser.model
    inner = model.get_base_model() if isinstance(model, PeftModel) else model  # adapters that are on it stay
    names = [name for name, _ in inner.named_modules()]
    try:
        matching(patterns(read_object(folder / "adapter_config.json")), names)
    except ValueError as error:
        raise ModelError(
            f"The adapter in {folder} cannot be used: a pattern of its adapter_config.json {error}.",
            "Get the adapter from its makers again, or train it again.",
        ) from error


def base_note(folder: Path) -> dict[str, Any]:
    """What `save` noted about the base: `source`, `family`, `fingerprint`; empty for an adapter made elsewhere."""
    try:
        note = json.loads((folder / BASE_NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(note, dict):
        return {}
    if isinstance(source := note.get("source"), str):
        note["source"] = model_moved_along(RunFolder(folder.parent), source)
    return note


def adapter_hash(recogniser: Recogniser) -> str:
    """A hash of the adapter's weights and strength, as they are in memory; empty where there is none."""
    from peft import PeftModel, get_peft_model_state_dict

    if not isinstance(recogniser.model, PeftModel):
        return ""
    strengths = [config.lora_alpha for config in recogniser.model.peft_config.values()]
    digest = hashlib.sha256(repr(strengths).encode())
    state = get_peft_model_state_dict(recogniser.model, save_embedding_layers=False)
    for name, tensor in sorted(state.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    if typist := typists.of(recogniser.model):
        digest.update(typist.model_dump_json().encode())
    return digest.hexdigest()


def fingerprint(folder: Path) -> str:
    """A hash that identifies a base model: of the weights' size, header and 64 evenly spread pieces of 4 KiB."""
    digest = hashlib.sha256()
    weights = sorted(folder.glob("model*.safetensors"))
    for path in weights or [folder / "config.json"]:
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as stream:
            for piece in range(64):
                stream.seek(size * piece // 64)
                digest.update(stream.read(4096))
    return digest.hexdigest()
