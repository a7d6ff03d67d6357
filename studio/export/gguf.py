"""The target “gguf”: one file for llama.cpp and what is built on it, of a model that corrects typing."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError
from studio.export import gguf_tokens
from studio.export.prompt import TYPED, Prompt
from studio.export.reference import Reference
from studio.export.targets import Runtime
from studio.models import Recogniser, load, typists
from studio.models.active_adapter import BASE
from studio.models.causal_lm import gguf as reading
from studio.models.causal_lm import word_list
from studio.models.causal_lm.template import Template
from studio.progress import OnProgress

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGUFWriter
    from numpy.typing import NDArray

FILE = "model.gguf"
_TOKENIZER = "tokenizer.json"
_ARCHITECTURES: Mapping[str, str] = MappingProxyType(
    {"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma3_text": "gemma3"}
)
"""llama.cpp's name for each family."""
_GEMMAS_PATTERN = 6  # in llama.cpp each sixth layer of Gemma 3 is global, with attention to all tokens
_GEMMAS_LOCAL_THETA = 10_000.0  # and the RoPE base of its local layers is this
_KINDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"f16": ("F16", "MOSTLY_F16"), "q8_0": ("Q8_0", "MOSTLY_Q8_0")}
)
"""By precision: how matrices are kept, and what the file as a whole is called. Vectors are F32."""
_BLOCK = 32  # values that share a scale in Q8_0: a row is a whole number of them, or F16
_MOST_POSITIONS = 2048  # that the lines on the card make room for
_USAGE = """## Use it in llama.cpp

```sh
llama-completion -m {quoted} -p {asked} -n 100 --temp 0 -no-cnv --no-display-prompt
```

{exact}

## Use it in Python, with llama.cpp

`pip install llama-cpp-python tokenizers`, then:

```python
from llama_cpp import Llama
from tokenizers import Tokenizer

folder = {folder!r}
tokenizer = Tokenizer.from_file(f"{{folder}}/tokenizer.json")
tokenizer.encode_special_tokens = True  # whatever was typed is text
model = Llama(f"{{folder}}/{file}", n_ctx={positions}, verbose=False)

typed = {typed!r}
ids = [*{before}, *tokenizer.encode(f" {{typed}}", add_special_tokens=False).ids, *{between}]
answer = []
for token in model.generate(ids, temp=0.0):
    if token in {ends} or len(answer) == 2 * len(ids) + 16:
        break
    answer.append(token)
print(tokenizer.decode(answer).strip())
```

{left_out}
"""
_EXACT = "llama.cpp splits text into the tokens that this model was trained on."
_INEXACT = """llama.cpp has no rule that splits text just as this model's tokenizer does. Most text gets the right
tokens; words with accents, and contractions that are not in the vocabulary, get others. Where that matters, split the
text with `tokenizer.json` and give llama.cpp the ids, as the lines for Python do; llama-server takes them as `prompt`
too."""


class Gguf:
    """`model.gguf`, the tokenizer and the list of words next to it."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """Write the file. Raises ModelError where llama.cpp has no name for what the model does, DiskError."""
        from gguf import GGUFWriter

        recogniser = load(merged, "cpu")
        _check(recogniser.model.config)
        tokenizer = recogniser.processor.backend_tokenizer.to_str()  # as transformers' class for the model corrects it
        settings = json.loads(tokenizer)
        writer = GGUFWriter(out / FILE, _ARCHITECTURES[recogniser.family.name])
        try:
            _add_facts(writer, recogniser.model.config, precision)
            _add_tokenizer(writer, recogniser, settings)
            writer.add_string(reading.TOKENIZER, tokenizer)
            writer.add_bool(reading.WORDS, (merged / word_list.FILE).is_file())
            tensors = list(_tensors(recogniser, _KINDS[precision][0]))
            for done, tensor in enumerate(tensors):
                progress(done, len(tensors))
                writer.add_tensor(tensor.name, tensor.packed, raw_dtype=tensor.kind)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()
        (out / _TOKENIZER).write_text(tokenizer, encoding="utf-8")
        for name in (word_list.FILE, typists.FILE):
            if (merged / name).is_file():
                shutil.copy2(merged / name, out / name)
        Prompt.of(recogniser).write(out)
        progress(len(tensors), len(tensors))

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """The file in llama.cpp where llama-cpp-python is installed; else read back by transformers."""
        if find_spec("llama_cpp"):
            from studio.export.llama_cpp import LlamaCpp
            from studio.export.typed import TypedRuntime

            positions = reference.recogniser.model.config.max_position_embeddings
            return TypedRuntime(LlamaCpp(folder / FILE, positions, reference.threads), reference)
        model, _ = reading.read(folder / FILE)
        typists.meet(model, typists.of(reference.recogniser.model), BASE)
        return Reference(replace(reference.recogniser, model=model), reference.threads)

    def usage(self, folder: Path, files: Path) -> str:
        """The lines for llama.cpp, alone and from Python, and what they leave out."""
        prompt, path = Prompt.read(files), str(folder / FILE)
        asked = prompt.around(TYPED).replace("\n", "\\n")
        split = gguf_tokens.splitting(json.loads((files / _TOKENIZER).read_text(encoding="utf-8")))
        positions = min(prompt.positions, _MOST_POSITIONS)
        return _USAGE.format(
            **prompt.lines, quoted=shlex.quote(path), asked=shlex.quote(asked), folder=str(folder), file=FILE,
            exact=_EXACT if split.is_exact else _INEXACT, positions=positions, left_out=prompt.left_out,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Tensor:
    """One tensor of the file."""

    name: str  # llama.cpp's
    packed: NDArray[np.generic]
    kind: Any  # gguf.GGMLQuantizationType


def _check(config: Any) -> None:
    """Raise ModelError for what the file's metadata does not say here."""
    scaling = _rope(config).get("rope_type", "default")
    if scaling != "default":
        raise ModelError(
            f"The model scales its positions ({scaling}), which is not written for llama.cpp here.",
            "Export it to another target.",
        )
    if config.model_type == "gemma3_text" and (other := next(_unlike_gemma(config), "")):
        raise ModelError(
            f"llama.cpp computes a Gemma 3 as its makers published it; this one has another {other}.",
            "Export it to another target.",
        )


def _rope(config: Any) -> Mapping[str, Any]:
    """RoPE settings of the global layers, which in most models are all."""
    found: Mapping[str, Any] = config.rope_parameters or {}
    layers: Mapping[str, Any] = found.get("full_attention", found)
    return layers


def _unlike_gemma(config: Any) -> Iterator[str]:
    """The settings that differ from those which llama.cpp has in its code for Gemma 3."""
    layers = range(1, config.num_hidden_layers + 1)
    if config.layer_types != [f"{'sliding' if layer % _GEMMAS_PATTERN else 'full'}_attention" for layer in layers]:
        yield "pattern of layers"
    local = config.rope_parameters["sliding_attention"]
    if (local.get("rope_type", "default"), local["rope_theta"]) != ("default", _GEMMAS_LOCAL_THETA):
        yield "RoPE base of its local layers"
    if config.query_pre_attn_scalar != config.head_dim:
        yield "scale of attention"
    if config.attn_logit_softcapping or config.final_logit_softcapping or config.attention_bias:
        yield "attention or last layer"


def _add_facts(writer: GGUFWriter, config: Any, precision: str) -> None:
    """The network's shape, by llama.cpp's names."""
    from gguf import GGML_QUANT_VERSION, LlamaFileType

    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_name("Typing correction")
    writer.add_file_type(LlamaFileType[_KINDS[precision][1]])
    writer.add_quantization_version(GGML_QUANT_VERSION)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(_rope(config)["rope_theta"])
    if config.model_type == "gemma3_text":
        writer.add_sliding_window(config.sliding_window)


def _add_tokenizer(writer: GGUFWriter, recogniser: Recogniser, settings: Mapping[str, Any]) -> None:
    """Tokens and special ids by the tokenizer.json `settings`, and how the model is asked. Raises ModelError."""
    tokenizer, config, split = recogniser.processor, recogniser.model.config, gguf_tokens.splitting(settings)
    found = list(gguf_tokens.tokens(tokenizer, config.vocab_size, split))
    ends = Template.of(config, tokenizer).ends
    writer.add_tokenizer_model(split.model)
    writer.add_tokenizer_pre(split.name)
    if split.model == "llama":
        writer.add_token_scores(gguf_tokens.scores(settings, tokenizer, config.vocab_size))
        writer.add_add_space_prefix(False)
    else:
        writer.add_token_merges(gguf_tokens.merges(settings))
    writer.add_token_list([token.text for token in found])
    writer.add_token_types([token.kind for token in found])
    writer.add_eos_token_id(ends[0])
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    if len(ends) > 1:
        writer.add_eot_token_id(ends[1])
    begins = tokenizer("").input_ids
    writer.add_add_bos_token(tokenizer.bos_token_id is not None and tokenizer.bos_token_id in begins)
    writer.add_add_eos_token(False)
    writer.add_array(reading.ENDS, list(ends))
    if own := getattr(config, "typing", None):
        writer.add_string(reading.TEMPLATE, json.dumps(own))


def _tensors(recogniser: Recogniser, matrices: str) -> Iterator[_Tensor]:
    """Every weight under llama.cpp's name, packed. Tied output weights are the embeddings, and not written twice."""
    from gguf import MODEL_ARCH, GGMLQuantizationType, get_tensor_name_map, quantize

    model, config = recogniser.model, recogniser.model.config
    architecture = _ARCHITECTURES[recogniser.family.name]
    names = get_tensor_name_map(MODEL_ARCH[architecture.upper()], config.num_hidden_layers)
    turned = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, parameter in model.named_parameters():  # without tied ones
        renamed, values = names.get_name(name, (".weight", ".bias")), parameter.detach().float().numpy()
        part = name.split(".")[-2]
        if recogniser.family.name == "llama" and part in turned:
            values = _turned(values, turned[part])
        if architecture == "gemma3" and name.endswith("norm.weight"):
            values = values + 1  # Gemma's are how far they are from 1
        kind = GGMLQuantizationType.F32
        if values.ndim > 1:
            fits = values.shape[-1] % _BLOCK == 0
            kind = GGMLQuantizationType[matrices if fits else "F16"]
        yield _Tensor(str(renamed), quantize(values, kind), kind)


def _turned(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of a head in llama.cpp's order for rotary positions: neighbours turn together, here halves do."""
    parts = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return parts.swapaxes(1, 2).reshape(values.shape)
