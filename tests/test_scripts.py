"""The page's scripts: their unit tests (tests/js), and that they and the styles stay readable."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from studio.ui import assets

PROJECT = Path(__file__).resolve().parent.parent
WIDEST = 120  # characters


def test_the_scripts_pass_their_own_unit_tests() -> None:
    deno = shutil.which("deno", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if deno is None:
        pytest.skip("no deno on this machine: install the extra `test`")
    command = [deno, "test", "--config", ".deno.jsonc", "--no-check", "--no-remote", "--quiet", "tests/js"]
    quiet = {"DENO_DIR": str(PROJECT / ".cache" / "deno"), "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"}
    found = subprocess.run(command, cwd=PROJECT, env=os.environ | quiet, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    assert " 0 failed" in found.stdout


@pytest.mark.parametrize(
    "folder",
    [assets.FOLDER, PROJECT / "studio" / "export" / "onnx" / "page", PROJECT / "tests" / "js"],
    ids=["assets", "exported", "tests"],
)
def test_no_line_is_wider_than_a_person_reads_at_once(folder: Path) -> None:
    wide = [
        f"{path.relative_to(PROJECT)}:{number}"
        for path in sorted(folder.rglob("*.*"))
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
        if len(line) > WIDEST
    ]
    assert wide == []
