"""How long a language model takes for a sentence: token by token, with two kinds of draft, and with weights in fp16.

    OMP_NUM_THREADS=2 python -m tests.benchmarks.drafting [--model FOLDER] [--tokens FOLDER] [--sentences 25]

Without `--model` the network has the shape of SmolLM2-135M and random weights, rounded to bf16, in which weights are
published: real ones are not needed, since each answer is given. The network computes every pass, and of what it says
the token that was meant is made the likeliest, so that it writes what a perfectly tuned model would. The starter's
tokenizer cuts words into more pieces than that of a larger model: `--tokens` takes the one in another model's folder.
Held-out sentences, each once with typos and once clean, all ways with each sentence in turn: what the machine does
besides slows all alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from studio.config import TYPING_STARTER
from studio.models import Recogniser, load, load_to_read, locate, pretrained
from studio.models.causal_lm import word_list
from studio.models.causal_lm.decoding import Bounds, Network, corrected
from studio.models.causal_lm.family import CausalLm, InPyTorch
from studio.models.causal_lm.rejoining import TypedAhead
from studio.models.causal_lm.template import Template, ids_of
from studio.models.encoder_decoder import base_of
from studio.models.greedy import Written
from studio.models.inference_mode import inference_mode
from studio.models.kernels.half import read_weights_as_fp16
from studio.models.kernels.linear import quicken
from studio.typing.typos import TypedText
from studio.typing_starter.recipe.measure import examples, held_out
from tests.benchmarks.mending_times import middle_and_high

SMOLLM2_135M = {
    "vocab_size": 49_152, "hidden_size": 576, "intermediate_size": 1_536, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 8_192, "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
}  # fmt: skip
"""As its makers' config.json has it."""


class NoDraft(TypedAhead):
    """Nothing is known beforehand: plain greedy decoding."""

    def after(self, written: Sequence[int]) -> list[int]:
        """No token."""
        return []


def no_draft(processor: Any, typed: str) -> TypedAhead:
    """Plain greedy decoding."""
    return NoDraft(processor, [])


def as_typed(processor: Any, typed: str) -> TypedAhead:
    """The typed text."""
    return TypedAhead(processor, ids_of(processor, typed))


def as_meant(processor: Any, typed: str) -> TypedAhead:
    """The typed text with its probable corrections."""
    words = word_list.read(locate(TYPING_STARTER))
    assert words is not None
    return TypedAhead(processor, ids_of(processor, word_list.likely(typed, words)))


@dataclass(frozen=True, slots=True)
class Way:
    """How a sentence is corrected."""

    draft: Callable[[Any, str], TypedAhead]
    half: bool = False  # weights are read as fp16


WAYS = {
    "token by token": Way(no_draft),
    "token by token, fp16": Way(no_draft, half=True),
    "draft: the typed text": Way(as_typed),
    "draft: its probable corrections": Way(as_meant),
    "the same, fp16, as the studio does": Way(as_meant, half=True),
}


class Renumbered:
    """A tokenizer whose ids are numbered as they first appear, so that they fit a smaller vocabulary."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer, self._numbers = tokenizer, dict[int, int]()

    def __call__(self, text: str, **options: Any) -> SimpleNamespace:
        """As a tokenizer."""
        ids = self._tokenizer(text, **options).input_ids
        return SimpleNamespace(input_ids=[self._numbers.setdefault(one, len(self._numbers) + 10) for one in ids])

    def decode(self, ids: Sequence[int], **options: Any) -> str:
        """As a tokenizer."""
        originals = {number: one for one, number in self._numbers.items()}
        text: str = self._tokenizer.decode([originals[one] for one in ids], **options)
        return text

    def convert_tokens_to_ids(self, token: str) -> int:
        """The template's, of which each counts as one token."""
        return {"<typed>": 4, "<meant>": 5}[token]


@dataclass(slots=True)
class Forced:
    """`network`, which always finds the next token of `answer` the likeliest."""

    network: Network
    prompt: int  # tokens
    answer: Sequence[int]
    passes: int = 0
    tokens: int = 0

    def __call__(self, ids: Sequence[int], seen: int, first: int) -> Any:
        """See `Network`."""
        logits = self.network(ids, seen, first)
        self.passes, self.tokens = self.passes + 1, self.tokens + len(ids)
        done = seen + first + 1 - self.prompt
        for place, row in enumerate(logits):
            if done + place < len(self.answer):
                row[self.answer[done + place]] = row.max() + 10
        return logits


@dataclass(slots=True)
class Times:
    """Of one way, a number for each sentence."""

    wall: list[float]
    processor: list[float]
    passes: list[int]
    tokens: list[int]

    def row(self, name: str) -> str:
        """A line of the table: milliseconds."""
        cells = [f"{1000 * value:.0f}" for taken in (self.wall, self.processor) for value in middle_and_high(taken)]
        cells += [f"{statistics.mean(counts):.1f}" for counts in (self.passes, self.tokens)]
        return f"| {name} | {' | '.join(cells)} |"


def random_model(tokens: Path | None = None) -> Recogniser:
    """SmolLM2-135M's shape with random weights, asked as the starter is, in its tokens or those of another model."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    starter = load(TYPING_STARTER, "cpu")
    torch.manual_seed(0)
    config = LlamaConfig(**SMOLLM2_135M, rope_theta=100_000.0, eos_token_id=base_of(starter.model).config.eos_token_id)
    config.typing = {"before": "<typed>", "between": "<meant>"}
    network = LlamaForCausalLM(config).eval()
    for weight in network.parameters():
        weight.data = weight.data.bfloat16().float()
    quicken(network)
    processor = Renumbered(pretrained.load_tokenizer(tokens)) if tokens else starter.processor
    return Recogniser(starter.family, network, processor, "random", starter.folder, "cpu", "fp32")


def both(model: Path | None, tokens: Path | None) -> dict[bool, Recogniser]:
    """The model that reads fp32, and the one that reads its weights as fp16."""
    if model:
        return {False: load(model, "cpu"), True: load_to_read(model, "cpu", at_once=True)}
    halved = random_model(tokens)
    read_weights_as_fp16(halved.model, at_once=True)
    return {False: random_model(tokens), True: halved}


def timed(recogniser: Recogniser, pair: TypedText, way: Way, found: Times) -> Written:
    """Correct one sentence; the times go into `found`."""
    family, processor, base = recogniser.family, recogniser.processor, base_of(recogniser.model)
    assert isinstance(family, CausalLm)
    template = Template.of(base.config, processor)
    wall, busy = time.perf_counter(), time.process_time()
    typed, answer = ids_of(processor, pair.typed), [*ids_of(processor, pair.wanted), template.ends[0]]
    prompt = template.prompt(typed)
    network = Forced(InPyTorch(family, base), len(prompt), answer)
    with inference_mode(recogniser.model):
        written = corrected(network, prompt, way.draft(processor, pair.typed), Bounds(template.ends, len(answer)))
    found.wall.append(time.perf_counter() - wall)
    found.processor.append(time.process_time() - busy)
    found.passes.append(network.passes)
    found.tokens.append(network.tokens)
    assert written.ids == answer[:-1], "each way writes what was meant"
    return written


def compare(models: Mapping[bool, Recogniser], given: Sequence[TypedText], say: Callable[[str], None]) -> None:
    """A table of the ways."""
    found = {name: Times([], [], [], []) for name in WAYS}
    for way in WAYS.values():  # a first pass prepares much
        timed(models[way.half], given[0], way, Times([], [], [], []))
    for pair in given:
        for name, way in WAYS.items():
            timed(models[way.half], pair, way, found[name])
    say("| | ms | 95 % | ms of processors | 95 % | passes | tokens |\n|---|---:|---:|---:|---:|---:|---:|")
    for name, times in found.items():
        say(times.row(name))


def main() -> None:
    """Read the command line, print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a folder with a language model")
    parser.add_argument("--tokens", type=Path, help="a folder with another tokenizer, for the random weights")
    parser.add_argument("--sentences", type=int, default=25)
    arguments = parser.parse_args()
    models = both(arguments.model, arguments.tokens)
    pairs = examples(held_out("test")[: arguments.sentences])
    for title, given in {"with typos": pairs[: len(pairs) // 2], "clean": pairs[len(pairs) // 2 :]}.items():
        print(f"\n{len(given)} sentences, {title}\n")
        compare(models, given, lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
