"""The command line as a person meets it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from studio.cli import app
from studio.config import knobs

VERBS = (
    "ui",
    "demo",
    "doctor",
    "record",
    "transcribe",
    "train",
    "runs",
    "queue",
    "stop",
    "resume",
    "evaluate",
    "merge",
    "fetch",
)


def studio(*words: str, workspace: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "STUDIO_WORKSPACE": str(workspace)}
    return subprocess.run(
        [sys.executable, "-m", "studio", *words], capture_output=True, text=True, env=environment, timeout=120
    )


def test_help_lists_every_verb_without_loading_anything_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['studio', '--help']\n"
        "try:\n import studio.cli; studio.cli.main()\n"
        "except SystemExit: pass\n"
        "print('LOADED', *sorted({'torch', 'gradio', 'transformers', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    start = time.perf_counter()
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert time.perf_counter() - start < 60  # a second on an idle machine; CI is never idle
    assert all(f"\n  {verb} " in out for verb in VERBS)
    assert out.rstrip().endswith("LOADED")


def test_every_knob_of_a_run_is_a_flag_with_its_default_in_the_help() -> None:
    text = " ".join(CliRunner().invoke(app, ["train", "--help"], terminal_width=200).output.split())
    for name, info in knobs():
        assert f"--{name.replace('_', '-')}" in text
        assert f"[default: {info.default}]" in text


@pytest.mark.parametrize(
    ("words", "reason", "remedy"),
    [
        (["train", "no-such-dataset"], "no-such-dataset", "studio record"),
        (["train", "x", "--rank", "0"], "rank", "LoRA rank"),
        (["train", "x", "--preset", "huge"], "huge", "quick, balanced, thorough"),
        (["stop", "no-such-run"], "no-such-run", "studio runs"),
        (["merge", "no-such-run"], "no-such-run", "studio runs"),
        (["transcribe", "missing.wav"], "missing.wav", ""),
        (["transcribe", "--model", "no-such/model", "missing.wav"], "no-such/model", "studio fetch"),
        (["record", "../outside"], "../outside", "letters"),
        (["evaluate", "no-such-run"], "no-such-run", "studio runs"),
    ],
)
def test_bad_input_gets_a_sentence_and_exit_code_1(words: list[str], reason: str, remedy: str, tmp_path: Path) -> None:
    done = studio(*words, workspace=tmp_path)
    assert done.returncode == 1, done
    assert reason in done.stderr
    assert remedy in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_an_empty_workspace_says_how_to_begin(tmp_path: Path) -> None:
    assert "studio record" in studio("runs", workspace=tmp_path).stdout


def test_doctor_says_fine_or_what_to_do_about_every_part(tmp_path: Path) -> None:
    done = studio("doctor", workspace=tmp_path / "not" / "made yet")
    assert "fine    disk" in done.stdout, done
    for subject in (
        "python",
        "torch",
        "memory",
        "disk",
        "cpu",
        "precision",
        "cuda",
        "mps",
        "starter model",
        "microphone",
        "browser",
    ):
        assert f"  {subject}" in done.stdout, done
    for line in done.stdout.splitlines():
        assert line.startswith(("fine", "look", "BROKEN", " ")), line
