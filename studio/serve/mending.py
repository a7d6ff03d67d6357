"""Typing corrected for other programs: OpenAI's older completions, where the prompt is what was typed."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from studio.config import TYPING_STARTER
from studio.errors import UnknownModelError
from studio.inference.mend import Corrected, mend, typing_named
from studio.models import Recogniser, locate
from studio.models.adapters import without_adapter
from studio.models.registry import family_of
from studio.runs import listing
from studio.runs.metadata import RunRecord
from studio.serve.turns import Turns
from studio.workspace import Workspace

LONGEST = 20_000  # characters of a prompt: some pages; a sentence takes about 20 ms
MOST_PROMPTS = 100


Text = Annotated[str, Field(max_length=LONGEST)]


class CompletionRequest(BaseModel):
    """What a program sends. What changes nothing here (max_tokens, temperature …) is accepted."""

    model_config = ConfigDict(extra="ignore")

    model: str = ""
    prompt: Text | Annotated[list[Text], Field(max_length=MOST_PROMPTS)]
    stream: bool = False
    keep: list[str] = Field([], max_length=1_000)  # words that must come through unchanged

    @property
    def prompts(self) -> list[str]:
        """Each text to correct."""
        return [self.prompt] if isinstance(self.prompt, str) else self.prompt


def is_typing(workspace: Workspace, run: str) -> bool:
    """Whether the run `run` is one on typing pairs. Raises JobError, ModelError."""
    return family_of(locate(RunRecord.read(listing.existing(workspace, run)).model)).kind == "typing"


class Mender:
    """A typing model that several threads may ask; `names` are the models that it answers to, the best first."""

    def __init__(self, recogniser: Recogniser, run: str = "") -> None:
        self.names = [run, recogniser.source] if run else [recogniser.source]
        self._recogniser, self._run, self._turns = recogniser, run, Turns()

    @classmethod
    def of(cls, workspace: Workspace, named: str, device: str) -> Mender:
        """That of the typing run `named`, or of the bundled model. Raises ModelError, DeviceError."""
        return cls(typing_named(named, workspace, device), "" if named == TYPING_STARTER else named)

    def known(self, name: str) -> str:
        """The model that a request means by `name`. Raises UnknownModelError where it does not correct typing here."""
        if name and name not in self.names:
            what = f"The model “{name}” corrects no typing here."
            raise UnknownModelError(what, f"Ask for one of: {', '.join(self.names)}.")
        return name or self.names[0]

    def mend(self, request: CompletionRequest) -> list[Corrected]:
        """Each prompt corrected, in its turn. Raises UnknownModelError, OverloadedError."""
        is_base = bool(self._run) and self.known(request.model) != self._run
        with self._turns.taken(), without_adapter(self._recogniser) if is_base else nullcontext():
            return [mend(self._recogniser, text, request.keep) for text in request.prompts]


def answer(found: list[Corrected], model: str) -> dict[str, Any]:
    """The whole answer: a choice for each prompt. `changes` and `kept` are this studio's own."""
    own = ("changes", "kept", "unfinished")
    choices = [
        _choice(place, corrected.text) | {name: corrected.as_json()[name] for name in own}
        for place, corrected in enumerate(found)
    ]
    return _completion(model, choices)


def events(found: list[Corrected], model: str) -> Iterator[str]:
    """The same for a program that asked for a stream: each text is one event."""
    for place, corrected in enumerate(found):
        yield f"data: {json.dumps(_completion(model, [_choice(place, corrected.text)]))}\n\n"
    yield "data: [DONE]\n\n"


def _completion(model: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    made = {"id": f"cmpl-{uuid.uuid4().hex}", "object": "text_completion", "created": int(time.time())}
    return made | {"model": model, "choices": choices}


def _choice(place: int, text: str) -> dict[str, Any]:
    return {"index": place, "text": text, "logprobs": None, "finish_reason": "stop"}
