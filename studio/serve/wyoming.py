"""The same model over the Wyoming protocol, which Home Assistant speaks: `studio serve --wyoming PORT`.

The protocol has no password, so beyond this computer only the addresses that a person names may ask. Its events:
github.com/OHF-Voice/wyoming.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import wave
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from socket import socket

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info
from wyoming.server import AsyncEventHandler

from studio.errors import ConfigError, DataError, StudioError, TooLargeError
from studio.models.language import language_of
from studio.serve.engine import Engine
from studio.version import __version__
from studio.web.security import is_loopback
from studio.workspace import disk_errors

LONGEST = 600  # seconds of one utterance
_LARGEST = 1 << 20  # bytes of one event: programs send some thousand at a time
_WIDTHS, _MOST_CHANNELS, _RATES = (2, 3, 4), 8, range(1_000, 400_000)  # bytes, channels, Hz
_NOBODY = Attribution(name="", url="")


def require_addresses(host: str, allowed: Iterable[str]) -> frozenset[str]:
    """`allowed`, as addresses compare. Raises ConfigError where one is not an address, or `host` is open to all."""
    try:
        found = frozenset(str(ip_address(each)) for each in allowed)
    except ValueError as error:
        raise ConfigError(f"--wyoming-from: {error}.", "Give an address such as 192.168.1.20.") from error
    if not found and not is_loopback(host):
        raise ConfigError(
            f"The Wyoming protocol has no password, and on {host} every computer could ask.",
            "Name those that may: --wyoming-from 192.168.1.20, the address of Home Assistant.",
        )
    return found


def listening(engine: Engine, listener: socket, allowed: frozenset[str]) -> AbstractAsyncContextManager[None]:
    """Answer on `listener` within the block: programs on this computer, and at the `allowed` addresses."""

    @asynccontextmanager
    async def until_closed() -> AsyncIterator[None]:
        loop, clients = asyncio.get_running_loop(), set[asyncio.Task[None]]()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            clients.add(task)
            try:
                if _may_ask(writer.get_extra_info("peername")[0], allowed):
                    await _Client(engine, reader, writer).run()
            finally:
                clients.discard(task)
                writer.close()

        server = await loop.create_server(lambda: asyncio.StreamReaderProtocol(_Reader(), serve), sock=listener)
        async with server:
            yield
            for client in clients:
                client.cancel()

    return until_closed()


def _may_ask(peer: str, allowed: frozenset[str]) -> bool:
    address = ip_address(peer.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback or str(address) in allowed


class _Reader(asyncio.StreamReader):
    """Of a client, which may announce any size."""

    async def readexactly(self, n: int) -> bytes:
        """Refuse what is no event of the protocol; the connection then ends."""
        if n > _LARGEST:
            raise ValueError(f"An event of {n} bytes is too large.")
        return await super().readexactly(n)


class _Client(AsyncEventHandler):
    """One connection: an utterance after the other."""

    def __init__(self, engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self._engine = engine
        self._wanted = Transcribe()
        self._utterance: _Utterance | None = None

    async def run(self) -> None:
        """Until either side hangs up, or what is sent is not of the protocol."""
        with suppress(ConnectionError, EOFError, AttributeError, LookupError, TypeError):
            await super().run()

    async def disconnect(self) -> None:
        """Leave nothing of an utterance that was not finished."""
        self._discard()

    async def handle_event(self, event: Event) -> bool:
        """Answer `event`; one that is not for speech recognition is passed over, as the protocol wants."""
        try:
            answer = await self._answered(event)
        except StudioError as error:
            self._discard()
            answer = Error(text=str(error), code=error.api_code).event()
        if answer:
            await self.write_event(answer)
        return True

    async def _answered(self, event: Event) -> Event | None:
        if Describe.is_type(event.type):
            return described(self._engine).event()
        if Transcribe.is_type(event.type):
            self._wanted = Transcribe.from_event(event)
            self._engine.known(self._wanted.name or "")
        elif AudioStart.is_type(event.type):
            self._discard()
            self._utterance = _Utterance(AudioStart.from_event(event))
        elif AudioChunk.is_type(event.type) and self._utterance:
            self._utterance.add(AudioChunk.from_event(event).audio)
        elif AudioStop.is_type(event.type) and self._utterance:
            return Transcript(text=await self._transcribed(self._utterance)).event()
        return None

    async def _transcribed(self, utterance: _Utterance) -> str:
        terms = [*(self._wanted.transcript_names or []), *(self._wanted.transcript_terms or [])]
        name, path = self._engine.known(self._wanted.name or ""), utterance.finished()
        try:
            return await asyncio.to_thread(self._engine.text, name, path, ", ".join(terms))
        finally:
            self._discard()

    def _discard(self) -> None:
        if self._utterance:
            self._utterance.discard()
        self._utterance = None


class _Utterance:
    """What is said, in a file that grows chunk by chunk."""

    def __init__(self, start: AudioStart) -> None:
        if start.width not in _WIDTHS or start.rate not in _RATES or not 0 < start.channels <= _MOST_CHANNELS:
            raise DataError(
                f"Sound of {start.rate} Hz, {start.width} bytes a sample and {start.channels} channels is not taken.",
                "Send 16,000 Hz, 2 bytes, 1 channel.",
            )
        self._most = LONGEST * start.rate * start.width * start.channels
        self._bytes = 0
        with disk_errors(Path(tempfile.gettempdir())):
            self._folder = Path(tempfile.mkdtemp(prefix="studio-"))
            self._path = self._folder / "utterance.wav"
            self._wave = wave.Wave_write(str(self._path))
        self._wave.setparams((start.channels, start.width, start.rate, 0, "NONE", ""))

    def add(self, samples: bytes) -> None:
        """Raises TooLargeError, DiskError."""
        self._bytes += len(samples)
        if self._bytes > self._most:
            raise TooLargeError(
                f"The utterance is longer than {LONGEST / 60:g} minutes.", "Send longer recordings as files."
            )
        with disk_errors(self._path):
            self._wave.writeframesraw(samples)

    def finished(self) -> Path:
        """The whole file. Raises DiskError."""
        with disk_errors(self._path):
            self._wave.close()
        return self._path

    def discard(self) -> None:
        """Delete it."""
        with suppress(OSError):
            self._wave.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def described(engine: Engine) -> Info:
    """The models that are served, the best first."""
    models = [
        AsrModel(
            name=name,
            description=name,
            attribution=_NOBODY,
            installed=True,
            version=None,
            languages=[language_of(engine.recogniser.source)],
        )
        for name in engine.names
    ]
    program = AsrProgram(
        name="speech-studio",
        description="Speech Studio",
        attribution=_NOBODY,
        installed=True,
        version=__version__,
        models=models,
    )
    return Info(asr=[program])
