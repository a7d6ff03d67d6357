"""Transcripts, in the shapes that OpenAI's clients expect."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from typing import Any, Literal

from starlette.responses import JSONResponse, PlainTextResponse, Response

from studio.data.word_times import Words
from studio.inference.longform.subtitles import rendered
from studio.inference.longform.transcript import Segment, Transcript, text_of

Shape = Literal["json", "text", "srt", "vtt", "verbose_json"]


def answer(
    transcript: Transcript, shape: Shape, language: str, words: Words | None = None, *, with_segments: bool = True
) -> Response:
    """The whole answer to one request; `words` with their times, where they were asked for."""
    if shape == "json":
        return JSONResponse({"text": transcript.text, "usage": _usage(transcript)})
    if shape == "verbose_json":
        found = _verbose(transcript, language) | ({"words": _words(words)} if words is not None else {})
        return JSONResponse({key: value for key, value in found.items() if with_segments or key != "segments"})
    return PlainTextResponse(f"{transcript.text}\n" if shape == "text" else rendered(transcript, shape))


def _verbose(transcript: Transcript, language: str) -> dict[str, Any]:
    return {
        "task": "transcribe",
        "language": language,
        "duration": transcript.seconds,
        "text": transcript.text,
        "segments": [_segment(place, segment) for place, segment in enumerate(transcript.segments)],
        "usage": _usage(transcript),
    }


def _words(words: Words) -> list[dict[str, Any]]:
    return [{"word": word, "start": start, "end": end} for word, (start, end) in words]


def _segment(place: int, segment: Segment) -> dict[str, Any]:
    """One piece. `avg_logprob` is the logarithm of the mean probability; no_speech_prob is always 0."""
    text = segment.text.encode()
    return {
        "id": place,
        "seek": round(segment.start * 100),
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": math.log(max(segment.confidence, 1e-9)) if segment.confidence is not None else 0.0,
        "compression_ratio": len(text) / len(zlib.compress(text)) if text else 0.0,
        "no_speech_prob": 0.0,
    }


def _usage(transcript: Transcript) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(transcript.seconds)}


def delta(text: str) -> str:
    """More of the text, as a server-sent event."""
    return _event({"type": "transcript.text.delta", "delta": text})


def done(segments: Sequence[Segment]) -> str:
    """The event that ends a stream."""
    return _event({"type": "transcript.text.done", "text": text_of(segments)})


def failed(message: str) -> str:
    """An error after the answer has begun."""
    return _event({"error": {"message": message, "type": "server_error", "param": None, "code": "stopped"}})


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content)}\n\n"
