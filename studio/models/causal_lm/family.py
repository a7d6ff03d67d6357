"""The family of causal language models: typed text in, the corrected text out, and the loss on the answer alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from studio.config import TYPING_STARTER, Kind
from studio.errors import DataError, ModelError
from studio.models import pretrained, typists
from studio.models.active_adapter import BASE
from studio.models.base import USUAL_TARGETS, AdapterHypothesis, Clip, Hypothesis
from studio.models.catalogue import locate
from studio.models.causal_lm import word_list
from studio.models.causal_lm.decoding import Bounds, Network, corrected
from studio.models.causal_lm.rejoining import TypedAhead
from studio.models.causal_lm.template import Template, ids_of, text_of
from studio.models.encoder_decoder import IGNORED, base_of
from studio.models.greedy import Rules, Written, greedy
from studio.models.inference_mode import inference_mode
from studio.models.words import words_of
from studio.typing.safe import kept
from studio.typing.spelling import WordList

if TYPE_CHECKING:
    import torch

    from studio.models.base import Batch, Row
    from studio.models.key_terms import KeyTerms

_ATTENTION, _LAYER = r"self_attn\.[{0}]_proj", r"(.*\.)?layers\.\d+\."
LORA_TARGETS: Mapping[str, str] = MappingProxyType(
    {
        "conventions": _LAYER + _ATTENTION.format("qv"),
        "voice": _LAYER + _ATTENTION.format("qkv"),
        "deep": _LAYER + _ATTENTION.format("qkvo"),
        "full": f"{_LAYER}({_ATTENTION.format('qkvo')}|mlp\\.(gate|up|down)_proj)",
    }
)
LEAST_TOKENS = 16  # an answer to a few letters may have so many
TOKENS_A_TOKEN = 2  # of the answer, for one of the typed text: a word that is one token may become its letters


class CausalLm:
    """A family of transformers' causal language models. See `Family` for the methods' contracts."""

    name: str
    network: str  # name of the class in transformers
    kind: Kind = "typing"
    sample_rate = 16_000  # of nothing: what it reads has no sound
    min_seconds = 0.0
    max_seconds = float("inf")
    lora_targets = LORA_TARGETS
    below_adapters = r"(.*\.)?embed_tokens"
    targets_on_cpu = USUAL_TARGETS

    def load(self, folder: Path, device: str, dtype: torch.dtype, language: str = "") -> tuple[torch.nn.Module, Any]:
        """The model in eval mode and its tokenizer, from a local folder of safetensors. Raises ModelError."""
        model, tokenizer = pretrained.load_network(self.network, folder, dtype), self.load_processor(folder)
        template = self._template(model, tokenizer, folder)
        highest = max(*template.before, *template.between, *template.ends, len(tokenizer) - 1)
        if highest >= model.config.vocab_size:
            raise ModelError(
                f"The tokenizer in {folder} has {highest + 1:,} tokens, and the network {model.config.vocab_size:,}.",
                "Fetch or copy the model again, whole.",
            )
        typists.meet(model, typists.read(folder), BASE)
        return model.to(device).eval(), tokenizer

    def _template(self, model: Any, tokenizer: Any, folder: Path) -> Template:
        try:
            template = Template.of(model.config, tokenizer)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{folder / 'config.json'} cannot be used: `typing` does not name two tokens.",
                "Fetch or copy the model again, whole.",
            ) from error
        if None in (*template.before, *template.between, *template.ends):
            raise ModelError(
                f"The model in {folder} cannot be used: it has no token that ends a text.",
                "Choose a model whose tokenizer has an end token (eos).",
            )
        return template

    def load_processor(self, folder: Path) -> Any:
        """The tokenizer in `folder`. Raises ModelError."""
        return pretrained.load_tokenizer(folder)

    def save(self, model: torch.nn.Module, processor: Any, folder: Path) -> None:
        """Write a folder that plain transformers loads."""
        saved: Any = model
        with pretrained.without_bars():
            saved.save_pretrained(folder)
        typists.write(typists.of(model), folder)
        self.save_processor(processor, folder)

    def save_processor(self, processor: Any, folder: Path) -> None:
        """Write the tokenizer, and its list of words where it has one."""
        words = word_list.read(Path(processor.name_or_path))
        processor.save_pretrained(folder)
        if words is not None:
            (folder / word_list.FILE).write_text("\n".join(words.words) + "\n", encoding="utf-8")

    def check_text(self, model: torch.nn.Module, processor: Any, text: str) -> None:
        """Raise DataError where `text`, typed and answered, has more tokens than the network has positions."""
        base = base_of(model)
        room = self._positions(base)
        if 2 * (len(text.encode()) + 1) + LEAST_TOKENS < room:  # a token is a byte at least
            return
        self._check(base, len(ids_of(processor, text)), len(ids_of(processor, text)))

    def prepare(self, model: torch.nn.Module, processor: Any, clip: Clip) -> Row:
        """`inputs` and `labels` (tokens): of the prompt no label counts. Raises DataError where both are too long."""
        import torch

        base = base_of(model)
        template, typed = self._read(base, processor, clip), self._typed(processor, clip)
        answer = ids_of(processor, clip.text)
        self._check(base, len(typed), len(answer), clip.id)
        prompt = template.prompt(typed)
        return {
            "inputs": torch.tensor([*prompt, *answer]),
            "labels": torch.tensor([*[IGNORED] * (len(prompt) - 1), *answer, template.ends[0]]),
        }

    def collate(self, rows: Sequence[Row]) -> Batch:
        """Rows padded on the right: the network is causal, so nothing that counts sees the padding."""
        from torch.nn.utils.rnn import pad_sequence

        return {
            name: pad_sequence([row[name] for row in rows], batch_first=True, padding_value=value)
            for name, value in (("inputs", 0), ("labels", IGNORED))
        }

    def loss(self, model: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross-entropy of the answers, in fp32 whatever the model's precision."""
        from studio.models.kernels.loss import summed_loss

        base, counted = base_of(model), batch["labels"] != IGNORED
        hidden = self._hidden(base, batch)
        return summed_loss(hidden, base.lm_head, batch["labels"][counted].to(hidden.device)), counted.sum()

    def logits(self, model: torch.nn.Module, processor: Any, clip: Clip) -> torch.Tensor:
        """(tokens, vocabulary) for the answer `clip.text`, its end included."""
        batch, base = self.collate([self.prepare(model, processor, clip)]), base_of(model)
        with inference_mode(model):
            logits: torch.Tensor = base.lm_head(self._hidden(base, batch)).float()
        return logits

    def transcribe(
        self,
        model: torch.nn.Module,
        processor: Any,
        clip: Clip,
        on_partial: Callable[[str], None] | None = None,
        draft: str = "",
    ) -> Hypothesis:
        """Correct one text, greedily; what it probably says is the draft. `on_partial` gets the whole answer."""
        found = self.answer(model, processor, clip, InPyTorch(self, base_of(model)))
        if on_partial is not None:
            on_partial(found.text)
        return found

    def answer(self, model: torch.nn.Module, processor: Any, clip: Clip, network: Network) -> Hypothesis:
        """What `transcribe` gives where `network` computes; of `model` only the settings count. Raises DataError."""
        start, base = time.perf_counter(), base_of(model)
        template = self._read(base, processor, clip)
        words = word_list.read(Path(processor.name_or_path), typists.of(model))
        with inference_mode(model):
            given = self._exchanged(base, processor, clip, words, network) if words else clip.typed
            typed = ids_of(processor, given)
            bounds = Bounds(template.stops, self._most_tokens(base, template, typed, clip.id), template.margin)
            ahead = typed if words else self._draft(model, processor, clip, template)
            written = corrected(network, template.prompt(typed), TypedAhead(processor, ahead), bounds)
        found = self._hypothesis(processor, written, time.perf_counter() - start)
        if words and not found.is_cut:
            found = found.model_copy(update={"text": word_list.without_doubtful(given, found, words)})
        return found

    def latin_only(self, model: torch.nn.Module) -> bool:
        """Whether the model has seen no other script, by its config.json."""
        return bool((getattr(base_of(model).config, "typing", None) or {}).get("latin_only"))

    def guarded(self, model: torch.nn.Module, clip: Clip, found: Hypothesis) -> Hypothesis:
        """`found` with what must not change put back, as `studio mend` does; one that did not end is the typed text."""
        if found.is_cut:
            return found.model_copy(update={"text": clip.typed})
        text = kept(clip.typed, found.text, latin_only=self.latin_only(model), free=False).text
        return found.model_copy(update={"text": text})

    def prompt(self, model: torch.nn.Module, processor: Any, clip: Clip) -> list[int]:
        """The ids that the network is given before the first token of its answer. Raises DataError."""
        return self._read(base_of(model), processor, clip).prompt(self._typed(processor, clip))

    def transcribe_batch(self, model: torch.nn.Module, processor: Any, clips: Sequence[Clip]) -> list[Hypothesis]:
        """One by one: with a draft each takes a few passes, and no two leave theirs at the same place."""
        return [self.transcribe(model, processor, clip) for clip in clips]

    def transcribe_with_adapters(
        self, model: torch.nn.Module, processor: Any, clip: Clip, readers: int = 1, terms: KeyTerms | None = None
    ) -> list[AdapterHypothesis]:
        """All readers in one batch, token by token and without a margin: each leaves the draft elsewhere."""
        import torch

        start, base = time.perf_counter(), base_of(model)
        template, typed = self._read(base, processor, clip), self._typed(processor, clip)
        matches = [match for _ in range(readers) for match in ((None, terms.begin()) if terms else (None,))]
        limits = [self._most_tokens(base, template, typed, clip.id)] * len(matches)

        def following(ids: torch.Tensor, frames: torch.Tensor, mask: torch.Tensor, cache: Any) -> torch.Tensor:
            return self._next(base, ids, cache.self_attention_cache, -1)

        with inference_mode(model):
            nothing = [torch.zeros(1, 1, device=base.device)] * len(matches)
            rules = Rules(template.prompt(typed), template.stops)
            rows = iter(greedy(following, nothing, limits, rules, None, matches))
        latency = (time.perf_counter() - start) / len(matches)
        read = (self._hypothesis(processor, row, latency) for row in rows)
        return [AdapterHypothesis(plain=next(read), biased=next(read) if terms else None) for _ in range(readers)]

    def spellings(self, processor: Any, text: str) -> list[list[int]]:
        """With and without a space before it."""
        found = processor([text, f" {text}"], add_special_tokens=False).input_ids
        return [ids for ids in found if ids and processor.unk_token_id not in ids]

    def _read(self, base: Any, processor: Any, clip: Clip) -> Template:
        if not clip.typed:
            name = f"Pair {clip.id}" if clip.id else "This pair"
            raise DataError(f"{name} holds nothing that was typed.", "Type it, or leave it out.")
        return Template.of(base.config, processor)

    def _typed(self, processor: Any, clip: Clip) -> list[int]:
        return ids_of(processor, clip.typed)

    def _exchanged(self, base: Any, processor: Any, clip: Clip, words: WordList, network: Network) -> str:
        """What was typed with the words that are in no list exchanged."""
        template = Template.of(base.config, processor)

        def chances(ids: Sequence[int]) -> torch.Tensor:
            prompt = template.prompt(ids)
            return network([*prompt, *ids], 0, len(prompt) - 1).log_softmax(-1)

        self._check(base, len(self._typed(processor, clip)), len(self._typed(processor, clip)), clip.id)
        return word_list.exchanged(clip.typed, words, processor, chances)

    def _draft(self, model: torch.nn.Module, processor: Any, clip: Clip, template: Template) -> list[int]:
        """What the answer probably is, by the bundled list of words: most typos then cost no pass of their own.

        With a margin the typed text itself is the draft, since its tokens are preferred.
        """
        words = word_list.read(locate(TYPING_STARTER), typists.of(model))
        return ids_of(processor, clip.typed if template.margin or not words else word_list.likely(clip.typed, words))

    def _positions(self, base: Any) -> int:
        return int(base.config.max_position_embeddings)

    def _check(self, base: Any, typed: int, answer: int, name: str = "") -> None:
        room = self._positions(base) - LEAST_TOKENS  # the template's, and the end
        if typed + answer > room:
            raise DataError(
                f"{f'Pair {name}' if name else 'This pair'} has {typed + answer:,} tokens; the model reads {room:,} at "
                "most, typed and answered.",
                "Cut it into sentences.",
            )

    def _most_tokens(self, base: Any, template: Template, typed: Sequence[int], name: str) -> int:
        """How many tokens an answer may have: beyond it the model is in a loop."""
        self._check(base, len(typed), len(typed), name)
        wanted = TOKENS_A_TOKEN * len(typed) + LEAST_TOKENS
        return min(wanted, self._positions(base) - len(template.prompt(typed)))

    def _next(self, base: Any, ids: torch.Tensor, cache: Any, first: int = 0) -> torch.Tensor:
        """(batch, tokens, vocabulary) in fp32: of the token after each of `ids` from the `first` on.

        They continue those in the `cache`.
        """
        from studio.models.kernels.cache import cache_for

        hidden = base.model(input_ids=ids, **cache_for(base.model, cache)).last_hidden_state
        logits: torch.Tensor = base.lm_head(hidden[:, first:]).float()
        return logits

    def _hidden(self, base: Any, batch: Batch) -> torch.Tensor:
        """(labels that count, width)."""
        hidden: torch.Tensor = base.model(input_ids=batch["inputs"].to(base.device), use_cache=False).last_hidden_state
        return hidden[batch["labels"] != IGNORED]

    def _hypothesis(self, processor: Any, written: Written, latency: float) -> Hypothesis:
        return Hypothesis(
            text=text_of(processor, written.ids),
            seconds=0.0,
            latency=latency,
            confidence=written.confidence,
            words=words_of(processor, written.ids, written.chances),
            is_cut=len(written.chances) == len(written.ids),
        )


class InPyTorch:
    """The model in memory, and its keys and values of the tokens so far."""

    def __init__(self, family: CausalLm, base: Any) -> None:
        self._family, self._base = family, base
        self._cache: Any = None

    def __call__(self, ids: Sequence[int], seen: int, first: int) -> torch.Tensor:
        """See `Network`."""
        import torch

        from studio.models.kernels.cache import empty_cache

        if not seen or self._cache is None:
            self._cache = empty_cache().self_attention_cache
        elif self._cache.get_seq_length() > seen:
            self._cache.crop(seen - self._cache.get_seq_length())
        given = torch.tensor([list(ids)], device=self._base.device)
        return self._family._next(self._base, given, self._cache, first)[0]


class Llama(CausalLm):
    """Llama and what is built like it: SmolLM2, and the bundled typing starter."""

    name, network = "llama", "LlamaForCausalLM"


class Qwen2(CausalLm):
    """Qwen2 and Qwen2.5."""

    name, network = "qwen2", "Qwen2ForCausalLM"


class Qwen3(CausalLm):
    """Qwen3."""

    name, network = "qwen3", "Qwen3ForCausalLM"


class SmolLm3(CausalLm):
    """SmolLM3."""

    name, network = "smollm3", "SmolLM3ForCausalLM"


class Gemma3(CausalLm):
    """Gemma 3 without its eyes: 270M and 1B."""

    name, network = "gemma3_text", "Gemma3ForCausalLM"
