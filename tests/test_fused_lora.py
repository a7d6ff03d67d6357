"""A layer with an adapter as one step of autograd's: what peft's own layer gives, and learns, in every case."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import Linear
from tones import config
from torch import nn

from studio.models import Clip, load
from studio.models.kernels import lora
from studio.models.kernels.lora import FusedLinear, fuse
from studio.models.kernels.mixed import LEAST_ROWS, mix
from studio.train.adapted import with_adapter

IN, OUT, RANK = 48, 64, 8
MANY = 4 * OUT  # rows from which on the adapter's product is added to the weights
Pair = tuple[nn.Module, nn.Module]


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def both(*, bias: bool = True, mixed: bool = False, **settings: Any) -> Pair:
    """peft's layer in training, with an adapter that has learnt something, and the same fused."""
    torch.manual_seed(0)
    base = nn.Sequential(nn.Linear(IN, OUT, bias=bias))
    if mixed:
        mix(base)
    plain = get_peft_model(base, LoraConfig(target_modules=["0"], r=RANK, lora_alpha=24, **settings))
    with torch.no_grad():
        for number, (name, weight) in enumerate(plain.named_parameters()):
            if "lora_B" in name:
                weight.copy_(drawn(*weight.shape, seed=number))
    fused = copy.deepcopy(plain)
    fuse(fused)
    return plain.train(), fused.train()


def learnt(network: nn.Module, *shape: int, wanted: bool = True) -> list[torch.Tensor]:
    """What `network` gives for rows of `shape`, and the gradients of the rows and of its adapter."""
    given = drawn(*shape, IN).requires_grad_(wanted)
    found = network(given)
    (found * drawn(*found.shape, seed=1)).sum().backward()
    gradients = [weight.grad for weight in (given, *network.parameters()) if weight.requires_grad]
    assert all(gradient is not None for gradient in gradients)
    return [found.detach(), *gradients]


def layer_of(network: nn.Module) -> nn.Module:
    return next(module for module in network.modules() if isinstance(module, Linear))


def assert_same(pair: Pair, *shape: int, apart: float = 1e-5, wanted: bool = True) -> None:
    expected, found = (learnt(network, *shape, wanted=wanted) for network in pair)
    assert len(expected) == (4 if wanted else 3)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=apart, atol=apart * float(other.abs().max()))


def is_one_step(network: nn.Module) -> bool:
    """Whether the layer gives its answer by our own function."""
    given = drawn(2, IN)
    return type(network(given).grad_fn).__name__ == "_AdaptedBackward"


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1,), (3, 5), (MANY,), (2, 2, MANY)])
def test_a_fused_layer_gives_and_learns_what_pefts_does(shape: tuple[int, ...], bias: bool) -> None:
    pair = both(bias=bias)
    assert is_one_step(pair[1])
    assert not is_one_step(pair[0])
    assert_same(pair, *shape)


@pytest.mark.parametrize("rows", [3, MANY])
def test_features_that_want_no_gradient_get_none_and_the_adapter_its_own(rows: int) -> None:
    assert_same(both(), rows, wanted=False)


def test_many_rows_are_multiplied_by_weights_with_the_adapter_in_them_few_are_not() -> None:
    weight = drawn(OUT, IN)
    assert lora._is_worth_adding(drawn(MANY, IN), weight)
    assert not lora._is_worth_adding(drawn(8, IN), weight)
    assert not lora._is_worth_adding(drawn(MANY, IN), weight.bfloat16())


def test_in_mixed_precision_the_adapter_stays_in_fp32() -> None:
    plain, fused = both(mixed=True)
    assert is_one_step(fused)
    assert_same((plain, fused), 4 * LEAST_ROWS, apart=1e-4)  # sums in another order may round to the next bf16
    layer: Any = layer_of(fused)
    with torch.no_grad():
        layer.lora_B["default"].weight.mul_(1e-4)  # far less than bf16 could hold beside the weights
        given, adapter = drawn(4 * LEAST_ROWS, IN), layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    added = fused(given) - layer.base_layer(given)
    torch.testing.assert_close(added, given @ adapter.T * 3, rtol=1e-2, atol=2e-6)


@pytest.mark.parametrize("settings", [{"use_dora": True}, {"lora_bias": True}], ids=["DoRA", "a bias of its own"])
def test_an_adapter_of_another_kind_stays_pefts(settings: dict[str, bool]) -> None:
    assert type(layer_of(both(**settings)[1])) is Linear


def test_rank_stabilised_lora_is_scaled_as_peft_scales_it() -> None:
    pair = both(use_rslora=True)
    assert is_one_step(pair[1])
    assert_same(pair, MANY)


def test_with_dropout_the_layer_is_pefts_in_training_and_fused_after_it() -> None:
    _, fused = both(lora_dropout=0.5)
    assert not is_one_step(fused)
    assert is_one_step(fused.eval())


def test_without_a_gradient_with_the_adapter_off_or_merged_the_layer_is_pefts(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, fused = both()
    given = drawn(MANY, IN)
    with torch.no_grad():
        expected = plain(given)
    monkeypatch.setattr(lora, "_Adapted", None)  # a call would fail
    with torch.no_grad():
        assert torch.equal(fused(given), expected)
    one: Any = fused
    with one.disable_adapter():
        torch.testing.assert_close(fused(given), layer_of(fused).base_layer(given))  # type: ignore[operator]
    one.merge_adapter()
    torch.testing.assert_close(fused(given), expected, rtol=1e-5, atol=1e-4)
    one.unmerge_adapter()


def test_two_adapters_at_once_are_pefts() -> None:
    _, fused = both()
    one: Any = fused
    one.add_adapter("other", LoraConfig(target_modules=["0"], r=RANK, init_lora_weights=False))
    one.base_model.set_adapter(["default", "other"])
    assert not is_one_step(fused)
    one.base_model.set_adapter(["other"])
    assert is_one_step(fused)


def test_what_a_run_learns_with_is_fused_and_a_step_is_the_same_with_activations_recomputed(tmp_path: Path) -> None:
    folder = tiny_models.moonshine(tmp_path / "tiny")
    found = []
    for recomputed in (False, True):
        plan = config(targets="full", dropout=0.0, gradient_checkpointing=recomputed)
        recogniser = with_adapter(load(folder, "cpu"), plan)
        layers = [layer for layer in recogniser.model.modules() if isinstance(layer, Linear)]
        assert layers
        assert all(type(layer) is FusedLinear for layer in layers)
        family, model = recogniser.family, recogniser.model.train()
        clip = Clip(tiny_models.noise(1.0), "one two", "noise")
        nats, _ = family.loss(model, family.collate([family.prepare(model, recogniser.processor, clip)]))
        nats.backward()  # type: ignore[no-untyped-call]
        found.append({name: w.grad for name, w in model.named_parameters() if w.grad is not None})
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-5, atol=1e-6)
