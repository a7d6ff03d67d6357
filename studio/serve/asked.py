"""What a program sends: the fields of its form, and its recording as a file of its own."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from starlette.datastructures import FormData, UploadFile

from studio.serve import answers
from studio.web.uploads import safe_parts
from studio.workspace import disk_errors

GRANULARITIES = "timestamp_granularities"  # OpenAI's name; its own client sends it with brackets, curl often without


class TranscriptionRequest(BaseModel):
    """The fields besides the file. What changes nothing here is accepted, so that no program has to be changed."""

    model_config = ConfigDict(extra="ignore")

    model: str = ""
    response_format: answers.Shape = "json"
    stream: bool = False
    prompt: str = Field("", max_length=10_000)
    timestamp_granularities: list[str] = []

    @field_validator("timestamp_granularities")
    @classmethod
    def _known(cls, wanted: list[str], others: ValidationInfo) -> list[str]:
        if unknown := [name for name in wanted if name not in ("segment", "word")]:
            raise ValueError(f"“{unknown[0][:40]}” is not available, only “segment” and “word”")
        given = others.data
        if "word" in wanted and (given.get("stream") or given.get("response_format", "") != "verbose_json"):
            raise ValueError("“word” needs the response_format verbose_json, and no stream")
        return wanted

    @property
    def wants_words(self) -> bool:
        """Whether each word is to come with its times."""
        return "word" in self.timestamp_granularities

    @property
    def wants_segments(self) -> bool:
        """Whether segments are to come: unless words alone are asked for."""
        return not self.wants_words or "segment" in self.timestamp_granularities

    @classmethod
    def of(cls, form: FormData) -> TranscriptionRequest:
        """What `form` asks for; an empty field means its default. Raises ValidationError."""
        given = [(name, value) for name, value in form.multi_items() if isinstance(value, str) and value.strip()]
        many = [value for name, value in given if name.removesuffix("[]") == GRANULARITIES]
        listed = {GRANULARITIES: [word for value in many for word in re.split(r"[\s,]+", value.strip())]}
        return cls.model_validate(dict(given) | listed)


class UploadedRecording:
    """A recording in a folder of its own, under the name that the program gave it, which errors then quote."""

    def __init__(self, sound: UploadFile) -> None:
        name = (safe_parts(sound.filename or "") or ["recording"])[-1]
        with disk_errors(Path(name)):
            self._folder = Path(tempfile.mkdtemp(prefix="studio-"))
            self.path = self._folder / name
            try:
                with self.path.open("xb") as file:
                    shutil.copyfileobj(sound.file, file, 1 << 20)
            except BaseException:
                self.discard()
                raise

    def discard(self) -> None:
        """Delete it."""
        shutil.rmtree(self._folder, ignore_errors=True)
