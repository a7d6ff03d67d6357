"""How fast clips are read, beside transformers' pipeline: `python -m tests.benchmarks.transcribing [--turns N]`.

    a list, greedy        our batches of clips of similar length against the pipeline with num_beams=1, clip by clip: a
                          padded batch would change what Moonshine hears
    a list, default       against the pipeline as it comes, which searches with 5 beams
    before and after      both of one clip, against one transcription with the adapter: here less than 1 is slower

Moonshine tiny has its true shape, random weights and the tokens a second that speech has; the starter is the bundled
model on real clips, where the texts of both sides are compared too.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from studio import audio
from studio.inference.compare import transcribe_each
from studio.inference.transcribe import transcribe
from studio.models import Clip, Recogniser, adapters, load
from studio.starter import GENERAL_FOLDER
from tests.benchmarks.peers import as_transformers_loads
from tests.benchmarks.racing import HEADER, alternate, on_one_thread
from tests.benchmarks.shapes import WORDS_PER_SECOND, clips, write_model

CLIPS = 16
Tokens = Callable[[Clip], int]
"""How many tokens both sides may write for a clip."""


def pipeline_of(recogniser: Recogniser) -> Any:
    """transformers' own way to read clips."""
    from transformers import pipeline

    return pipeline(
        "automatic-speech-recognition",
        model=recogniser.model,
        tokenizer=recogniser.processor.tokenizer,
        feature_extractor=recogniser.processor.feature_extractor,
    )


def read_by(pipe: Any, found: Sequence[Clip], tokens: Tokens, **how: Any) -> list[str]:
    """The texts of `found`, clip by clip."""
    texts = []
    for clip in found:
        settings = {"max_new_tokens": tokens(clip), **how}
        texts.append(pipe({"raw": clip.samples, "sampling_rate": 16_000}, generate_kwargs=settings)["text"].strip())
    return texts


def lists(name: str, recogniser: Recogniser, found: Sequence[Clip], turns: int) -> Iterator[str]:
    """Both races of a list, and how many texts are equal."""
    tokens = partial(recogniser.family.most_tokens, recogniser.model)  # type: ignore[attr-defined]
    pipe, ours = pipeline_of(as_transformers_loads(recogniser.folder)), partial(transcribe, recogniser, found)
    for told, how in (("greedy", {"num_beams": 1}), ("default", {})):
        race = alternate(ours, partial(read_by, pipe, found, tokens, **how), turns)
        yield f"{name}: a list / pipeline, {told}".ljust(44) + race.as_text()
    texts = [hypothesis.text for hypothesis in ours()]
    same = sum(text == other for text, other in zip(texts, read_by(pipe, found, tokens, num_beams=1), strict=True))
    yield f"    texts equal to the greedy pipeline's: {same} of {len(found)}"


def pairs(name: str, recogniser: Recogniser, found: Sequence[Clip], turns: int) -> Iterator[str]:
    """Before and after against one transcription, for an adapter in the decoder and one everywhere."""
    import torch

    for targets in ("voice", "deep"):
        adapted = adapters.attach(recogniser, 8, 16, 0.0, targets, seed=0)
        torch.manual_seed(0)
        for parameter in adapters.trainable(adapted):
            torch.nn.init.normal_(parameter, std=0.02)
        adapted.model.eval()
        race = alternate(partial(_both, adapted, found), partial(_one, adapted, found), turns)
        yield f"{name}, {targets}: both / one".ljust(44) + race.as_text()
        adapters.without_peft(adapted.model)


def _both(adapted: Recogniser, found: Sequence[Clip]) -> None:
    for clip in found:
        transcribe_each(adapted, clip)


def _one(adapted: Recogniser, found: Sequence[Clip]) -> None:
    for clip in found:
        adapted.family.transcribe(adapted.model, adapted.processor, clip)


def real_clips() -> list[Clip]:
    """Of the set that is bundled with the starter."""
    paths = sorted(GENERAL_FOLDER.rglob("*.flac"))[:CLIPS]
    return [Clip(audio.read(path, 16_000).samples, id=path.name) for path in paths]


def tiny(folder: Path) -> Recogniser:
    """Moonshine tiny, which writes as many tokens as speech has."""
    recogniser = load(write_model(folder, "tiny"), "cpu")
    recogniser.family.tokens_per_second = WORDS_PER_SECOND  # type: ignore[attr-defined]
    return recogniser


def main() -> None:
    """Print a line for each race."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7)
    turns = parser.parse_args().turns
    on_one_thread()
    print(HEADER.removesuffix("losses apart"), flush=True)
    with tempfile.TemporaryDirectory(prefix="studio-benchmark-") as folder:
        for name, recogniser, found in (
            ("starter", load("starter", "cpu"), real_clips()),
            ("tiny", tiny(Path(folder)), clips(CLIPS)),
        ):
            for line in (*lists(name, recogniser, found, turns), *pairs(name, recogniser, found[::4], turns)):
                print(line, flush=True)


if __name__ == "__main__":
    main()
