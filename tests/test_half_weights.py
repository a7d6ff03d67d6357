"""Weights that fp16 holds exactly, read as fp16: the same figures and texts, and only where nothing is lost."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from studio.config import STARTER, TYPING_STARTER
from studio.models import Clip, load, load_to_read
from studio.models.kernels import half
from studio.models.kernels.half import MOST_ROWS, Fp16Linear, read_weights_as_fp16

pytestmark = pytest.mark.skipif(not half.can_multiply_fp16(), reason="this PyTorch has no FBGEMM for this processor")


def a_layer(*, exact: bool = True, bias: bool = True, at_once: bool = True) -> tuple[nn.Linear, nn.Linear]:
    """A layer of 384 x 256 as PyTorch has it, and one with the same weights that may read half."""
    torch.manual_seed(0)
    plain = nn.Linear(256, 384, bias=bias).requires_grad_(False)
    if exact:
        plain.weight.copy_(plain.weight.half())
    other = nn.Linear(256, 384, bias=bias).requires_grad_(False)
    other.load_state_dict(plain.state_dict())
    read_weights_as_fp16(nn.Sequential(other), at_once=at_once)
    return plain, other


def copies(layer: nn.Linear) -> bool:
    """Whether `layer` reads an fp16 copy now."""
    assert isinstance(layer, Fp16Linear)
    return layer.copied is not None


@pytest.mark.parametrize("shape", [(1, 256), (1, 1, 256), (3, 5, 256), (MOST_ROWS, 256)])
@pytest.mark.parametrize("bias", [True, False])
@torch.no_grad()
def test_few_rows_give_what_fp32_gives(shape: tuple[int, ...], bias: bool) -> None:
    plain, halved = a_layer(bias=bias)
    given = torch.randn(shape)
    torch.testing.assert_close(halved(given), plain(given), rtol=1e-5, atol=1e-6)
    assert copies(halved)
    one = given.flatten()[:256]
    torch.testing.assert_close(halved(one), plain(one), rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_many_rows_are_multiplied_as_before_and_cost_no_copy() -> None:
    plain, halved = a_layer()
    given = torch.randn(MOST_ROWS + 1, 256)
    assert torch.equal(halved(given), plain(given))
    assert not copies(halved)


@torch.no_grad()
def test_weights_that_fp16_would_change_stay_as_they_are() -> None:
    plain, halved = a_layer(exact=False)
    given = torch.randn(3, 256)
    torch.testing.assert_close(halved(given), plain(given), rtol=0, atol=0)
    assert not copies(halved)


@torch.no_grad()
@pytest.mark.parametrize("number", [70_000.0, float("inf"), float("nan")])
def test_nor_is_a_number_beyond_fp16_lost(number: float) -> None:
    _, halved = a_layer()
    halved.weight[0, 0] = number
    halved(torch.ones(1, 256))
    assert not copies(halved)


@torch.no_grad()
def test_weights_that_change_are_read_again() -> None:
    plain, halved = a_layer()
    given = torch.randn(2, 256)
    halved(given)
    for layer in (plain, halved):
        layer.weight.mul_(2)
    torch.testing.assert_close(halved(given), plain(given), rtol=1e-5, atol=1e-6)
    for layer in (plain, halved):
        layer.weight.data = layer.weight / 3  # as an adapter that is merged safely; no number of fp16's any more
    torch.testing.assert_close(halved(given), plain(given), rtol=0, atol=0)
    assert not copies(halved)


def test_gradients_go_through_as_ever() -> None:
    plain, halved = a_layer()
    given = [torch.ones(2, 256, requires_grad=True) for _ in range(2)]
    for layer, one in zip((plain, halved), given, strict=True):
        layer(one).sum().backward()
    assert given[0].grad is not None
    assert given[1].grad is not None
    torch.testing.assert_close(given[1].grad, given[0].grad)


def test_where_memory_is_short_there_are_no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    copies_take = 2 * 256 * 384
    for free, expected in ((4 * copies_take - 1, nn.Linear), (4 * copies_take, Fp16Linear)):
        monkeypatch.setattr(half.psutil, "virtual_memory", lambda free=free: SimpleNamespace(available=free))
        layer = nn.Linear(256, 384)
        read_weights_as_fp16(nn.Sequential(layer))
        assert type(layer) is expected


@torch.no_grad()
def test_a_copy_is_made_only_when_it_is_worth_it() -> None:
    _, halved = a_layer(at_once=False)
    for _ in range(half._WORTH):
        halved(torch.ones(1, 256))
    assert not copies(halved)
    halved(torch.ones(1, 256))
    assert copies(halved)


def texts(source: str | Path, clip: Clip) -> list[str]:
    """Of PyTorch's usual products, and of those that read half."""
    plain, halved = load(source, "cpu"), load_to_read(source, "cpu", at_once=True)
    found = [one.family.transcribe(one.model, one.processor, clip).text for one in (plain, halved)]
    assert any(copies(layer) for layer in halved.model.modules() if isinstance(layer, Fp16Linear))
    return found


def test_the_typing_starter_writes_the_same_text() -> None:
    plain, halved = texts(TYPING_STARTER, Clip(np.zeros(0, np.float32), typed="Teh quick brwon fox jumps ovre it."))
    assert plain == halved == "The quick brown fox jumps over it."


def test_the_starter_writes_the_same_text_of_a_reader(spoken: list[NDArray[np.float32]]) -> None:
    plain, halved = texts(STARTER, Clip(spoken[0]))
    assert plain
    assert plain == halved


@pytest.mark.thorough
def test_so_does_whisper_base(spoken: list[NDArray[np.float32]], whisper_base: Path) -> None:
    for samples in spoken:
        plain, halved = texts(whisper_base, Clip(samples))
        assert plain
        assert plain == halved
