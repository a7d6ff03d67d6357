"""From Start to the first step of training, and what the page does to shorten it.

    python -m tests.benchmarks.starting [--model MODEL] [--adapter full voice]

Quick runs on 50 clips of a person's digits (`STUDIO_SPEECH`), with all cores, each stopped after its first step: with
nothing known of any clip, with the clips that every run replays known, with all known; and the last two once more, as
from a page whose Train tab has been open for a while.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from studio.config import TrainConfig, preset
from studio.data.manifest import Dataset
from studio.models.catalogue import default_model
from studio.runs import control, events, ready
from studio.runs.events import StepDone
from studio.workspace import Workspace
from tests.benchmarks.quick import add_person

PEOPLE = ("theo", "jackson", "lucas")
OPEN = 15.0  # seconds that the Train tab was open: by then the waiting trainer has imported everything
_POLL = 0.01


def until_first_step(workspace: Workspace, config: TrainConfig, is_tab_open: bool) -> float:
    """Seconds from Start to the event of the first step."""
    if is_tab_open:
        ready.shared().prepare()
        time.sleep(OPEN)
    began = time.time()
    folder = control.start_training(workspace, config)
    while not control.state(folder).is_over:
        found = [event.at for _, event in events.read(folder.events) if isinstance(event, StepDone)]
        if found:
            control.stop(folder, "discard")
            while not control.state(folder).is_over:
                time.sleep(_POLL)
            return found[0] - began
        time.sleep(_POLL)
    raise SystemExit(folder.log.read_text())


def main() -> None:
    """Print a line for each adapter and way to start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=default_model())
    parser.add_argument("--adapter", nargs="+", default=["full", "voice"])
    given = parser.parse_args()
    for adapter in given.adapter:
        with tempfile.TemporaryDirectory(prefix="studio-benchmark-") as folder:
            workspace = Workspace(Path(folder))
            for who in PEOPLE:
                add_person(Dataset.create(workspace.dataset(who)), who)
            for said, who, is_tab_open in (
                ("nothing read before", "theo", False),
                ("the replayed clips read before", "jackson", False),
                ("all clips read before", "jackson", False),
                ("the replayed clips read before, Train tab open", "lucas", True),
                ("all clips read before, Train tab open", "jackson", True),
            ):
                config = preset("quick", dataset=who, model=given.model, targets=adapter)
                seconds = until_first_step(workspace, config, is_tab_open)
                print(f"{Path(given.model).name}, {adapter}, {said}".ljust(72) + f"{seconds:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
