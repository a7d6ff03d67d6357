"""Four hundred synthetic clips, with labels swapped on purpose: for the tests and the benchmark of suspects."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from studio.audio import wav_bytes
from studio.data.manifest import Dataset
from studio.data.utterance import Split
from studio.starter import domain, synthesis
from studio.text import Convention, write_numbers

# Voices that the starter was never trained on: it makes mistakes of its own among the planted ones.
VOICES = ("espeak-ng:en-gb-scotland+f5", "espeak-ng:en-gb-scotland+m8", "espeak-ng:en-us+klatt4", "flite:awb")
SIDES: tuple[Split, ...] = ("train", "train", "train", "train", "validation", "train", "train", "test")


def sentences(count: int, seed: int) -> list[domain.Sentence]:
    """`count` different sentences of the starter's domain."""
    rng, found = random.Random(seed), dict[str, domain.Sentence]()
    while len(found) < count:
        sentence = domain.utterance(rng)
        if not sentence.text.startswith(domain.IN_WORDS):
            found[sentence.text] = sentence
    return list(found.values())


def swapped(texts: Sequence[str], count: int, seed: int) -> tuple[list[str], set[int]]:
    """`texts` with `count` of them handed round in a ring, and their places."""
    places = random.Random(seed + 1000).sample(range(len(texts)), count)
    labels = list(texts)
    for place, other in zip(places, places[1:] + places[:1], strict=True):
        labels[place] = texts[other]
    return labels, set(places)


def planted(
    folder: Path, clips: int, wrong: int, seed: int, convention: Convention, voices: Sequence[str] = VOICES
) -> tuple[Dataset, set[str]]:
    """A dataset of `clips` synthetic clips in unheard voices, and the ids of the `wrong` labels."""
    if not all(synthesis.available(synthesis.voice(name).engine) for name in voices):
        pytest.skip("no synthesiser on this machine: install the packages espeak-ng and flite")
    spoken = sentences(clips, seed)
    labels, places = swapped([write_numbers(item.text, convention) for item in spoken], wrong, seed)
    dataset, ids = Dataset.create(folder), []
    for place, (item, label) in enumerate(zip(spoken, labels, strict=True)):
        samples, rate = synthesis.synthesise(item.spoken, synthesis.voice(voices[place % len(voices)]))
        split = SIDES[place % len(SIDES)]
        ids.append(dataset.add(wav_bytes(samples, rate), text=label, source="synthetic", split=split).id)
    return dataset, {ids[place] for place in places}


def caught(dataset: Dataset, wrong: set[str], first: int = 30) -> int:
    """How many of `wrong` stand among the `first` suspects."""
    from studio.data.store import asr_results

    ranked = sorted(asr_results.read(dataset).values(), key=lambda item: -(item.suspicion or 0.0))
    return sum(item.id in wrong for item in ranked[:first])
