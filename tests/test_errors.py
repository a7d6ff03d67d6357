"""Why something failed, in words that a person can use."""

from __future__ import annotations

import errno
import os

import pytest

from studio.faults import plain_reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device"),
        (RuntimeError("Max retries exceeded ('<x>: [Errno 111] Connection refused'))"), "Connection refused"),
        (ValueError("the first line.\nthe second"), "the first line"),
        (
            ConnectionError("Refused by the server:\nTraceback …\n  x\nOSError: it is full."),
            "Refused by the server: OSError: it is full",
        ),
        (ConnectionError(""), "no reason was given"),
    ],
)
def test_the_reason_is_the_systems_own_words_without_numbers(error: Exception, reason: str) -> None:
    assert plain_reason(error) == reason
