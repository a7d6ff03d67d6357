"""How one person types: how often each kind of typo happens, and the particular habits within a kind."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from studio.errors import ConfigError
from studio.faults import faults
from studio.typing.explain import explained
from studio.typing.kinds import TypoKind
from studio.workspace import disk_errors

USUAL_RATES: Mapping[TypoKind, float] = MappingProxyType(
    {
        "neighbour": 0.9,
        "doubled": 0.3,
        "dropped": 0.6,
        "swapped": 0.5,
        "joined": 0.3,
        "split": 0.15,
        "spaced": 0.15,
        "case": 0.3,
        "punctuation": 0.3,
        "phonetic": 0.3,
    }
)
"""Typos in 100 characters of someone who types fast and does not correct: near 4 % of keys, as Dhakal et al. (CHI 2018)
saw in 136 million keystrokes before correction, where most were substitutions."""
_PRIOR = 1_000  # characters of usual typing that a fit begins with: a few pairs say little about rare kinds


class Profile(BaseModel):
    """Rates and habits. `habits` counts, within a kind, changes such as “ie→ei”."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rates: dict[TypoKind, float] = Field(description="Typos of each kind in 100 characters")
    habits: dict[TypoKind, dict[str, int]] = Field(default_factory=dict, description="How often each change was seen")
    characters: int = Field(0, ge=0, description="Of clean text that it was fitted to; 0: to none")

    @classmethod
    def usual(cls) -> Profile:
        """Of no particular person."""
        return cls(rates=dict(USUAL_RATES), characters=0)

    @classmethod
    def fitted(cls, typed_and_wanted: Iterable[tuple[str, str]]) -> Profile:
        """The profile of whoever typed these pairs; near the usual one where they are few."""
        counts: Counter[TypoKind] = Counter()
        habits: dict[TypoKind, Counter[str]] = defaultdict(Counter)
        characters = 0
        for typed, wanted in typed_and_wanted:
            characters += len(wanted)
            for typo in explained(typed, wanted):
                counts[typo.kind] += 1
                habits[typo.kind][typo.change] += 1
        rates = {
            kind: round((counts[kind] * 100 + usual * _PRIOR) / (characters + _PRIOR), 4)
            for kind, usual in USUAL_RATES.items()
        }
        return cls(
            rates=rates,
            habits={kind: dict(changes.most_common()) for kind, changes in sorted(habits.items())},
            characters=characters,
        )

    @classmethod
    def read(cls, path: Path) -> Profile:
        """The profile in the JSON file `path`. Raises ConfigError where it holds none, and DiskError."""
        with disk_errors(path, "read"):
            content = path.read_bytes()
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            found = "; ".join(f"{name}: {fault}" for name, fault in faults(error).items())
            raise ConfigError(f"{path} is not a typing profile: {found}.", "Make one: studio typos profile") from error

    def most_common(self, most: int = 10) -> list[tuple[TypoKind, str, int]]:
        """The commonest changes of all kinds: kind, change, how often."""
        found = [(kind, change, count) for kind, changes in self.habits.items() for change, count in changes.items()]
        return sorted(found, key=lambda habit: (-habit[2], habit[0], habit[1]))[:most]
