"""Every number that decides about a recording, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a figure stops being fine; of a pair, the first asks for a look, the second to record again."""

    clipped_share: tuple[float, float] = (0.001, 0.01)  # 0..1 of all samples
    quiet_lufs: float = -50.0  # a voice at arm's length is at about -30 to -18 LUFS
    noisy_snr_db: tuple[float, float] = (12.0, 6.0)  # speech against the noise between the words
    long_edge: float = 1.5  # seconds of silence before or after the speech
    long_pause: float = 2.0  # seconds in the middle
    long_clip: float = 30.0  # seconds: Whisper and Kyutai take 30 s at once
    least_speech: float = 0.1  # seconds; the shortest spoken words last about 0.15 s
    dc_offset: float = 0.02  # 0..1 of full scale; sound cards of today stay below 0.005
    telephone_hz: int = 4_250  # what distinguishes s from f lies above 4 kHz; a little more, for a filter's slope
    bad_spots: int = 3  # dropped or doubled buffers: fewer may fall between two words
    fast: float = 2.2  # times the speaker's own characters a second
    slow: float = 0.4
    fastest: float = 32.0  # characters a second; no one speaks faster. Used while the speaker's own pace is not known
    slowest: float = 2.0
    least_characters: int = 12  # below, a pause weighs more than the words
    pace_clips: int = 20  # of one speaker, until his own pace is known
    trim_beyond: float = 0.75  # seconds of silence at an edge from which trimming is offered
    trim_to: float = 0.3  # seconds that it leaves: a model wants a breath around the words


THRESHOLDS = Thresholds()
