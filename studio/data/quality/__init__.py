"""How good a recording is: what was measured, what it means, and what can be fixed.

quality = measure(wave)                                   # figures, once; they are kept in the manifest
found = findings(quality, duration=wave.duration)         # sentences, made each time
verdict(found)                                            # fine, look or re-record
"""

from studio.audio.measurements import VERSION, Quality, measure, measured, remembered
from studio.audio.thresholds import THRESHOLDS, Thresholds
from studio.data.quality.pacing import pace, usual_pace
from studio.data.quality.summary import Card, Figure, card_of
from studio.data.quality.verdicts import NAMES, Code, Context, Finding, Verdict, findings, verdict

__all__ = [
    "NAMES",
    "THRESHOLDS",
    "VERSION",
    "Card",
    "Code",
    "Context",
    "Figure",
    "Finding",
    "Quality",
    "Thresholds",
    "Verdict",
    "card_of",
    "findings",
    "measure",
    "measured",
    "pace",
    "remembered",
    "usual_pace",
    "verdict",
]
