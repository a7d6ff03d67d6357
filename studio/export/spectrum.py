"""What turns sound into Whisper's features, for where no feature extractor is: transformers' WhisperFeatureExtractor.

The Fourier transform is a convolution with cosines and sines.
"""

from __future__ import annotations

from typing import Any

import numpy as np

LEAST = 1e-10  # energy; below it silence would be minus infinity
RANGE = 8.0  # powers of ten that are kept below the loudest


def waves(size: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(2 × frequencies, 1, samples): each cosine, then each sine, faded in and out (Hann)."""
    place = np.arange(size)
    faded = 0.5 - 0.5 * np.cos(2 * np.pi * place / size)
    angles = 2 * np.pi * np.outer(np.arange(size // 2 + 1), place) / size
    return (np.concatenate([np.cos(angles), np.sin(angles)]) * faded)[:, None].astype(np.float32)
