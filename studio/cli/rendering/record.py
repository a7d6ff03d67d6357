"""Recording in the terminal: a prompt, Enter, the voice with a level meter, Enter, saved."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from studio import audio
from studio.audio import Waveform, microphone
from studio.data import prompts
from studio.data.manifest import Dataset
from studio.data.prompts import Prompt
from studio.data.quality import Quality, findings
from studio.data.view.table import Table
from studio.errors import AudioError, DataError
from studio.evaluation.reading_list import read_next
from studio.text import Convention, counted
from studio.workspace import Workspace, disk_errors, expanded

METER_WIDTH = 30  # characters for 60 dB
KEYS = "Enter saves it, r records it again, s skips, b goes back, q ends; anything else is the label to save it with."
Ask = Callable[[str], str]
Say = Callable[[str], object]


def microphones() -> str:
    """The microphones of this computer, a line each. Raises DeviceError."""
    found = microphone.devices()
    lines = (
        f"{'*' if device.is_default else ' '} {device.index:>3}  {device.name}, {device.sample_rate} Hz"
        for device in found
    )
    return "\n".join(lines) or "No microphone was found on this computer."


def session(workspace: Workspace, name: str, script: str, convention: Convention, wanted: str, speaker: str) -> None:
    """Record the prompts of `script` into the dataset `name` until they are done or the person ends it.

    Raises DeviceError, DataError, ConfigError or DiskError.
    """
    folder = workspace.dataset(name)
    cards = chosen_prompts(workspace, name, script, convention)
    device = microphone.choose(microphone.devices(), wanted)
    dataset = Dataset.create(folder)
    print(f"{device.name}, {device.sample_rate} Hz, into {folder}. {KEYS}")
    Session(dataset, cards, speaker, lambda ask: take(device, ask)).run()


def chosen_prompts(workspace: Workspace, name: str, script: str, convention: Convention) -> list[Prompt]:
    """The built-in script of that name, what the dataset `name` needs next, or the lines of that text file.

    Raises DataError or DiskError.
    """
    if script == "needed":
        return read_next(workspace, Dataset.create(workspace.dataset(name)), convention=convention)
    if script == "numbers":
        return prompts.numbers(convention)
    if script == "phrases" or script.startswith("phrases-"):
        return prompts.phrases(script.removeprefix("phrases").strip("-") or prompts.ENGLISH)
    path = expanded(script)
    if not path.is_file():
        raise DataError(
            f"There is no script “{script}”.",
            "Use numbers, phrases, phrases-de, needed, or a text file with one prompt a line.",
        )
    with disk_errors(path, "read"):
        return prompts.own(path.read_bytes().decode("utf-8-sig", "replace"))


def take(device: microphone.Device, ask: Ask) -> Waveform:
    """One take, with a level meter, from now until Enter. Raises DeviceError."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        recording = pool.submit(microphone.record, device, stop, on_level=_show_level)
        try:
            ask("")
        finally:
            stop.set()
        return recording.result()


def meter(peak_db: float) -> str:
    """A bar from -60 dBFS to 0, with `!` where it clips."""
    filled = round(METER_WIDTH * min(max(1 + peak_db / 60, 0.0), 1.0))
    return "█" * filled + "·" * (METER_WIDTH - filled) + ("!" if peak_db > -0.1 else " ")


def _show_level(seconds: float, peak_db: float) -> None:
    print(f"\r  {seconds:5.1f} s  {meter(peak_db)} {peak_db:6.1f} dBFS  Enter stops ", end="", flush=True)


@dataclass(slots=True)
class Session:
    """Which card is on the table, and what the person does with it."""

    dataset: Dataset
    cards: list[Prompt]
    speaker: str
    take: Callable[[Ask], Waveform]
    ask: Ask = input
    say: Say = print
    place: int = 0

    def run(self) -> None:
        """From the first card that is not recorded yet to the last, or to `q`."""
        done = {clip.prompt for clip in self.dataset.utterances()}
        self.place = next((at for at, card in enumerate(self.cards) if card.text not in done), len(self.cards))
        while self.place < len(self.cards):
            try:
                if not self._one():
                    break
            except EOFError:
                break
            except AudioError as error:  # this take is of no use; the card stays on the table
                self.say(str(error))
        self.say(self._farewell())

    def _farewell(self) -> str:
        stand = prompts.progress(self.cards, self.dataset.utterances())
        lacking = f"About {stand.more} more make a first training worthwhile. " if stand.more else ""
        so_far = f"{counted(stand.clips, 'clip')}, {stand.seconds / 60:.1f} min in {self.dataset.name}. "
        return f"{so_far}{lacking}Next: studio train {self.dataset.name}"

    def _one(self) -> bool:
        """One card. False where the person ends the session."""
        card = self.cards[self.place]
        self.say(f"\n{self.place + 1} of {len(self.cards)}  {card.why}\n\n    {card.text}\n")
        answer = self.ask("Enter starts recording (s skips, b goes back, q ends): ").strip()
        if answer in ("s", "b", "q"):
            return self._move(answer)
        wave = self.take(self.ask)
        self.say(f"\n  {wave.duration:.1f} s, label: {card.label}")
        answer = self.ask("  save? ").strip()
        if answer in ("s", "b", "q"):
            return self._move(answer)
        if answer != "r":
            self._save(card, wave, answer or card.label)
            self.place += 1
        return True

    def _move(self, key: str) -> bool:
        self.place = max(0, self.place + {"s": 1, "b": -1, "q": 0}[key])
        return key != "q"

    def _save(self, card: Prompt, wave: Waveform, label: str) -> None:
        """Keep this take; an earlier one of the same card goes to the trash."""
        earlier = [clip.id for clip in self.dataset.utterances() if clip.prompt == card.text]
        sound = audio.wav_bytes(wave.samples, wave.sample_rate)
        clip = self.dataset.add(sound, text=label, prompt=card.text, speaker=self.speaker)
        self.dataset.trash(earlier)
        figures = Quality.known(clip.quality)
        context = Table.of(self.dataset).context(clip)
        for finding in findings(figures, duration=clip.duration, text=clip.text, **context) if figures else ():
            self.say(f"  {finding.what} {finding.remedy}")
