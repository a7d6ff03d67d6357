"""For the tests of Core ML: its package for Python, faster, and as it is on a Mac, computed by the interpreter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from studio.audio import write_wav
from studio.export.coreml import packages
from studio.export.coreml.interpreter import Interpreter
from studio.export.gate import ExportReport
from studio.export.uses import uses_of


@contextmanager
def converted_once() -> Iterator[None]:
    """Within the block each module is converted once, whatever precision it is saved in. Skips without coremltools."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "executorch", None)  # coremltools would load it where it is installed: 4 s
        pytest.importorskip("coremltools")
    convert = packages._converted
    kept: dict[tuple[type, float], Any] = {}

    def converted(module: Any, *given: Any, **more: Any) -> Any:
        weights = sum(float(each.double().abs().sum()) for each in module.parameters())
        key = (type(module), weights)
        if key not in kept:
            kept[key] = convert(module, *given, **more)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "_converted", converted)
        yield


class _Model:
    """What Core ML's own model offers."""

    def __init__(self, package: str) -> None:
        self._package = Interpreter(Path(package))

    def make_state(self) -> None:
        """The interpreter keeps its own."""

    def predict(self, given: dict[str, Any], state: None = None) -> dict[str, Any]:
        import torch

        found = self._package.predict({name: torch.from_numpy(each) for name, each in given.items()})
        return {name: each.numpy() for name, each in found.items()}


def printed_by_the_card(
    report: ExportReport,
    samples: NDArray[Any],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    """What the lines for Python print in `folder`, where clip.wav holds the `samples`."""
    import coremltools

    load = coremltools.models.MLModel
    write_wav(folder / "clip.wav", samples, 16_000)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(
        coremltools.models, "MLModel", lambda path, **more: load(path, **more) if more else _Model(path)
    )
    capsys.readouterr()
    exec(uses_of(report)[1].passages[-1].text, {})
    return capsys.readouterr().out
