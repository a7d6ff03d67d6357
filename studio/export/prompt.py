"""`prompt.json`, next to an exported typing model: how it is asked, for programs that know nothing of the studio."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from studio.models import Recogniser
from studio.models.causal_lm import word_list
from studio.models.causal_lm.template import BEFORE, BETWEEN, Template

FILE = "prompt.json"
_WHOLE = "`studio mend`"  # the command that does all of it
TYPED = "teh meeting is at noon"  # the text that is corrected in the lines on a card


class Prompt(BaseModel):
    """A text is given as `before`, a space, what was typed, and `between`; the answer begins with a space too."""

    model_config = ConfigDict(frozen=True)

    before: str
    between: str
    before_ids: list[int]  # also with the token that begins every text, where the model has one
    between_ids: list[int]
    ends: list[int]  # any of these ids ends an answer
    margin: float  # nats by which another token must be likelier than the typed one; 0 where the likeliest is written
    positions: int  # of tokens, typed and answered
    has_words: bool  # whether `words.txt` says how words are spelled

    @classmethod
    def of(cls, recogniser: Recogniser) -> Self:
        """How `recogniser`, a typing model, is asked."""
        config, tokenizer = recogniser.model.config, recogniser.processor
        template, own = Template.of(config, tokenizer), getattr(config, "typing", None) or {}
        return cls(
            before=own.get("before", BEFORE),
            between=own.get("between", BETWEEN),
            before_ids=list(template.before),
            between_ids=list(template.between),
            ends=list(template.stops),
            margin=template.margin,
            positions=config.max_position_embeddings,
            has_words=word_list.read(Path(tokenizer.name_or_path)) is not None,
        )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What `write` wrote into `folder`."""
        return cls.model_validate_json((folder / FILE).read_bytes())

    def write(self, folder: Path) -> None:
        """Put it next to the model's files."""
        (folder / FILE).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def around(self, typed: str) -> str:
        """The whole prompt for `typed`."""
        return f"{self.before} {typed}{self.between}"

    @property
    def lines(self) -> dict[str, Any]:
        """What the lines on a card are filled in with."""
        return {"before": self.before_ids, "between": self.between_ids, "ends": self.ends, "typed": TYPED}

    @property
    def left_out(self) -> str:
        """What `studio mend` does besides, in a sentence or two."""
        margin = f"keeps what was typed unless another token is likelier by {self.margin:g} nats, "
        words = f"replaces words that `{word_list.FILE}` does not have, "
        more = (margin if self.margin else "") + (words if self.has_words else "")
        return (
            f"These lines write what the network alone finds likeliest. {_WHOLE} also {more}puts numbers, "
            "addresses and names back, and takes back what no typo explains"
            + (": without that this model corrects much worse." if more else ".")
        )
