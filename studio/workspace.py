"""Where things lie on disk, and how they are written so that no crash loses them."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from studio.errors import ConfigError, DataError, DiskError

ENVIRONMENT_VARIABLE = "STUDIO_WORKSPACE"
NAME = r"[\w][\w .\-]{0,63}"  # what a dataset, a run or a speaker may be called

_FREE_SPACE = "Free some space and try again; nothing else was lost."
_FULL = re.compile(
    "No space left on device|Disk quota exceeded"  # safetensors and others that pass the system's words on
    r"|\d+ requested and \d+ written"  # NumPy
    "|PytorchStreamWriter failed writing|inline_container.* unexpected pos"  # torch.save
)


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder that holds `recordings/` and `outputs/`."""

    root: Path
    disks: Mapping[str, int] | None = field(default=None, compare=False)  # where its folders were when it was held

    @classmethod
    def here(cls) -> Workspace:
        """`$STUDIO_WORKSPACE`, or the current directory. Raises ConfigError where that is no folder, DiskError."""
        with disk_errors(Path(os.environ.get(ENVIRONMENT_VARIABLE) or "."), "read"):
            root = resolved(Path(os.environ.get(ENVIRONMENT_VARIABLE) or Path.cwd()))
        if root.exists() and not root.is_dir():
            raise ConfigError(f"The workspace {root} is a file, not a folder.", "Name the folder of your recordings.")
        return cls(root)

    def held(self) -> Workspace:
        """This workspace for a page that stays open: refused, not begun again, once its folder or its disk is gone.

        Raises DiskError.
        """
        with disk_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            folders = {name: self.root / name for name in ("", "recordings", "outputs")}
            return Workspace(self.root, {name: at.stat().st_dev for name, at in folders.items() if at.is_dir()})

    def command(self, *words: str) -> str:
        """The command line `studio WORDS …` for a terminal; it names this workspace unless that is the folder here."""
        named = [] if self.root == Path.cwd() else ["--workspace", str(self.root)]
        return shlex.join(["studio", *named, *words])

    def lasting_dataset(self, name: str) -> str:
        """The dataset `name` as it stays true in another working directory: one of this workspace by its name."""
        return name if (self.recordings / name / "manifest.jsonl").is_file() else lasting_folder(name)

    def moved_along(self, folder: str) -> str:
        """The folder of a model as a run wrote it down; where it is gone, as it is since this workspace was moved.

        That is the folder below `root` whose path ends as that of `folder` does, the longest such end first.
        """
        if is_folder(folder):
            return folder
        at = Path(folder)
        ends = [at.parts[start:] for start in range(1, len(at.parts))] if at.is_absolute() else [at.parts]
        places = (self.root.joinpath(*end) for end in ends if ".." not in end)
        return next((str(place) for place in places if os.path.isfile(place / "config.json")), folder)  # noqa: PTH113

    @property
    def recordings(self) -> Path:
        return self._folder("recordings")

    @property
    def outputs(self) -> Path:
        return self._folder("outputs")

    @property
    def features(self) -> Path:
        """What models made of clips: it saves time, and may be deleted at any time."""
        return self._folder(".cache") / "features"

    @property
    def readings(self) -> Path:
        """What base models wrote for the clips of a run, and evaluations until they were stopped.

        It saves time, and may be deleted at any time.
        """
        return self._folder(".cache") / "readings"

    def _folder(self, name: str) -> Path:
        """`root / name`. Raises DiskError where this is no longer the workspace that was held."""
        disks = self.disks or {}
        for held in ("", name):
            if held in disks and not _is_on(self.root / held, disks[held], is_needed=not held):
                what = f"The workspace is no longer at {self.root}: it was moved, or its drive was removed."
                raise DiskError(what, "Put it back there, or start the studio again where it is now.")
        if (self.root / name).is_file():
            what = f"{self.root / name} is a file, where the studio needs a folder of that name."
            raise DiskError(what, "Move the file elsewhere, or use another workspace.")
        return self.root / name

    def dataset(self, name: str) -> Path:
        """The folder of the dataset `name`; it need not exist yet."""
        return self.recordings / checked_name(name)

    def run(self, name: str) -> Path:
        """The folder of the run `name`; it need not exist yet."""
        return self.outputs / checked_name(name)

    def datasets(self) -> list[str]:
        """Names of the datasets, sorted."""
        return _folders_with(self.recordings, "manifest.jsonl")

    def last_used(self) -> str | None:
        """The dataset that was written to last, if there is any."""

        def written(name: str) -> float:
            files = (self.recordings / name / file for file in ("manifest.jsonl", "journal.jsonl"))
            return max((file.stat().st_mtime for file in files if file.is_file()), default=0.0)

        return max(self.datasets(), key=written, default=None)

    def runs(self) -> list[str]:
        """Names of the runs, newest first."""
        names = _folders_with(self.outputs, "config.json")
        return sorted(names, key=lambda name: (self.outputs / name / "config.json").stat().st_mtime, reverse=True)


def _is_on(folder: Path, disk: int, *, is_needed: bool) -> bool:
    """Whether `folder` lies on `disk`; one that is not needed may be missing."""
    try:
        return folder.stat().st_dev == disk
    except FileNotFoundError:
        return not is_needed
    except OSError:  # a drive that is gone
        return False


def _folders_with(parent: Path, mark: str) -> list[str]:
    if not parent.is_dir():
        return []
    return sorted(folder.name for folder in parent.iterdir() if (folder / mark).is_file())


def lasting_folder(name: str) -> str:
    """`name` as it stays true in another working directory: a folder by its whole path, anything else as it is."""
    return str(expanded(name).resolve()) if is_folder(name) else name


def is_folder(name: str) -> bool:
    """Whether there is a folder `name`; ~ is expanded."""
    return os.path.isdir(expanded(name))  # noqa: PTH112  # Path's own fails on names that no file can have


def expanded(name: str | Path) -> Path:
    """`name` as a path, with ~ as a person's home; ~ before an unknown name stays as it is."""
    return Path(os.path.expanduser(name))  # noqa: PTH111  # Path's own fails there


def checked_name(name: str) -> str:
    """`name` if it can be a folder's name on every system.

    Raises ConfigError otherwise: names come from clients, and a name is never a path.
    """
    if not re.fullmatch(NAME, name) or name.endswith((".", " ")):
        raise ConfigError(
            f"“{name[:80]}” cannot be a name.",
            "Use up to 64 letters, digits, spaces, '.', '-' and '_', starting with a letter or digit.",
        )
    return name


def inside(root: Path, relative: str | Path) -> Path:
    """`root / relative`, made sure to lie within `root` after links are followed.

    Raises DataError where it points outside: manifests are shared, and a client's path is never trusted.
    """
    try:
        path, whole = resolved(root / relative), resolved(root)
    except OSError as error:
        raise DataError(f"{relative} in {root} cannot be followed: {error.strerror}.", "Delete it.") from error
    if not path.is_relative_to(whole):
        raise DataError(f"{relative} points outside {root}.", "Keep the clips inside the dataset folder.")
    return path


def resolved(path: Path) -> Path:
    """`path` after links are followed. Raises OSError, also where a link leads to itself."""
    try:
        return path.resolve()
    except RuntimeError as error:  # what Python 3.11 and 3.12 make of such a link
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from error


def check_plain(path: Path) -> None:
    """Raise DiskError where `path` is there and is no plain file: a link leads elsewhere, a pipe never ends."""
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        raise DiskError(f"{path} is not a plain file.", "Put the file itself there, or move what is there away.")


@contextmanager
def disk_errors(path: Path, doing: str = "write") -> Iterator[None]:
    """Turn what the file system says into a sentence about `path`."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise DiskError(f"The disk is full: {path} was not saved.", _FREE_SPACE) from error
        reason = error.strerror or str(error)
        raise DiskError(f"Could not {doing} {path}: {reason}.", "Check that the folder exists and is yours.") from error


def is_disk_full(error: BaseException) -> bool:
    """Whether `error` is one of the ways in which a full disk shows: libraries put it into words of their own."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return _FULL.search(str(error)) is not None


@contextmanager
def disk_errors_explained() -> Iterator[None]:
    """Turn what no `disk_errors` was near to catch into a sentence. A pipe that its reader closed passes."""
    try:
        yield
    except BrokenPipeError:
        raise
    except Exception as error:
        if is_disk_full(error):
            place = getattr(error, "filename", None)
            what = f"The disk is full: {place} was not saved." if place else "The disk is full."
            raise DiskError(what, _FREE_SPACE) from error
        if isinstance(error, OSError) and error.filename is not None:
            what = f"Could not use {os.fsdecode(error.filename)}: {error.strerror}."
            raise DiskError(what, "Check that it exists and is yours.") from error
        raise


def write_atomically(path: Path, content: bytes | str | Iterable[bytes]) -> None:
    """Replace `path` by `content` so that a reader, or a crash, sees the old file or the new one whole.

    Content that does not fit into memory comes in pieces. Raises DiskError, and then leaves the old file as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}"  # not mkstemp: it hides files from others
        try:
            with temporary.open("xb") as stream:
                stream.writelines([data] if isinstance(data, bytes) else data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def append_durably(path: Path, line: str) -> None:
    """Append `line` (without its newline) to `path`; when this returns it survives a power cut.

    A failed append leaves no half line behind. Raises DiskError.
    """
    data = line.encode() + b"\n"
    check_plain(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        with path.open("ab", buffering=0) as stream:
            start = stream.tell()
            try:
                written = 0
                while written < len(data):  # a disk that fills up takes a part first and only then refuses
                    written += stream.write(data[written:])
                os.fsync(stream.fileno())
            except BaseException:
                stream.truncate(start)
                raise
        if is_new:
            sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a new or replaced name in `folder` durable (a no-op where the system cannot)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
