"""Language models that correct typing: the loss is transformers' own, a batch is its pairs, a draft changes no text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models

from studio.config import TYPING_STARTER
from studio.errors import DataError, ModelError
from studio.models import Clip, Recogniser, load, locate
from studio.models.adapters import attach, load_adapter, save, trainable
from studio.models.base import Hypothesis
from studio.models.causal_lm import word_list
from studio.models.causal_lm.decoding import Bounds, corrected
from studio.models.causal_lm.family import LORA_TARGETS, InPyTorch
from studio.models.causal_lm.gguf import unpack
from studio.models.causal_lm.rejoining import TypedAhead
from studio.models.causal_lm.template import Template, ids_of, text_of
from studio.models.greedy import Written
from studio.models.inference_mode import inference_mode
from studio.typing.spelling import WordList
from studio.typing_starter.recipe.measure import examples, held_out

FAMILIES = ("llama", "qwen3", "gemma3_text")
PAIRS = (
    ("teh order is late", "The order is late."),
    ("ok", "OK"),
    ("plase confirm my ordr number 1296803 toady", "Please confirm my order number 1296803 today."),
    ("café  ☕ naïve", "Café ☕ naïve"),
)


def pair(typed: str, text: str = "") -> Clip:
    return Clip(np.zeros(0, np.float32), text, typed=typed)


CLIPS = [pair(typed, text) for typed, text in PAIRS]


@pytest.fixture(params=FAMILIES)
def recogniser(request: pytest.FixtureRequest, tmp_path: Path) -> Recogniser:
    changes = {"sliding_window": 8} if request.param == "gemma3_text" else {}
    return load(tiny_models.causal_lm(tmp_path / "base", request.param, **changes), "cpu")


def row(recogniser: Recogniser, clip: Clip) -> Any:
    return recogniser.family.prepare(recogniser.model, recogniser.processor, clip)


def loss(recogniser: Recogniser, rows: list[Any]) -> tuple[float, int]:
    total, count = recogniser.family.loss(recogniser.model, recogniser.family.collate(rows))
    return total.item(), int(count)


def disturbed(recogniser: Recogniser, targets: str = "full") -> Recogniser:
    import torch

    recogniser = attach(recogniser, 4, 8, 0.0, targets, seed=0)
    torch.manual_seed(3)
    for parameter in trainable(recogniser):
        torch.nn.init.normal_(parameter, std=0.1)
    return recogniser


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.typed)
def test_a_pair_has_the_loss_of_transformers_own_forward_on_its_answer_alone(
    recogniser: Recogniser, clip: Clip
) -> None:
    import torch

    prepared = row(recogniser, clip)
    whole = torch.cat([prepared["inputs"], prepared["labels"][-1:]])
    labels = torch.cat([torch.tensor([-100]), prepared["labels"]])
    with torch.no_grad():
        theirs = recogniser.model(input_ids=whole[None], labels=labels[None]).loss.item()
    total, count = loss(recogniser, [prepared])
    assert count == len(ids_of(recogniser.processor, clip.text)) + 1
    assert total / count == pytest.approx(theirs, abs=1e-5)


def test_a_padded_batch_has_the_loss_and_the_gradients_of_its_pairs(recogniser: Recogniser) -> None:
    adapted = disturbed(recogniser)
    rows = [row(adapted, clip) for clip in CLIPS]

    def measured(batches: list[list[Any]]) -> tuple[float, list[Any]]:
        adapted.model.zero_grad()
        losses = [adapted.family.loss(adapted.model, adapted.family.collate(batch))[0] for batch in batches]
        sum(losses).backward()  # type: ignore[union-attr]
        return sum(one.item() for one in losses), [parameter.grad.clone() for parameter in trainable(adapted)]

    together, alone = measured([rows]), measured([[prepared] for prepared in rows])
    assert together[0] == pytest.approx(alone[0], rel=1e-5)
    for one, other in zip(together[1], alone[1], strict=True):
        assert (one - other).abs().max() <= 1e-4 * other.abs().max()


def test_the_logits_are_those_of_the_answer(recogniser: Recogniser) -> None:
    found = recogniser.family.logits(recogniser.model, recogniser.processor, CLIPS[0])
    wanted = len(ids_of(recogniser.processor, CLIPS[0].text)) + 1
    assert found.shape == (wanted, recogniser.model.config.vocab_size)


@pytest.mark.parametrize("preset", sorted(LORA_TARGETS))
def test_every_preset_adapts_layers_and_never_the_embeddings(recogniser: Recogniser, preset: str) -> None:
    adapted = attach(recogniser, 4, 8, 0.0, preset, seed=0)
    names = [name for name, parameter in adapted.model.named_parameters() if parameter.requires_grad]
    assert names
    assert not any("embed" in name or "lm_head" in name for name in names)


def generated(recogniser: Recogniser, clip: Clip, tokens: int) -> list[int]:
    import torch

    template = Template.of(recogniser.model.config, recogniser.processor)
    prompt = torch.tensor([template.prompt(ids_of(recogniser.processor, clip.typed))])
    with torch.no_grad():
        ids = recogniser.model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=tokens, do_sample=False, num_beams=1
        )
    return [int(token) for token in ids[0, prompt.shape[1] :]]


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.typed)
def test_with_the_typed_text_as_a_draft_the_text_is_that_of_plain_greedy(recogniser: Recogniser, clip: Clip) -> None:
    template = Template.of(recogniser.model.config, recogniser.processor)
    found = recogniser.family.transcribe(recogniser.model, recogniser.processor, clip)
    theirs = generated(recogniser, clip, 2 * len(ids_of(recogniser.processor, clip.typed)) + 16)
    theirs = theirs[: next((at for at, token in enumerate(theirs) if token in template.stops), len(theirs))]
    assert found.text == text_of(recogniser.processor, theirs)
    (side,) = recogniser.family.transcribe_with_adapters(recogniser.model, recogniser.processor, clip)
    assert side.plain.text == found.text


@pytest.fixture(scope="module")
def bare_starter(tmp_path_factory: pytest.TempPathFactory) -> Recogniser:
    """The bundled model as others are: asked without a margin and without a list of words of its own."""
    folder = tmp_path_factory.mktemp("bare") / "model"
    shutil.copytree(locate(TYPING_STARTER), folder, ignore=shutil.ignore_patterns(word_list.FILE))
    settings = json.loads((folder / "config.json").read_text())
    settings["typing"]["margin"] = 0.0
    (folder / "config.json").write_text(json.dumps(settings))
    return load(folder, "cpu")


def test_on_real_sentences_and_weights_a_draft_changes_no_text_and_saves_most_passes(
    bare_starter: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = list[int]()
    forward = InPyTorch.__call__

    def counted(network: Any, ids: Any, seen: int, first: int) -> Any:
        passes.append(len(ids))
        return forward(network, ids, seen, first)

    monkeypatch.setattr(InPyTorch, "__call__", counted)
    template, tokens = Template.of(bare_starter.model.config, bare_starter.processor), 0
    for given in examples(held_out("test")[:6]):
        clip = pair(given.typed)
        most = 2 * len(ids_of(bare_starter.processor, clip.typed)) + 16
        theirs = generated(bare_starter, clip, most)
        theirs = theirs[: next((at for at, token in enumerate(theirs) if token in template.stops), len(theirs))]
        found = bare_starter.family.transcribe(bare_starter.model, bare_starter.processor, clip)
        assert found.text == text_of(bare_starter.processor, theirs)
        tokens += len(theirs) + 1
    assert len(passes) < tokens / 3


def test_a_draft_with_the_probable_corrections_takes_one_pass_where_they_are_right(tokenizer: Any) -> None:
    words = word_list.read(locate(TYPING_STARTER))
    assert words is not None
    typed, text = "please confirm my ordr and sned  me the number", "please confirm my order and send me the number"
    assert word_list.likely(typed, words) == text
    assert written(tokenizer, typed, text, draft=word_list.likely(typed, words)) == (text, 1)
    assert written(tokenizer, typed, text)[1] > 3


def test_text_in_another_language_is_its_own_draft() -> None:
    words = WordList(["die", "dice", "in", "ruhe"])
    german = "Die Katez schläft heute in der Sonnne."
    assert word_list.likely(german, words) == german


class Likes:
    """In place of a network: it wants `answer`, and the typed text's own token almost as much."""

    def __init__(self, answer: list[int], liked: float, vocabulary: int) -> None:
        self.answer, self.liked, self.vocabulary, self.seen, self.passes = answer, liked, vocabulary, [], 0

    def __call__(self, ids: list[int], seen: int, first: int) -> Any:
        import torch

        self.passes += 1
        assert seen <= len(self.seen)
        self.seen = [*self.seen[:seen], *ids]
        logits = torch.full((len(ids), self.vocabulary), -20.0)
        for place, following in enumerate([*ids[1:], None]):
            done = seen + place  # the prompt is one token long, so this many of the answer are written
            if done < len(self.answer):
                logits[place, self.answer[done]] = 0.0
            if following is not None:
                logits[place, following] = max(float(logits[place, following]), -self.liked)
        return logits[first:]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(tiny_models.causal_lm(tmp_path_factory.mktemp("tokens")), "cpu").processor


def written(
    tokenizer: Any, typed: str, text: str, margin: float = 0.0, liked: float = 2.0, draft: str = ""
) -> tuple[str, int]:
    ids = ids_of(tokenizer, draft or typed)
    likes = Likes([*ids_of(tokenizer, text), 2], liked, len(tokenizer))
    found = corrected(likes, [1], TypedAhead(tokenizer, ids), Bounds([2], 200, margin))
    return text_of(tokenizer, found.ids), likes.passes


@pytest.mark.parametrize(("typed", "text"), PAIRS)
def test_the_draft_is_left_and_joined_again(tokenizer: Any, typed: str, text: str) -> None:
    assert written(tokenizer, typed, text)[0] == text


def test_a_clean_text_takes_one_pass_and_a_typo_few_more(tokenizer: Any) -> None:
    text = "please confirm my order and send me the number of the parcel"
    assert written(tokenizer, text, text) == (text, 1)
    found, passes = written(tokenizer, text.replace("order", "ordxr"), text)
    assert (found, passes <= 5) == (text, True)


def test_an_answer_that_has_left_the_draft_for_good_is_not_given_all_of_it_again(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = list[int]()
    asked = Likes.__call__

    def counted(likes: Likes, ids: list[int], seen: int, first: int) -> Any:
        sizes.append(len(ids))
        return asked(likes, ids, seen, first)

    monkeypatch.setattr(Likes, "__call__", counted)
    typed, text = "please confirm my order", "WXYZ 1234567 QUV 890 -- KJHG"
    assert written(tokenizer, typed, text)[0] == text
    assert sizes[0] > 10
    assert max(sizes[5:]) == 3


def test_with_a_margin_the_typed_token_stays_unless_another_is_likelier_by_it(tokenizer: Any) -> None:
    text = "please confirm my order"
    typed = text.replace("order", "ordex")
    assert written(tokenizer, typed, text, margin=1.0)[0] == text
    assert written(tokenizer, typed, text, margin=3.0)[0] == typed


def test_an_endless_answer_is_cut_at_its_bound_and_says_so(recogniser: Recogniser) -> None:
    recogniser.model.config.eos_token_id = recogniser.model.config.vocab_size - 1
    found = recogniser.family.transcribe(recogniser.model, recogniser.processor, pair("never"))
    assert found.is_cut
    assert len(found.words or []) <= 2 * len(ids_of(recogniser.processor, "never")) + 16


def test_a_new_line_ends_the_answer_of_a_model_that_was_never_tuned(
    recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = recogniser.processor
    template = Template.of(recogniser.model.config, tokenizer)
    likes = Likes([*ids_of(tokenizer, "the cat"), *ids_of(tokenizer, "\nTyped: more")[1:]], 2.0, len(tokenizer))
    prompt = len(template.prompt(ids_of(tokenizer, "teh cat")))

    def pretended(_: Any, ids: list[int], seen: int, first: int) -> Any:
        return likes(ids[first:], max(0, seen + first + 1 - prompt), 0)

    monkeypatch.setattr(InPyTorch, "__call__", pretended)
    found = recogniser.family.transcribe(recogniser.model, tokenizer, pair("teh cat"))
    assert (found.text, found.is_cut) == ("the cat", False)


def test_what_was_typed_is_never_read_as_a_special_token(recogniser: Recogniser) -> None:
    ids = ids_of(recogniser.processor, "<end> or <bos>")
    assert not {0, 1, 2} & set(ids)


def test_a_pair_that_is_too_long_or_empty_is_refused_with_a_remedy(recogniser: Recogniser) -> None:
    for refused in (pair("x" * 400, "x" * 400), pair("", "something")):
        with pytest.raises(DataError, match=r"Cut it into sentences|Type it"):
            row(recogniser, refused)
    with pytest.raises(DataError, match="Cut it into sentences"):
        recogniser.family.transcribe(recogniser.model, recogniser.processor, pair("x y " * 200))
    with pytest.raises(DataError, match="Cut it into sentences"):
        recogniser.family.check_text(recogniser.model, recogniser.processor, "x y " * 200)


def test_a_model_without_an_end_token_is_refused(tmp_path: Path) -> None:
    folder = tiny_models.causal_lm(tmp_path)
    for name in ("config.json", "tokenizer_config.json", "generation_config.json"):
        settings = json.loads((folder / name).read_text())
        for key in ("eos_token_id", "eos_token"):
            if key in settings:
                settings[key] = None
        (folder / name).write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="no token that ends a text"):
        load(folder, "cpu")


def test_an_adapter_is_kept_and_loaded_again(recogniser: Recogniser, tmp_path: Path) -> None:
    adapted = disturbed(recogniser)
    before = adapted.family.logits(adapted.model, adapted.processor, CLIPS[0])
    save(adapted, tmp_path / "adapter")
    again = load_adapter(load(recogniser.folder, "cpu"), tmp_path / "adapter")
    with inference_mode(again.model):
        assert (again.family.logits(again.model, again.processor, CLIPS[0]) - before).abs().max() < 1e-5


def test_a_model_that_is_saved_loads_again(recogniser: Recogniser, tmp_path: Path) -> None:
    recogniser.family.save(recogniser.model, recogniser.processor, tmp_path / "again")
    again = load(tmp_path / "again", "cpu")
    assert again.family.transcribe(again.model, again.processor, CLIPS[0]).text == (
        recogniser.family.transcribe(recogniser.model, recogniser.processor, CLIPS[0]).text
    )


def test_an_unknown_word_becomes_the_candidate_that_the_network_finds_likeliest(tokenizer: Any) -> None:
    import torch

    words = WordList(["cat", "cut", "order", "the"])

    def chances(ids: Any) -> Any:
        return torch.zeros(len(ids), len(tokenizer)).log_softmax(-1)

    found = word_list.exchanged("the ordr czt", words, tokenizer, chances)
    assert found == "the order cat"
    assert word_list.exchanged("the order", words, tokenizer, chances) == "the order"


def test_a_change_into_a_word_in_no_list_is_taken_back_unless_the_model_is_sure_of_it() -> None:
    words = WordList(["the", "cat"])

    def written(text: str, sure: float) -> Hypothesis:
        chances = [(word, sure) for word in text.split()]
        return Hypothesis(text=text, seconds=0, latency=0, words=chances)

    assert word_list.without_doubtful("teh catt", written("the catz", 0.3), words) == "the catt"
    assert word_list.without_doubtful("teh catt", written("the catz", 0.9), words) == "the catz"


def test_a_models_list_of_words_goes_where_the_model_goes(tmp_path: Path) -> None:
    folder = tiny_models.causal_lm(tmp_path / "base")
    (folder / word_list.FILE).write_text("the\norder\n")
    recogniser = load(folder, "cpu")
    assert isinstance(recogniser.family.transcribe(recogniser.model, recogniser.processor, CLIPS[0]).text, str)
    recogniser.family.save(recogniser.model, recogniser.processor, tmp_path / "again")
    assert (tmp_path / "again" / word_list.FILE).read_text() == "the\norder\n"


def test_a_row_that_has_ended_takes_nothing_more() -> None:
    row = Written()
    row.take(2, 0.5, 10, [2])
    row.take(5, 0.5, 10, [2])
    assert (row.ids, row.ended) == ([], True)


def test_a_file_that_is_no_gguf_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"PK and more")
    with pytest.raises(ModelError, match="is not a GGUF file"):
        unpack(tmp_path / "model.gguf", tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
