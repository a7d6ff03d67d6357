"""A person reads the studio's own sentences; what other packages warn of is in the run's log."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from studio.quiet import warnings_in

NOISY = """
import sys, logging, warnings
import studio.cli.models as verbs
from studio import cli
def noisy(*_, **__):
    warnings.warn("`past_key_values` is deprecated", FutureWarning)
    logging.getLogger("another.package").warning("weights of another kind")
    print("table")
cli.app.command("noisy")(lambda: noisy())
sys.argv = ["studio", "noisy"]
cli.main()
"""


def ran(*flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
    import os

    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"} | variables
    return subprocess.run(
        [sys.executable, *flags, "-c", NOISY], capture_output=True, text=True, env=environment, check=True
    )


def test_a_verb_shows_no_warning_of_another_package() -> None:
    result = ran()
    assert result.stdout == "table\n"
    assert result.stderr == ""


def test_who_asks_for_warnings_sees_them() -> None:
    assert "past_key_values" in ran("-W", "default").stderr


def test_a_run_under_its_supervisor_keeps_them_in_its_log(tmp_path: Path) -> None:
    said = ran(STUDIO_JOB=str(tmp_path)).stderr  # which is the log there
    assert "past_key_values" in said
    assert "weights of another kind" in said


@pytest.mark.filterwarnings("default")
def test_in_the_foreground_warnings_go_to_the_runs_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "stdout.log"
    with warnings_in(log):
        warnings.warn("`past_key_values` is deprecated", FutureWarning, stacklevel=1)
        logging.getLogger("another.package").warning("weights of another kind")
    logging.getLogger("another.package").debug("after the run")
    text = log.read_text(encoding="utf-8")
    assert "past_key_values" in text
    assert "weights of another kind" in text
    assert capsys.readouterr().err == ""


@pytest.mark.thorough
def test_opening_the_page_leaves_gradios_own_files_alone() -> None:
    program = """
import pathlib
from studio.ui.app import without_stubs
seen, read = [], pathlib.Path.read_text
def watched(path, *args, **named):
    seen.append(path.suffix)
    return read(path, *args, **named)
pathlib.Path.read_text = watched
with without_stubs():
    import gradio
print(".pyi" in seen)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
