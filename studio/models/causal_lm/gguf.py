"""A GGUF file, as llama.cpp uses them, made a model folder: transformers computes its weights back to fp32 once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.errors import ModelError
from studio.models.folders import written_whole
from studio.models.pretrained import without_bars


def unpack(path: Path, folder: Path) -> Path:
    """Write the model in the GGUF file `path` into `folder`, as safetensors with its tokenizer; whole or not at all.

    Raises ModelError where the file is none, the package `gguf` is missing, or transformers does not know its kind.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizers: Any = AutoTokenizer
    with path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise ModelError(f"{path} is not a GGUF file.", "Choose a file whose name ends in .gguf.")
    given = {"gguf_file": path.name, "local_files_only": True}
    try:
        with without_bars():
            model: Any = AutoModelForCausalLM.from_pretrained(path.parent, **given)
            tokenizer = tokenizers.from_pretrained(path.parent, **given)
    except ImportError as error:
        raise ModelError("Reading GGUF files needs a package.", "Install it: pip install gguf") from error
    except Exception as error:  # as in `pretrained`
        raise ModelError(
            f"{path} cannot be read by transformers: {type(error).__name__}.", "Use safetensors."
        ) from error
    model.hf_quantizer = None  # the weights are fp32 by now, and what says otherwise keeps them from being saved
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    with without_bars(), written_whole(folder) as temporary:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
    return folder
