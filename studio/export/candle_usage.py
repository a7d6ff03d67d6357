"""How an export for Kyutai's own runtimes is used: the lines for each of them."""

from __future__ import annotations

from pathlib import Path

from studio.models.claims import header
from studio.models.kyutai.candle_folder import PAUSE_HEADS, CandleFolder

_SERVER = """\
## Use it in moshi-server (Unmute)

Its configuration, `server.toml`; start it with `moshi-server worker --config server.toml`. A client ends a turn when a
pause head passes its threshold.

```toml
static_dir = "./static/"
log_dir = "./logs"
instance_name = "stt"
authorized_ids = ["public_token"]

[modules.asr]
path = "/api/asr-streaming"
type = "BatchedAsr"
lm_model_file = "{weights}"
text_tokenizer_file = "{tokenizer}"
audio_tokenizer_file = "{codec}"
asr_delay_in_tokens = {delay}
batch_size = 8
conditioning_learnt_padding = true
temperature = 0.0

[modules.asr.model]
audio_vocab_size = {audio}
text_in_vocab_size = {text_in}
text_out_vocab_size = {text_out}
audio_codebooks = {books}

[modules.asr.model.transformer]
d_model = {width}
num_heads = {heads}
num_layers = {layers}
dim_feedforward = {inner}
causal = true
norm_first = true
bias_ff = false
bias_attn = false
context = {context}
max_period = {period}
use_conv_block = false
use_conv_bias = true
gating = "silu"
norm = "RmsNorm"
positional_embedding = "Rope"
conv_layout = false
conv_kernel_size = 3
kv_repeat = 1
max_seq_len = 40960
{pauses}```
"""
_PAUSES = """
[modules.asr.model.extra_heads]
num_heads = {count}
dim = {classes}
"""
_PYTHON = """\
## Use it in Python, with moshi

`pip install moshi`, 0.2.6 or later.

```python
from moshi.models.loaders import CheckpointInfo

folder = {folder!r}
info = CheckpointInfo.from_hf_repo(
    "local",
    config_path=folder + "/config.json",
    moshi_weights=folder + "/{weights}",
    mimi_weights=folder + "/{codec}",
    tokenizer=folder + "/{tokenizer}",
)
mimi, model = info.get_mimi("cpu"), info.get_moshi("cpu")
```
"""
_LORA = """
The adapter alone, on the base model: give the base model's files instead, and
`config_path=folder + "/{lora}/config.json", lora_weights=folder + "/{lora}/lora.safetensors"`.
"""
_NO_LORA = """
The adapter alone is not here: it is DoRA, or holds whole layers other than the embeddings, which moshi does not load.
"""
_MLX = """\
## Use it in MLX, on a Mac

moshi_mlx reads the same file: its `stt_from_file_mlx.py` loads it with `load_pytorch_weights`.

```python
import json

import mlx.core as mx
from moshi_mlx import models

folder = {folder!r}
config = models.LmConfig.from_config_dict(json.load(open(folder + "/config.json")))
model = models.Lm(config)
model.set_dtype(mx.bfloat16)
model.load_pytorch_weights(folder + "/{weights}", config, strict=True)
```
"""
_FRAME_RATE = 12.5  # Hz


def usage_of(folder: Path, files: CandleFolder, lora: str) -> str:
    """Markdown for the export in `folder`, whose `files` may be elsewhere for the moment; `lora` is a folder in it."""
    names = {"weights": files.weights.name, "codec": files.codec.name, "tokenizer": files.tokenizer.name}
    python = _PYTHON.format(folder=str(folder), **names) + (_LORA.format(lora=lora) if lora else _NO_LORA)
    return "\n".join((_server(folder, files), python, _MLX.format(folder=str(folder), **names)))


def _server(folder: Path, files: CandleFolder) -> str:
    config = files.config
    heads = [shape for name, shape in header(files.weights).items() if name.startswith(PAUSE_HEADS)]
    return _SERVER.format(
        weights=folder / files.weights.name,
        tokenizer=folder / files.tokenizer.name,
        codec=folder / files.codec.name,
        delay=int(config.get("stt_config", {}).get("audio_delay_seconds", 0.5) * _FRAME_RATE),
        audio=config["card"] + 1,
        text_in=config["text_card"] + 1,
        text_out=config["text_card"],
        books=config["n_q"],
        width=config["dim"],
        heads=config["num_heads"],
        layers=config["num_layers"],
        inner=4 * config["dim"],  # which the server takes for “11/4 of the width, gated”, as stt-rs does
        context=config["context"],
        period=int(config["max_period"]),
        pauses=_PAUSES.format(count=len(heads), classes=heads[0][0]) if heads else "",
    )
