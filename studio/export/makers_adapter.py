"""The target “moonshine-adapter”: an adapter alone, as Moonshine's makers train and load theirs.

Theirs (moonshine_voice/lora/adapter.py, 0.1.5) has one down-projection for the queries, keys and values of a layer. So
ours of rank r become one whose blocks lie on top of each other, of rank 3r where all three are adapted, and each
up-projection is filled up with zeros. All layers of a stack are adapted; those that were not get zeros.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from studio.errors import ModelError
from studio.export.merged import MergeReport
from studio.export.reference import Reference
from studio.export.snippets import place
from studio.export.targets import Runtime
from studio.models import Recogniser, load
from studio.models.claims import read_object
from studio.models.encoder_decoder import EncoderDecoder
from studio.models.registry import family_named, family_of
from studio.progress import OnProgress

if TYPE_CHECKING:
    import torch

FILE, SETTINGS = "adapter.safetensors", "adapter.json"
_OURS = re.compile(
    r"base_model\.model\.model\.(encoder|decoder)\.layers\.(\d+)\.self_attn\.([qkv]_proj)\.lora_[AB]\.weight"
)
_ROLES = ("q_proj", "k_proj", "v_proj")
_USAGE = """## Use it in Python, with the makers' own functions

`pip install 'moonshine-voice[lora]'`, then:

```python
from moonshine_voice.lora.adapter import add_lora, load_adapter_state, merge_and_restore
from safetensors.torch import load_file
from transformers import {network}

model = {network}.from_pretrained({base!r}).eval()
sites = add_lora(model, rank={rank}, alpha={alpha}, sites={sites!r})
load_adapter_state(sites, load_file({file!r}), "cpu")
merge_and_restore(model, sites)  # the model is a plain one again, with the adapter in its weights
```

`{settings}` has the same rank, alpha and sites.
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """What the makers' `add_lora` must be given."""

    rank: int
    alpha: float
    sites: str  # decoder, encoder or both


class MakersAdapter:
    """`adapter.safetensors`, and what it was made for in `adapter.json`."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """The adapter that `merged` was merged from. Raises ModelError where it has more than the layout, DiskError."""
        from safetensors.torch import load_file, save_file

        progress(0, 1)
        report = _report(merged)
        settings = read_object(report.adapter / "adapter_config.json")
        tensors = load_file(report.adapter / "adapter_model.safetensors")
        _check(settings, tensors)
        written, layout = to_makers(tensors, settings, read_object(merged / "config.json"))
        save_file(written, out / FILE, metadata={"format": "pt"})
        about = asdict(layout) | {"base": report.base, "family": family_of(merged).name}
        (out / SETTINGS).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        progress(1, 1)

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """The base model in transformers with the file on it: by the makers' functions, where they are installed."""
        from safetensors.torch import load_file

        recogniser, state = load(_report(reference.recogniser.folder).base, "cpu"), load_file(folder / FILE)
        layout = _layout(folder)
        (_add if find_spec("moonshine_voice") else _fold)(recogniser, state, layout)
        return Reference(recogniser, reference.threads)

    def usage(self, folder: Path, files: Path) -> str:
        """The lines of the makers' package."""
        about = read_object(files / SETTINGS)
        network = cast(EncoderDecoder, family_named(about["family"])).network
        names = {"file": str(folder / FILE), "settings": SETTINGS, "base": place(about["base"]), "network": network}
        return _USAGE.format(**asdict(_layout(files)), **names)


def to_makers(
    tensors: Mapping[str, torch.Tensor], settings: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[dict[str, torch.Tensor], Layout]:
    """peft's adapter `tensors` by the makers' names, for a model of `config`, and what `add_lora` needs for them."""
    import torch

    found = [match.groups() for name in tensors if (match := _OURS.fullmatch(name))]
    stacks = [stack for stack in ("decoder", "encoder") if any(stack == each for each, _, _ in found)]
    roles = [role for role in _ROLES if any(role == each for _, _, each in found)]
    rank, written = int(settings["r"]), dict[str, torch.Tensor]()
    for stack in stacks:
        given, made = _sizes(tensors, stack)
        for layer in range(_layers(config, stack)):
            ours = f"base_model.model.model.{stack}.layers.{layer}.self_attn."
            first = {role: tensors.get(f"{ours}{role}.lora_A.weight", torch.zeros(rank, given)) for role in roles}
            written[f"{stack}.{layer}.down"] = torch.cat([first[role].float() for role in roles])
            for role in _ROLES:
                up = torch.zeros(made, rank * len(roles))
                if (second := tensors.get(f"{ours}{role}.lora_B.weight")) is not None:
                    place_of = rank * roles.index(role)
                    up[:, place_of : place_of + rank] = second
                written[f"{stack}.{layer}.{role}.up"] = up
    scaling = float(settings["lora_alpha"]) / (rank**0.5 if settings.get("use_rslora") else rank)
    wide = rank * len(roles)
    return written, Layout(wide, scaling * wide, "both" if len(stacks) == 2 else stacks[0])


def _sizes(tensors: Mapping[str, torch.Tensor], stack: str) -> tuple[int, int]:
    """What the projections of `stack` take and make."""
    firsts, seconds = (
        next(tensor for name, tensor in tensors.items() if f".{stack}." in name and f".lora_{half}." in name)
        for half in "AB"
    )
    return firsts.shape[1], len(seconds)


def _layers(config: Mapping[str, Any], stack: str) -> int:
    """How many layers the network has in `stack`."""
    if "encoder_config" in config:
        return int((config["encoder_config"] if stack == "encoder" else config)["num_hidden_layers"])
    return int(config[f"{stack}_num_hidden_layers"])


def _check(settings: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
    """Raise ModelError where the adapter is more than LoRA of one rank on self-attention's queries, keys, values."""
    others = sorted({name.removeprefix("base_model.model.").partition(".lora_")[0]
                     for name in tensors if not _OURS.fullmatch(name)})  # fmt: skip
    more = {"use_dora": "is DoRA", "modules_to_save": "has whole layers",
            "rank_pattern": "has several ranks", "alpha_pattern": "has several strengths"}  # fmt: skip
    why = [words for name, words in more.items() if settings.get(name)]
    if others and not why:
        why = [f"is also on {others[0]}"]
    if why:
        raise ModelError(
            "The makers' layout has plain LoRA on the q, k and v of self-attention alone, and this adapter "
            f"{', '.join(why)}.",
            "Train with the adapter Conventions, or export the whole model: moonshine-streaming, merged.",
        )


def _add(recogniser: Recogniser, state: Mapping[str, torch.Tensor], layout: Layout) -> None:
    from moonshine_voice.lora.adapter import add_lora, load_adapter_state

    sites = add_lora(recogniser.model, rank=layout.rank, alpha=layout.alpha, sites=layout.sites)
    load_adapter_state(sites, state, "cpu")


def _fold(recogniser: Recogniser, state: Mapping[str, torch.Tensor], layout: Layout) -> None:
    """What their functions do, into the weights."""
    import torch

    network: Any = recogniser.model
    with torch.no_grad():
        for name in (name for name in state if name.endswith(".up")):
            stack, layer, role, _ = name.split(".")
            projection = getattr(network.model.get_submodule(f"{stack}.layers.{layer}.self_attn"), role)
            change = state[name] @ state[f"{stack}.{layer}.down"]
            projection.weight.add_(change, alpha=layout.alpha / layout.rank)


def _layout(folder: Path) -> Layout:
    about = read_object(folder / SETTINGS)
    return Layout(about["rank"], about["alpha"], about["sites"])


def _report(merged: Path) -> MergeReport:
    report = MergeReport.read(merged)
    if report is None:
        raise ModelError(f"{merged} does not say which model it was merged from.", "Merge the run again.")
    return report
