"""Products by oneDNN, and the loss that goes with them: the same figures as PyTorch's own, with the same gradients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import Linear as AdaptedLinear
from torch import nn
from torch.nn.functional import cross_entropy
from transformers.cache_utils import DynamicLayer

from studio.models import load
from studio.models.kernels import linear
from studio.models.kernels.cache import GrowingLayerCache
from studio.models.kernels.linear import FastLinear, multiplied, quicken
from studio.models.kernels.loss import summed_loss

WIDTH, WORDS = 64, 4096


@pytest.fixture
def on_amd(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A processor on which oneDNN is faster, whatever this one is."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        pytest.skip("this PyTorch was built without oneDNN")
    yield from on_processor(monkeypatch, "AMD EPYC")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A processor that MKL was made for."""
    yield from on_processor(monkeypatch, "Intel(R) Xeon(R)")


@pytest.fixture
def on_older_amd(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One without AVX-512."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        pytest.skip("this PyTorch was built without oneDNN")
    yield from on_processor(monkeypatch, "AMD EPYC", avx512=False)


def on_processor(monkeypatch: pytest.MonkeyPatch, name: str, *, avx512: bool = True) -> Iterator[None]:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"cpu_name": name, "avx512_f": avx512}, raising=False)
    for asked in (linear.gains, linear.gains_on_vocabularies):
        asked.cache_clear()
    yield
    for asked in (linear.gains, linear.gains_on_vocabularies):
        asked.cache_clear()


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    """Numbers as a network has them."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.usefixtures("on_amd")
@pytest.mark.parametrize("shape", [(512,), (4, 128), (2, 4, 64)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_frozen_layer_gives_what_pytorchs_own_gives_and_the_same_gradient(shape: tuple[int, ...], bias: bool) -> None:
    layer = nn.Linear(WIDTH, WORDS, bias=bias).requires_grad_(False)
    given = [drawn(*shape, WIDTH).requires_grad_() for _ in range(2)]
    expected, weights = layer(given[0]), drawn(*shape, WORDS, seed=1)
    quicken(nn.Sequential(layer))
    assert type(layer) is FastLinear
    found = layer(given[1])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    for output in (expected, found):
        (output * weights).sum().backward()
    assert given[0].grad is not None
    torch.testing.assert_close(given[1].grad, given[0].grad, rtol=1e-5, atol=1e-4)


@pytest.mark.usefixtures("on_amd")
def test_a_layer_that_is_trained_learns_as_ever() -> None:
    layer = nn.Linear(WIDTH, WORDS)
    quicken(nn.Sequential(layer))
    layer(drawn(512, WIDTH)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.bias.grad is not None


@pytest.mark.usefixtures("on_amd")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_another_precision_is_left_to_pytorch(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "lacks_bf16", lambda: False)
    given, weight = drawn(512, WIDTH).to(dtype), drawn(WORDS, WIDTH).to(dtype)
    assert torch.equal(multiplied(given, weight), nn.functional.linear(given, weight))


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("rows", [3, 64])
def test_a_cpu_that_lacks_bf16_multiplies_it_in_fp32(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "lacks_bf16", lambda: True)
    layer = nn.Linear(WIDTH, WORDS).bfloat16().requires_grad_(False)
    quicken(nn.Sequential(layer))
    assert type(layer) is FastLinear
    given = drawn(rows, WIDTH).bfloat16().requires_grad_()
    output, weights = layer(given), drawn(rows, WORDS, seed=1).bfloat16()
    (output * weights).sum().backward()
    wide = nn.functional.linear(given.detach().float(), layer.weight.float(), layer.bias.float())
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), wide, rtol=1e-2, atol=1e-2)
    assert given.grad is not None
    torch.testing.assert_close(given.grad.float(), weights.float() @ layer.weight.float(), rtol=1e-2, atol=5e-2)


@pytest.mark.usefixtures("on_older_amd")
def test_without_avx_512_the_projection_on_a_vocabulary_alone_is_handed_over() -> None:
    inner, vocabulary = nn.Linear(WIDTH, WORDS), nn.Linear(WIDTH, linear.VOCABULARY).requires_grad_(False)
    given = drawn(2, 3, WIDTH).requires_grad_()
    expected = vocabulary(given)
    quicken(nn.Sequential(inner, vocabulary))
    assert (type(inner), type(vocabulary)) == (nn.Linear, FastLinear)
    assert linear._is_for_onednn(given, vocabulary.weight)
    assert not linear._is_for_onednn(given[:1, :1], vocabulary.weight)
    assert not linear._is_for_onednn(expected, vocabulary.weight.T)
    torch.testing.assert_close(vocabulary(given), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("elsewhere")
def test_on_another_makers_processor_nothing_is_changed() -> None:
    layer = nn.Linear(WIDTH, WORDS)
    quicken(nn.Sequential(layer))
    assert type(layer) is nn.Linear


@pytest.mark.usefixtures("on_amd")
def test_the_starters_layers_are_handed_over_and_still_take_adapters() -> None:
    from studio.models import adapters

    recogniser = load("starter", "cpu")
    layers = [layer for layer in recogniser.model.modules() if isinstance(layer, nn.Linear)]
    assert {type(layer) for layer in layers} == {FastLinear}
    adapted = adapters.attach(recogniser, 4, 8, 0.0, "deep", seed=0)
    assert any(isinstance(layer, AdaptedLinear) for layer in adapted.model.modules())


@pytest.mark.parametrize("tokens", [1, 7, 300])
def test_the_loss_and_its_gradient_are_those_of_cross_entropy(tokens: int) -> None:
    projection = nn.Linear(WIDTH, WORDS, bias=False).requires_grad_(False)
    labels = torch.randint(WORDS, (tokens,), generator=torch.Generator().manual_seed(2))
    hidden = [drawn(tokens, WIDTH).requires_grad_() for _ in range(2)]
    expected = cross_entropy(projection(hidden[0]), labels, reduction="sum")
    found = summed_loss(hidden[1], projection, labels)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-4)
    (expected / tokens).backward()  # type: ignore[no-untyped-call]
    (found / tokens).backward()  # type: ignore[no-untyped-call]
    assert hidden[0].grad is not None
    torch.testing.assert_close(hidden[1].grad, hidden[0].grad, rtol=1e-5, atol=1e-7)


def test_an_adapter_on_the_projection_learns_too() -> None:
    base = nn.Sequential(nn.Linear(WIDTH, WORDS, bias=False))
    adapted = get_peft_model(base, LoraConfig(target_modules=["0"], r=2))  # type: ignore[arg-type]
    projection = adapted.get_submodule("base_model.model.0")
    summed_loss(drawn(3, WIDTH), projection, torch.tensor([1, 2, 3])).backward()  # type: ignore[no-untyped-call]
    gradients = [weight.grad for name, weight in adapted.named_parameters() if "lora_B" in name]
    assert gradients
    assert all(gradient is not None and gradient.any() for gradient in gradients)


def test_a_roomy_cache_holds_what_a_copying_one_holds() -> None:
    roomy, copying = GrowingLayerCache(), DynamicLayer()  # type: ignore[no-untyped-call]
    for number, tokens in enumerate([1, 1, 1, 5, 1, 1, 20, 1]):
        new = drawn(4, 2, tokens, 8, seed=number)
        if number == 4:
            roomy.crop(-3)
            copying.crop(-3)
        if number >= 6:  # two rows have ended
            new = new[:2]
        if number == 6:
            for layer in (roomy, copying):
                layer.batch_select_indices(torch.tensor([0, 3]))
        found, expected = roomy.update(new, -new), copying.update(new, -new)
        assert torch.equal(found[0], expected[0])
        assert torch.equal(found[1], expected[1])
        assert roomy.get_seq_length() == copying.get_seq_length()
