"""The only code that talks to the Hugging Face Hub: it copies a model into the Hub's cache, and uploads one."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.config import split_language
from studio.errors import ConfigError, DiskError, HubUnreachableError, ModelError, StudioError
from studio.faults import plain_reason
from studio.models.catalogue import TINY, locate
from studio.progress import OnProgress, unwatched

if TYPE_CHECKING:
    from tqdm import tqdm

# In the repository's root.
WANTED = ("model*.safetensors", "mimi*.safetensors", "*.json", "tokenizer*", "vocab*", "merges.txt")
_SPARE = 64 * 1024**2  # bytes: what a disk should keep free


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    size: int  # bytes


def fetch(hub_id: str, on_progress: OnProgress = unwatched) -> Path:
    """Download the model `hub_id`, such as UsefulSensors/moonshine-tiny, and return its folder.

    Only safetensors, JSON and tokenizer files are taken. `on_progress` counts bytes; a download that it stops continues
    at the next call. Where the Hub cannot be reached, Moonshine tiny comes from its makers' Python package: see
    `studio.models.makers_package`. Raises ModelError (unknown, closed, without safetensors, or no connection) and
    DiskError; each says what to do.
    """
    from studio.models import makers_package

    hub_id, _ = split_language(hub_id)
    try:
        return _from_hub(hub_id, on_progress)
    except HubUnreachableError as unreachable:
        if hub_id != TINY:
            raise
        try:
            return makers_package.fetch(on_progress)
        except ModelError as error:
            raise ModelError(f"{unreachable.what} {error.what}", error.remedy) from error


def _from_hub(hub_id: str, on_progress: OnProgress) -> Path:
    with _online(), _sentences(hub_id):
        revision, files = _listing(hub_id)
        _check_room(hub_id, files)
        _download(hub_id, revision, files, on_progress)
    return locate(hub_id)


def upload(hub_id: str, files: Mapping[str, Path | bytes], is_public: bool, on_progress: OnProgress = unwatched) -> str:
    """Put `files`, by their names there, into the repository `hub_id` in one commit, and return its address.

    A new repository is private unless `is_public`. `on_progress` counts bytes. Raises ConfigError where this computer
    has no token, ModelError where the Hub refuses it, HubUnreachableError.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not (token := get_token()):
        remedy = "Make one that may write, at huggingface.co/settings/tokens, then: hf auth login"
        raise ConfigError("There is no token for the Hub on this computer.", remedy)
    api = HfApi(token=token)
    parts = [CommitOperationAdd(name, file) for name, file in files.items()]
    total, done = sum(part.upload_info.size for part in parts), 0
    disable_progress_bars()  # of this process, which shows its own
    with _online(), _sentences(hub_id):
        try:
            address = api.create_repo(hub_id, private=not is_public, exist_ok=True)
            for part in parts:
                on_progress(done, total)
                api.preupload_lfs_files(hub_id, [part])  # small ones go with the commit
                done += part.upload_info.size
            api.create_commit(hub_id, parts, commit_message="From Speech Studio")
        except HfHubHTTPError as error:
            if error.response.status_code in (401, 403):
                owner = hub_id.partition("/")[0]
                raise ModelError(
                    f"The Hub refused to write to {hub_id}.", f"Use a token that may write for “{owner}”."
                ) from error
            raise
    on_progress(total, total)
    return str(address)


def _listing(hub_id: str) -> tuple[str, list[_File]]:
    """The newest revision and the files wanted of it, the small ones first."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(hub_id, files_metadata=True)
    found = [_File(item.rfilename, item.size or 0) for item in info.siblings or [] if _is_wanted(item.rfilename)]
    if not any(file.name.endswith(".safetensors") for file in found):
        raise ModelError(f"{hub_id} has no weights as safetensors.", "No other format is loaded: choose another model.")
    return str(info.sha), sorted(found, key=lambda file: file.size)


def _is_wanted(name: str) -> bool:
    return "/" not in name and any(fnmatch(name, pattern) for pattern in WANTED)


def _download(hub_id: str, revision: str, files: Sequence[_File], on_progress: OnProgress) -> None:
    from huggingface_hub import hf_hub_download

    total, before = sum(file.size for file in files), 0
    for file in files:
        hf_hub_download(hub_id, file.name, revision=revision, tqdm_class=_bar(on_progress, before, total))
        before += file.size
        on_progress(before, total)
    # Asked for by its branch, the revision becomes the one that `locate` finds.
    hf_hub_download(hub_id, "config.json", revision="main")


def _bar(on_progress: OnProgress, before: int, total: int) -> type[tqdm]:
    """A progress bar that draws nothing and reports the whole download's progress to `on_progress`.

    `before` is how many bytes the earlier files had.
    """
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.bytes = int(options.get("initial") or 0)
            super().__init__(*arguments, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            self.bytes += int(n or 0)
            on_progress(min(before + self.bytes, total), total)

    return Bar


def _check_room(hub_id: str, files: Sequence[_File]) -> None:
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    existing = next(folder for folder in (cache, *cache.parents) if folder.is_dir())
    needed, free = sum(file.size for file in files), shutil.disk_usage(existing).free
    if needed + _SPARE > free:
        raise _full(hub_id, f"{needed / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free")


def _full(hub_id: str, why: str) -> DiskError:
    return DiskError(f"There is no room for {hub_id}: {why}.", "Free some space, or set HF_HOME to another disk.")


@contextmanager
def _online() -> Iterator[None]:
    """Within the block, and only here, this process may ask the Hub.

    Its faster protocol (xet) stays off: only plain HTTP reports every byte and stops on request.
    """
    from huggingface_hub import constants

    was = constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_XET = False, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_XET = was


@contextmanager
def _sentences(hub_id: str) -> Iterator[None]:
    """Turn what the Hub, the network and the disk say into a sentence."""
    from huggingface_hub import errors

    page = f"https://huggingface.co/{hub_id}"
    try:
        yield
    except StudioError:
        raise
    except errors.GatedRepoError as error:
        raise ModelError(f"{hub_id} is available on request only.", f"Ask at {page}, then `hf auth login`.") from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise ModelError(f"The Hub has no model “{hub_id}”.", "Check the spelling: owner/name.") from error
    except errors.HfHubHTTPError as error:
        raise HubUnreachableError(f"The Hub refused {hub_id}: {error}", "Try again later.") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _full(hub_id, "the disk is full") from error
        raise _unreachable(hub_id, error) from error
    except Exception as error:
        if type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2", "requests"):
            raise _unreachable(hub_id, error) from error
        raise


def _unreachable(hub_id: str, error: Exception) -> HubUnreachableError:
    why = plain_reason(error)
    return HubUnreachableError(
        f"The Hub could not be reached for {hub_id}: {why}.",
        "Check the internet connection, then run the same command again: a download resumes.",
    )
