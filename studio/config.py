"""Every setting of a fine-tune, once: its default, its bounds, its unit and its help.

The command line makes its flags from these fields, the page its form, the README its table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo

from studio.errors import ConfigError
from studio.faults import faults, plain_reason
from studio.workspace import NAME, expanded, is_folder, lasting_folder

BUNDLED, NOTHING = "bundled", "none"  # values of `replay` other than a dataset
AUTO: Final = "auto"  # the value of `precision` that is chosen by a measurement
MIXED: Final = "mixed"  # what it chooses where that gains
PADDING_WEIGHT = 0.5  # as Kyutai trains its own models: most frames hold no word
STARTER, ECHO = "starter", "echo"  # the models that come with the package: one for people, one for tests
TYPING_STARTER = "typing-starter"  # the one for typing

_IN_LANGUAGE = re.compile(r"(.+):([a-z]{2,3})")

Kind = Literal["speech", "typing"]  # of a model and of a dataset: what goes in is sound, or what was typed
Precision = Literal["auto", "fp32", "mixed", "bf16", "fp16"]
Normaliser = Literal["exact", "plain", "spoken", "spoken-de", "spoken-fr", "spoken-es", "whisper", "whisper-basic"]


class TrainConfig(BaseModel):
    """What a run needs to be repeated, besides the dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = Field(description="Dataset: a name under recordings/, or a folder with manifest.jsonl")
    model: str = Field(
        STARTER,
        description="Base model: “starter”, a Hub id on this disk, or a folder; “:de” after it: in that language",
    )
    rank: int = Field(32, ge=1, le=256, description="LoRA rank: how much the adapter can hold")
    alpha: float = Field(64.0, gt=0, le=512, description="LoRA alpha: the adapter is scaled by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout on the adapter's input while training; slower")
    targets: str = Field(
        "full",
        title="Target layers",
        description="Layers that get an adapter: conventions, voice, deep, full, or a regex over their names",
    )
    dora: bool = Field(
        False, title="DoRA", description="DoRA: learn the size of the weights apart from their direction; slower"
    )
    rslora: bool = Field(False, title="rsLoRA", description="rsLoRA: scale by alpha / √rank, for high ranks")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Peak learning rate")
    warmup_steps: int = Field(
        10, title="Warm-up steps", ge=0, description="Steps in which the learning rate rises to its peak"
    )
    max_steps: int = Field(60, title="Steps at most", ge=1, le=1_000_000, description="Optimiser steps at most")
    batch_size: int = Field(8, ge=1, le=512, description="Clips in one forward pass")
    accumulation: int = Field(
        1, title="Gradient accumulation", ge=1, le=512, description="Forward passes added up to one step"
    )
    weight_decay: float = Field(0.0, ge=0, le=1, description="AdamW weight decay")
    augment: int = Field(
        0,
        title="Augmented copies",
        ge=0,
        le=20,
        description="Augmented copies of each clip (pace, noise, bandwidth, level) to train on as well",
    )
    replay: str = Field(
        BUNDLED,
        description="Clips replayed against forgetting: bundled (for English models), a dataset, or none; one without "
        "labels is added to the bundled ones, labelled by the base model",
    )
    replay_share: float = Field(
        0.5, title="Share of replay", ge=0, le=0.9, description="Share of training clips that are replayed"
    )
    choose_strength: bool = Field(
        True, description="After training, weaken the adapter where that forgets less and costs the dataset nothing"
    )
    max_grad_norm: float = Field(1.0, title="Gradient clipping", gt=0, description="Gradients are clipped to this norm")
    eval_every: int = Field(
        10, title="Steps between validations", ge=1, description="Steps between two scorings of the validation clips"
    )
    patience: int = Field(4, ge=1, description="Scorings without a better WER before training stops early")
    normaliser: Normaliser = Field(
        "exact",
        title="Compare texts",
        description="How texts are compared: exact; plain (case, punctuation ignored); spoken (digits = words); "
        "whisper (Whisper's English normaliser); spoken-de, -fr, -es and whisper-basic: the same for other languages",
    )
    short_seconds: float = Field(
        0.0,
        title="Short clips, up to",
        ge=0,
        le=60,
        description="Held-out clips up to this many seconds are also scored separately; 0: none",
    )
    seed: int = Field(42, ge=0, lt=2**32, description="Seed of everything random")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, mps, cuda or cuda:N")
    precision: Precision = Field(
        AUTO,
        description="Precision of the base model: fp32; mixed (fp32, large products in bf16; CPU only); bf16; fp16; "
        "auto: mixed where this CPU is faster so, else fp32. The adapter stays fp32",
    )
    threads: int = Field(
        0, title="CPU threads", ge=0, le=1024, description="CPU threads; 0 leaves the choice to PyTorch"
    )
    gradient_checkpointing: bool = Field(False, description="Less memory for about a third more time")
    padding_weight: float = Field(
        PADDING_WEIGHT,
        title="Weight of frames without a word",
        gt=0,
        le=1,
        description="Kyutai: weight in the loss of a frame in which no word is written; 1 is that of a word's token",
    )
    short_frames: bool = Field(
        False,
        description="Whisper: learn from each clip with 5 s of silence after it, not from a frame of 30 s: faster",
    )
    train_embeddings: bool = Field(
        False, description="Kyutai: train the embeddings of text and sound too (ft_embed): 0.6 GB more to keep"
    )

    @field_validator("model")
    @classmethod
    def _model_from_anywhere(cls, model: str) -> str:
        """A folder by its whole path: a run is resumed, scored and served from other working directories too."""
        return lasting_model(model)

    @field_validator("dataset", "replay")
    @classmethod
    def _dataset_from_anywhere(cls, name: str) -> str:
        """A folder by its whole path. What can be a name stays one: the workspace that it is opened in knows."""
        return name if re.fullmatch(NAME, name) else lasting_folder(name)

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """A config of `values`. Raises ConfigError with every setting that is out of bounds, in words."""
        try:
            return cls(**values)
        except ValidationError as error:
            found = faults(error)
            what = "; ".join(f"{name}: {fault}" for name, fault in found.items())
            raise ConfigError(f"{what}.", " ".join(dict.fromkeys(map(_bounds, found)))) from error

    @field_validator("targets")
    @classmethod
    def _is_regex(cls, targets: str) -> str:
        try:
            re.compile(targets)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"is not a regular expression: {error}") from error
        return targets

    def flags(self) -> list[str]:
        """The settings as flags of `studio train`: those that differ from the defaults."""
        words: list[str] = []
        goes_with_targets = ADAPTERS.get(self.targets, {})
        for name, info in knobs():
            value = getattr(self, name)
            if value == goes_with_targets.get(name, info.default):
                continue
            flag = "--" + name.replace("_", "-")
            words += [flag if value else f"--no-{flag[2:]}"] if isinstance(value, bool) else [flag, f"{value}"]
        return words

    def command(self, run: str | None = None) -> list[str]:
        """The command line that starts a run with exactly these settings.

        It names model and targets always: without them the verb takes those that suit the computer.
        """
        model = ["--model", self.model] if self.model == STARTER else []
        targets = ["--targets", self.targets] if self.targets == type(self).model_fields["targets"].default else []
        words = [*model, *targets, *self.flags(), *(["--name", run] if run else [])]
        is_like_a_flag = self.dataset.startswith("-")
        return ["studio", "train", *([*words, "--", self.dataset] if is_like_a_flag else [self.dataset, *words])]


def knobs() -> Iterator[tuple[str, FieldInfo]]:
    """Every setting with a default, in order: what flags and forms are made of."""
    for name, info in TrainConfig.model_fields.items():
        if not info.is_required():
            yield name, info


def _bounds(name: str) -> str:
    info = TrainConfig.model_fields.get(name)
    return f"{info.description}." if info else "Known settings: " + ", ".join(TrainConfig.model_fields) + "."


def split_language(source: str) -> tuple[str, str]:
    """The model that `source` names, and the language that it is to transcribe: `openai/whisper-base:de`.

    The language is empty where `source` names none, or is a folder with such a name.
    """
    found = _IN_LANGUAGE.fullmatch(source)
    return (found[1], found[2]) if found and not is_folder(source) else (source, "")


def in_language(source: str, language: str) -> str:
    """`source` as the model that transcribes `language`; as it is where that is empty.

    Raises ConfigError where `language` is not a code.
    """
    if not language:
        return source
    named = f"{split_language(source)[0]}:{language.lower()}"
    if not _IN_LANGUAGE.fullmatch(named):
        raise ConfigError(
            f"“{language[:60]}” is not the code of a language.", "For example: de for German, es, fr, ja."
        )
    return named


def lasting_model(source: str) -> str:
    """`source` as it stays true in another working directory: a folder by its whole path."""
    name, language = split_language(source)
    return source if name in (STARTER, ECHO) else in_language(lasting_folder(name), language)


BALANCED = "balanced"  # the preset that applies where none is chosen
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "quick": {"max_steps": 40},
        BALANCED: {},
        "thorough": {"max_steps": 240, "eval_every": 20, "patience": 6, "learning_rate": 5e-4},
    }
)
"""Named starting points: what differs from the defaults."""


_SMALL: Mapping[str, Any] = MappingProxyType({"rank": 8, "alpha": 16.0})  # as they were measured

ADAPTERS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "conventions": {"learning_rate": 2e-3, **_SMALL},
        "voice": {"learning_rate": 2e-3, **_SMALL},
        "deep": _SMALL,
        "full": {},
    }
)
"""The targets that a person chooses among, and what goes with each: the fewer layers, the larger the steps."""


def preset(name: str, **values: Any) -> TrainConfig:
    """The config of preset `name`, with what goes with its targets, and `values` on top. Raises ConfigError."""
    if name not in PRESETS:
        raise ConfigError(f"There is no preset “{name}”.", f"Presets: {', '.join(PRESETS)}.")
    adapter = ADAPTERS.get(values.get("targets", ""), {})
    return TrainConfig.checked(**{**PRESETS[name], **adapter, **values})


RECIPES: Mapping[str, Path] = MappingProxyType(
    {path.stem: path for path in sorted((Path(__file__).parent / "recipes").glob("*.json"))}
)
"""Whole experiments that can be repeated, by name: files of settings, all but the dataset."""


def from_file(source: str, **values: Any) -> TrainConfig:
    """The config in the JSON file `source`, or in the recipe of that name, with `values` on top. Raises ConfigError."""
    path = RECIPES.get(source, expanded(source))
    named = f"Give a file with a JSON object of settings, or a recipe: {', '.join(RECIPES)}."
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"There is neither a file nor a recipe “{source}”.", named) from None
    except OSError as error:
        raise ConfigError(f"The settings in {source} cannot be read: {plain_reason(error)}.", named) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The settings in {source} cannot be read: this is not JSON.", named) from error
    if not isinstance(found, dict):
        raise ConfigError(f"{source} holds no settings.", named)
    return TrainConfig.checked(**{**found, **values})
