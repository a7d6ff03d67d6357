"""How a typed text is put to a language model, and where its answer begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

BEFORE, BETWEEN = "Typed:", "\nMeant:"  # for a model whose config.json has no `typing` of its own


@dataclass(frozen=True, slots=True)
class Template:
    """Token ids around a text. Both texts begin with a space, so that their first words look like all others."""

    before: Sequence[int]
    between: Sequence[int]
    ends: Sequence[int]  # the ids that end a text; the first is the one that labels end with
    margin: float = 0.0  # nats by which another token must be likelier than the input's own to take its place
    line_ends: Sequence[int] = ()  # the ids that end a line, and so an answer: no text has a second line

    @classmethod
    def of(cls, config: Any, tokenizer: Any) -> Template:
        """The one in the model's config.json (`typing`: before, between, margin), else the fixed one."""
        own = getattr(config, "typing", None) or {}
        if own:
            before, between = (tokenizer.convert_tokens_to_ids(own[name]) for name in ("before", "between"))
            return cls([before], [between], _ends(config, tokenizer), float(own.get("margin", 0.0)))
        start = [token for token in tokenizer("").input_ids if token == tokenizer.bos_token_id]
        ends, line = _ends(config, tokenizer), plain(tokenizer, "\n")
        before, between = [*start, *plain(tokenizer, BEFORE)], plain(tokenizer, BETWEEN)
        return cls(before, between, ends, line_ends=line if len(line) == 1 else ())

    @property
    def stops(self) -> list[int]:
        """The ids that end an answer. A model that was never tuned writes further lines, and no end of the text."""
        return [*self.ends, *(one for one in self.line_ends if one not in self.ends)]

    def prompt(self, typed: Sequence[int]) -> list[int]:
        """What the model is given before the first token of its answer."""
        return [*self.before, *typed, *self.between]


def plain(tokenizer: Any, text: str) -> list[int]:
    """The ids of `text`, in which nothing counts as a special token, whoever typed it."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
    return ids


def ids_of(tokenizer: Any, text: str) -> list[int]:
    """The ids of a typed or a meant text."""
    return plain(tokenizer, f" {text}")


def text_of(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text of an answer."""
    text: str = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text.removeprefix(" ")


def _ends(config: Any, tokenizer: Any) -> list[int]:
    found = config.eos_token_id if config.eos_token_id is not None else tokenizer.eos_token_id
    return list(found) if isinstance(found, list | tuple) else [found]
