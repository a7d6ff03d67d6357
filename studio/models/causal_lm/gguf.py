"""A GGUF file, as llama.cpp uses them, made a model folder: transformers computes its weights back to fp32 once.

An export of the studio says in its metadata what other programs have no name for: how the model is asked, and whether
a list of words lies next to the file.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

from studio.errors import ModelError
from studio.models import typists
from studio.models.causal_lm import word_list
from studio.models.folders import written_whole
from studio.models.pretrained import without_bars
from studio.workspace import disk_errors

ENDS = "studio.typing.ends"  # the ids that end an answer; llama.cpp knows one
TEMPLATE = "studio.typing.template"  # config.json's `typing`, as JSON
WORDS = "studio.typing.words"  # whether `words.txt` lies next to the file
TOKENIZER = "tokenizer.huggingface.json"  # tokenizer.json, by the name that GGUF's specification has for it
_SPECIAL = {"bos_token": "bos_token_id", "eos_token": "eos_token_id", "pad_token": "padding_token_id"}


def unpack(path: Path, folder: Path) -> Path:
    """Write the model in the GGUF file `path` into `folder`, as safetensors with its tokenizer; whole or not at all.

    Raises ModelError where the file is none, the package `gguf` is missing, or transformers does not know its kind,
    and DiskError.
    """
    model, facts = read(path)
    with _readable(path):
        tokenizer = _tokenizer(path, facts)
    with without_bars(), written_whole(folder) as temporary:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        for words in (path.parent / word_list.FILE, path.parent / typists.FILE):
            if facts.get(WORDS) and words.is_file():
                shutil.copy2(words, temporary / words.name)
    return folder


def read(path: Path) -> tuple[Any, Mapping[str, Any]]:
    """The network in the GGUF file `path`, in fp32 and eval mode, and the file's metadata. Raises ModelError."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with disk_errors(path, "read"), path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise ModelError(f"{path} is not a GGUF file.", "Choose a file whose name ends in .gguf.")
    with _readable(path):
        facts = _metadata(path)
        config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
        width = facts.get(f"{facts['general.architecture']}.attention.key_length")
        if width and hasattr(config, "head_dim"):  # transformers reads it of some families alone
            config.head_dim = width
        if width and hasattr(config, "query_pre_attn_scalar"):  # llama.cpp has no name for Gemma 3's, which is that
            config.query_pre_attn_scalar = width
        model: Any = AutoModelForCausalLM.from_pretrained(
            path.parent, config=config, gguf_file=path.name, local_files_only=True, dtype=torch.float32
        )
    model.hf_quantizer = None  # the weights are fp32 by now, and what says otherwise keeps them from being saved
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    if TEMPLATE in facts:
        model.config.typing = json.loads(facts[TEMPLATE])
    if ENDS in facts:
        ends = list(facts[ENDS])
        model.config.eos_token_id = ends[0] if len(ends) == 1 else ends
    return model.eval(), facts


def _tokenizer(path: Path, facts: Mapping[str, Any]) -> Any:
    """The one that the file holds whole, or what transformers makes of llama.cpp's tokens and merges."""
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if TOKENIZER not in facts:
        tokenizers: Any = AutoTokenizer
        return tokenizers.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    whole = Tokenizer.from_str(facts[TOKENIZER])
    ids = {name: facts.get(f"tokenizer.ggml.{key}") for name, key in _SPECIAL.items()}
    special = {name: whole.id_to_token(number) for name, number in ids.items() if number is not None}
    return PreTrainedTokenizerFast(tokenizer_object=whole, clean_up_tokenization_spaces=False, **special)


def _metadata(path: Path) -> dict[str, Any]:
    """The file's facts by their names, but for the long lists of its tokens."""
    from gguf import GGUFReader

    fields = GGUFReader(path).fields.items()
    lists = ("tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.ggml.token_type", "tokenizer.ggml.scores")
    return {name: field.contents() for name, field in fields if name not in lists}


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Within the block what fails is a ModelError about the file `path`."""
    try:
        with without_bars(), redirect_stderr(io.StringIO()):  # one bar of transformers' cannot be switched off
            yield
    except ImportError as error:
        raise ModelError("Reading GGUF files needs a package.", "Install it: pip install gguf") from error
    except Exception as error:  # as in `pretrained`
        raise ModelError(
            f"{path} cannot be read by transformers: {type(error).__name__}.", "Use safetensors."
        ) from error
