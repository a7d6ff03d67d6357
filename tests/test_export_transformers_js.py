"""The lines for transformers.js on the card of an export to “onnx”, run in Chromium and in Node with real models.

`make thorough` fetches the package.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from browsing import folder_opened
from numpy.typing import NDArray
from test_merged import adapter

from studio.export.merged import merge
from studio.export.onnx.huggingface import HuggingFace
from studio.export.reference import Reference
from studio.export.uses import uses
from studio.progress import unwatched

if TYPE_CHECKING:
    from browsing import Browser

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(1200)]

FOLDER = Path(__file__).resolve().parent.parent / ".cache" / "transformers-js"
PACKAGE = "node_modules/@huggingface/transformers"
CASES = [("moonshine", "fp32"), ("moonshine", "int8"), ("whisper", "fp32")]
PAGE = """<!doctype html>
<script type="importmap">{"imports": {"@huggingface/transformers": "/%s/dist/transformers.min.js"}}</script>
<script type="module">
globalThis.written = [];
console.log = text => written.push(text);
try {
    globalThis.samples = new Float32Array(await (await fetch("/clip")).arrayBuffer());
    await import("/card.mjs");
} catch (error) {
    written.push(String(error));
}
</script>
"""
START = """import { readFile } from "node:fs/promises";
globalThis.samples = new Float32Array((await readFile("clip")).buffer);
await import("./card.mjs");
"""


@pytest.fixture(scope="module")
def packages() -> Path:
    """transformers.js and all that it needs."""
    if not (FOLDER / PACKAGE / "package.json").is_file():
        pytest.skip("transformers.js is not installed: run make .venv/.transformers-js")
    return FOLDER / "node_modules"


@dataclass(frozen=True, slots=True)
class Case:
    """An export of a real model with an adapter that changes little, and what it writes elsewhere."""

    folder: Path
    expected: list[str]  # by sound: PyTorch's text; of an export in int8 ONNX Runtime's in Python

    def script(self, parent: str) -> str:
        """The card's first lines, and those for a server of one's own, with the export in the folder `parent`."""
        card = uses(HuggingFace().usage(self.folder, self.folder), "")[0]
        lines, runtime = (passage.text for passage in card.passages if passage.is_code)
        lines = lines.replace(json.dumps(str(self.folder.parent)), json.dumps(parent))
        return lines.replace("const transcriber", f"{runtime}const transcriber")


@pytest.fixture(scope="module")
def sounds(spoken: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """A sentence, and less than a second of another."""
    return [spoken[0], spoken[1][4_000:18_000]]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(
    request: pytest.FixtureRequest,
    packages: Path,
    sounds: list[NDArray[np.float32]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Case:
    family, precision = request.param
    base = request.getfixturevalue({"moonshine": "moonshine_tiny", "whisper": "whisper_base"}[family])
    root = tmp_path_factory.mktemp(family)
    merge(adapter(root / "adapter", f"{base}:en" if family == "whisper" else base, "voice", 0.02), root / "merged")
    folder = root / "exports" / "mine"
    folder.mkdir(parents=True)
    HuggingFace().write(root / "merged", folder, precision, unwatched)
    reference = Reference.of(root / "merged")
    runtime = reference if precision == "fp32" else HuggingFace().open(folder, reference)
    return Case(folder, [runtime.transcribe(samples) for samples in sounds])


@pytest.fixture
def site(packages: Path, case: Case, tmp_path: Path) -> Path:
    """A folder with a page, transformers.js and the export."""
    (tmp_path / "node_modules").symlink_to(packages)
    itself = (packages / "@huggingface" / "transformers").resolve()  # what it needs lies next to it
    (tmp_path / "onnxruntime-web").symlink_to(itself.parent.parent / "onnxruntime-web")
    (tmp_path / "exports").symlink_to(case.folder.parent)
    (tmp_path / "index.html").write_text(PAGE % PACKAGE)
    (tmp_path / "start.mjs").write_text(START)
    return tmp_path


@pytest.mark.browser
def test_a_page_writes_what_pytorch_does_and_asks_no_other_server(
    case: Case, site: Path, sounds: list[NDArray[np.float32]], browser: Browser
) -> None:
    (site / "card.mjs").write_text(case.script("/exports"))
    assert all(case.expected)
    for samples, expected in zip(sounds, case.expected, strict=True):
        (site / "clip").write_bytes(samples.astype("<f4").tobytes())
        with folder_opened(browser, site) as page:
            page.wait_for_function("() => window.written?.length")
            assert page.evaluate("written") == [expected]


def test_node_writes_what_pytorch_does(case: Case, site: Path, sounds: list[NDArray[np.float32]]) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    (site / "card.mjs").write_text(case.script(str(case.folder.parent)))
    for samples, expected in zip(sounds, case.expected, strict=True):
        (site / "clip").write_bytes(samples.astype("<f4").tobytes())
        found = subprocess.run([node, "start.mjs"], cwd=site, capture_output=True, text=True)
        assert (found.stdout.strip(), found.stderr) == (expected, "")
