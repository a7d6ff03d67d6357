"""The README and the pages behind it: short, their links lead somewhere, and their commands work as written."""

from __future__ import annotations

import functools
import re
import shlex
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import soundfile
import typer
from tones import tones
from verbs import call

from studio.cli import app
from studio.models.echo import speak
from studio.starter import UNHEARD_FOLDER

PROJECT = Path(__file__).resolve().parent.parent
README = PROJECT / "README.md"
PAGES = [README, PROJECT / "tests/benchmarks/README.md", *sorted((PROJECT / "studio/docs").glob("*.md"))]
LONGEST = 1_800  # words

FAST = ("--max-steps", "2", "--threads", "1", "--replay", "none")
ADDED = {"studio train my-voice --preset quick": FAST}
"""What a test adds to a command, so that it takes seconds."""

ELSEWHERE = {
    "make": (".ci/run", "make test"),  # every run of these tests begins with it
    "studio demo": ("tests/test_demo.py", "demo.run"),
    "studio record": ("tests/test_terminal_record.py", "session("),
    "studio fetch": ("tests/test_models.py", "fetch("),
    "studio train my-voice --model": ("tests/test_cli.py", '"--model"'),
    "studio train my-voice --rank 16 --queue": ("tests/test_queue.py", "--queue"),
    "studio train my-voice --config original": ("tests/test_recipes.py", "--config"),
    "studio train my-voice --on http": ("tests/test_ray.py", "--on"),
    "studio curve": ("tests/test_learning.py", '"curve"'),
    "studio push": ("tests/test_push.py", '"push"'),
    "studio serve": ("tests/test_serve.py", '"serve"'),
    "curl": ("tests/test_serve.py", "/v1/audio/transcriptions"),
    "studio ui": ("tests/test_proxy.py", "--public-url"),
    "accelerate launch": ("tests/test_ranks.py", "accelerate"),
}
"""Commands that take minutes, a network, a microphone or do not end: the beginning of each, and where it is held."""

UNTRIED = ("ssh",)  # needs a second computer


def commands(page: Path) -> list[str]:
    """Every command in the page's `sh` blocks, without its comment."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = (re.sub(r"\s+#.*", "", line).strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line]


def elsewhere(line: str) -> tuple[str, str] | None:
    return next((place for beginning, place in ELSEWHERE.items() if line.startswith(beginning)), None)


@functools.cache
def command_line() -> Any:
    return typer.main.get_command(app)


def parsed(words: list[str]) -> None:
    """Let the command line read `words` without doing anything. Raises what a wrong option raises."""
    group = command_line()
    context = group.make_context("studio", list(words))
    name, verb, rest = group.resolve_command(context, [*context._protected_args, *context.args])
    verb.make_context(name, rest, parent=context)


def test_the_readme_is_read_in_ten_minutes() -> None:
    assert len(README.read_text(encoding="utf-8").split()) <= LONGEST


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for link in links:
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(PROJECT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_leads_to_every_page() -> None:
    text = README.read_text(encoding="utf-8")
    assert all(str(page.relative_to(PROJECT)) in text for page in PAGES if page != README)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_command_exists_with_its_options(page: Path) -> None:
    for line in commands(page):
        for found in re.findall(r"(?:^|\bm |bin/)studio (.+?)(?: && |$)", line):
            parsed(shlex.split(found))


def test_an_option_that_does_not_exist_would_be_noticed() -> None:
    with pytest.raises(Exception, match="--fast"):
        parsed(["train", "my-voice", "--fast"])


def test_commands_that_are_not_run_here_are_run_by_the_test_that_is_named() -> None:
    for path, phrase in ELSEWHERE.values():
        assert phrase in (PROJECT / path).read_text(encoding="utf-8"), path
    lines = commands(README)
    assert all(any(line.startswith(beginning) for line in lines) for beginning in ELSEWHERE)
    assert all(line.startswith(("studio ", *UNTRIED)) or elsewhere(line) for line in lines)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the README's commands expect to find: a dataset, files to import, sounds to transcribe."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    tones(tmp_path)
    (tmp_path / "recordings/tones").rename(tmp_path / "recordings/my-voice")
    (tmp_path / "names.txt").write_text("Quentin\nBoston\n")
    samples, rate = soundfile.read(next(UNHEARD_FOLDER.glob("*.flac")))
    for name in ("clip.wav", "talk.mp3"):
        soundfile.write(tmp_path / name, samples, rate)
    ljspeech(tmp_path / "LJSpeech-1.1")
    with zipfile.ZipFile(tmp_path / "sounds.zip", "w") as sounds:
        sounds.write(tmp_path / "clip.wav", "unlabelled.wav")
    return tmp_path


def ljspeech(folder: Path) -> None:
    (folder / "wavs").mkdir(parents=True)
    soundfile.write(folder / "wavs/LJ001-0001.wav", speak("hold 7"), 16_000)
    (folder / "metadata.csv").write_text("LJ001-0001|hold 7|hold seven\n")


def test_the_readmes_commands_work_one_after_the_other(workspace: Path) -> None:
    for line in commands(README):
        if elsewhere(line) or line.startswith(UNTRIED):
            continue
        words = [word.replace("~", str(workspace)) for word in shlex.split(line)[1:]]
        done = call(workspace, *words, *ADDED.get(line, ()))
        assert done.code == (1 if words[0] == "check" else 0), (line, done.said)  # 1: these tones need a look
        if line in ADDED:  # the second run of the README is a copy of the first
            shutil.copytree(workspace / "outputs/my-voice-0001", workspace / "outputs/my-voice-0002")
    assert (workspace / "report.html").is_file()
    assert (workspace / "talk.srt").read_text().startswith("1\n00:00:00")
    assert (workspace / "outputs/my-voice-0001/merged/config.json").is_file()
