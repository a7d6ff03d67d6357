"""Runs on typing pairs: the same loop, checkpoints, reports and verdicts as for speech, and no sound anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import tones
from hypothesis import given
from hypothesis import strategies as st

from studio.config import TrainConfig
from studio.data.manifest import Dataset, Pair
from studio.errors import ConfigError
from studio.evaluation import general_set
from studio.evaluation.cache import HypothesisCache
from studio.evaluation.evaluate import Evaluation, compare
from studio.evaluation.hypotheses import transcribed
from studio.export.exporting import export_run
from studio.export.merged import merge_run
from studio.models import Clip, Hypothesis, before_start, load, strength
from studio.models.causal_lm.family import CausalLm
from studio.reports.markdown import as_markdown
from studio.reports.result import result_of
from studio.reports.run_page import as_html
from studio.runs.events import Event, Finished, Phase, StepDone
from studio.train import clean_pairs, finetune
from studio.typing.typos import LEAST_IDENTITY
from studio.workspace import Workspace

WORDS = ("the", "them", "then", "there", "these", "they", "this", "that", "than", "thin", "thus", "thaw")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of one habit, “th” typed as “ht”, and a model with random weights."""
    root = tmp_path_factory.mktemp("typing")
    dataset = Dataset.create(root / "recordings" / "habit", "typing")
    for number, word in enumerate(WORDS * 2):
        split = ("train", "train", "validation", "train", "test", "train")[number % 6]
        dataset.add_pair(word.replace("th", "ht"), word, split=split)  # type: ignore[arg-type]
    tiny_models.causal_lm(root / "llama")
    return root


def _config(root: Path, **changes: object) -> TrainConfig:
    values = {"dataset": "habit", "model": str(root / "llama"), "max_steps": 24, "batch_size": 8, "eval_every": 12}
    return TrainConfig.checked(**values | {"learning_rate": 1e-2, "threads": 1, "precision": "fp32"} | changes)


@pytest.fixture(scope="module")
def whole(root: Path) -> list[Event]:
    """A run without an interruption, called `whole`."""
    return tones.train(root, "whole", _config(root))


def test_a_run_on_pairs_goes_from_the_base_models_score_to_the_adapters(root: Path, whole: list[Event]) -> None:
    story, folder = tones.kinds(whole), tones.folder_of(root, "whole")
    order = ["loading", "started", "encoding", "baseline", "validating", "step", "tuned", "finished"]
    assert sorted(order, key=story.index) == order
    before, after = Evaluation.read(folder.baseline), Evaluation.read(folder.tuned)
    assert before is not None
    assert after is not None
    assert (before.kind, after.kind) == ("typing", "typing")
    assert after.score.cer <= before.score.cer, "what is not a typo's reach away is taken back"
    assert {row.typed for row in after.rows} == {"htese", "htus"}
    assert not any(row.audio_filepath for row in after.rows)
    assert after.probes == [], "a typing model transcribes no silence"
    losses = [event.loss for event in whole if isinstance(event, StepDone)]
    assert losses[-1] < 0.9 * losses[0], "random layers below an adapter learn little, but they learn"


def test_the_run_keeps_its_pairs_and_its_report_says_nothing_of_sound(root: Path, whole: list[Event]) -> None:
    folder = tones.folder_of(root, "whole")
    assert "input" in json.loads(folder.manifest.read_text().splitlines()[0])
    result = result_of(folder)
    for text in (as_markdown(folder), as_html(result)):
        assert "silence" not in text
        assert "to transcribe one second" not in text
        assert "recognise" not in text
        assert "WER" in text or "word error rate" in text.lower()


def test_a_killed_run_on_pairs_resumes_to_the_same_adapter_to_the_bit(root: Path, whole: list[Event]) -> None:
    for event in tones.logged(root, "cut", _config(root), resume=False):
        if isinstance(event, StepDone) and event.step == 17:
            break  # what came after the checkpoint of step 12 is lost
    tones.train(root, "cut", _config(root), resume=True)
    assert tones.adapter(root, "cut") == tones.adapter(root, "whole")


def test_a_run_on_pairs_is_scored_again_with_the_same_figures(root: Path, whole: list[Event]) -> None:
    found = compare(Workspace(root), "whole")
    after = Evaluation.read(tones.folder_of(root, "whole").tuned)
    assert found.after is not None
    assert after is not None
    assert (found.after.score, found.after.typing) == (after.score, after.typing)


def test_a_model_of_the_other_kind_is_refused_before_anything_starts(root: Path) -> None:
    tones.tones(root)
    speech = _config(root, dataset="tones")
    with pytest.raises(ConfigError, match=r"takes typed text, and the dataset “tones” holds recordings"):
        before_start.check(speech, Dataset.open(root / "recordings" / "tones").examples())
    with pytest.raises(ConfigError, match="takes sound, and the dataset “habit” holds typing pairs"):
        before_start.check(_config(root, model="echo"), Dataset.open(root / "recordings" / "habit").examples())
    folder = tones.folder_of(root, "refused")
    with pytest.raises(ConfigError, match="takes sound"):
        list(finetune.run(_config(root, model="echo"), folder, Workspace(root)))
    assert not folder.has_begun


@pytest.mark.parametrize(("name", "value"), [("augment", 2), ("replay", "tones"), ("short_seconds", 2.0)])
def test_settings_of_sound_are_refused_for_pairs(root: Path, name: str, value: object) -> None:
    pairs = Dataset.open(root / "recordings" / "habit").examples()
    with pytest.raises(ConfigError, match=name):
        before_start.check(_config(root, **{name: value}), pairs)


def test_no_voices_are_replayed_to_a_typing_model(root: Path) -> None:
    assert general_set.dataset_of(_config(root), Workspace(root)) is None


def test_secrets_among_the_pairs_are_named_before_they_are_learnt(root: Path) -> None:
    pairs = Dataset.open(root / "recordings" / "habit").examples()
    assert before_start.check(_config(root), pairs) == []
    secret = [pair.model_copy(update={"text": "the mail is eva@example.org"}) for pair in pairs[:1]]
    (note,) = before_start.check(_config(root), [*secret, *pairs[1:]])
    assert note.startswith("1 pair holds an e-mail address")


def test_validation_chooses_how_strongly_the_adapter_of_a_typing_run_acts(root: Path, whole: list[Event]) -> None:
    (finished,) = (event for event in whole if isinstance(event, Finished))
    assert strength.strength_of(tones.folder_of(root, "whole").adapter) == finished.strength
    validated = [event for event in whole if isinstance(event, Phase) and event.name == "validating" and not event.done]
    assert len(validated) == 3 + len(strength.WEAKER_TYPING), "before, twice in between, and at each strength"


def test_a_typing_run_is_scored_by_what_a_person_gets(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answered(self: CausalLm, model: Any, processor: Any, clip: Clip) -> Hypothesis:
        text = clip.typed.replace("teh", "the").replace("12", "13")
        return Hypothesis(text=text, seconds=0, latency=0, is_cut="again" in text)

    monkeypatch.setattr(CausalLm, "transcribe", answered)
    typed = ["teh order 12 is late", "teh order again and again"]
    clips = [Pair(id=str(place), typed=text, text=text, split="test") for place, text in enumerate(typed)]
    recogniser, dataset = load(root / "llama", "cpu"), Dataset.open(root / "recordings" / "habit")
    (batch,) = transcribed(recogniser, dataset, clips, HypothesisCache())
    written = [hypothesis.text for hypothesis in batch.heard.values()]
    assert written == ["the order 12 is late", "teh order again and again"], "a number stays; so does an endless answer"


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_three_in_ten_of_the_pairs_that_are_learnt_from_need_no_correction(clean: list[bool]) -> None:
    pairs = [
        Pair(id=f"{place}", typed="the" if is_clean else "teh", text="the", split="train")
        for place, is_clean in enumerate(clean)
    ]
    added = clean_pairs.copies(pairs)
    assert all(pair.is_clean for pair in added)
    assert len({pair.id for pair in [*pairs, *added]}) == len(pairs) + len(added)
    assert sum(pair.is_clean for pair in [*pairs, *added]) >= LEAST_IDENTITY * (len(pairs) + len(added))
    assert not added or sum(clean) < LEAST_IDENTITY * len(clean)
    assert bool(clean_pairs.note(pairs)) == bool(added)


@pytest.mark.usefixtures("whole")
def test_a_run_on_pairs_is_merged_and_exported_with_the_figures_of_typing(root: Path) -> None:
    from transformers import AutoModelForCausalLM

    report = export_run(Workspace(root), "whole", "merged")
    assert report.others == []
    assert report.typing is not None
    assert report.typing.exact[0] == report.typing.exact[1]
    assert "right to the letter" in report.figures()
    assert " s a text" in report.figures()  # not for a second of sound
    assert AutoModelForCausalLM.from_pretrained(report.folder).config.model_type == "llama"
    card = (report.folder / "README.md").read_text()
    assert "AutoModelForCausalLM" in card
    assert "clip.wav" not in card
    assert merge_run(Workspace(root), "whole").max_difference < 1e-3
    with pytest.raises(ConfigError, match="onnx does not take llama models") as refused:
        export_run(Workspace(root), "whole", "onnx")
    assert refused.value.remedy == "Targets that do: merged, gguf, executorch."
