"""Sound files are decoded to their end, from a path or from bytes, in bounded memory."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sounds import by_ffmpeg, encoded, recording, saved, tone

from studio.audio import blocks, inspect, length, loudest, read
from studio.audio import io as audio_io
from studio.audio.decoding import MOST_CHANNELS
from studio.audio.recording import Recording
from studio.data.formats.plan import ImportPlan
from studio.data.import_export.importing import import_data
from studio.data.manifest import Dataset
from studio.errors import AudioError
from studio.inference.longform.cutting import pieces
from studio.inference.transcribe import transcribe_list
from studio.ui.record import keep

VBR = {"t31": 31.0, "t150": 150.0, "quietfirst": 80.0}  # seconds
STREAMED = [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("FLAC", "PCM_16")]
MB = 1 << 20


def changed(wav: bytes, place: int, form: str, value: int) -> bytes:
    """`wav` with another number in its header."""
    return wav[:place] + struct.pack(form, value) + wav[place + struct.calcsize(form) :]


def without_a_length(flac: bytes) -> bytes:
    """`flac` as programs write it into a pipe: the 36 bits of its sample count are 0."""
    return flac[:21] + bytes([flac[21] & 0xF0, 0, 0, 0, 0]) + flac[26:]


@pytest.mark.parametrize("name", VBR)
def test_an_mp3_of_variable_rate_without_xing_has_the_length_that_decodes(cases: Path, name: str) -> None:
    path = cases / "mp3_vbr_without_xing" / f"{name}.vbr.mp3"
    for source in (path, path.read_bytes()):
        assert length(source) == pytest.approx(VBR[name], abs=0.11)
    decoded = sum(map(len, blocks(path, 16_000, 10.0)))
    assert decoded / 16_000 == pytest.approx(VBR[name], abs=0.11)
    assert max(piece.end for piece in pieces(path, 16_000)) > VBR[name] - 2


def test_such_an_mp3_is_imported_and_transcribed_whole(cases: Path, tmp_path: Path) -> None:
    source = cases / "mp3_vbr_without_xing" / "t31.vbr.mp3"
    saved(tmp_path / "in" / "a.mp3", source.read_bytes())
    saved(tmp_path / "in" / "a.txt", b"all that was said")
    dataset = Dataset.create(tmp_path / "mine")
    import_data(dataset, ImportPlan(paths=(tmp_path / "in",)))
    [clip] = dataset.utterances()
    assert clip.duration == pytest.approx(31.0, abs=0.11)
    assert length(dataset.clip_path(clip)) == pytest.approx(31.0, abs=0.11)
    [row] = transcribe_list([source], model="echo")["clips"]
    assert row["seconds"] == pytest.approx(31.0, abs=0.11)


@pytest.mark.parametrize(("form", "subtype"), STREAMED)
def test_joined_streams_are_read_to_the_end_of_the_last(form: str, subtype: str, tmp_path: Path) -> None:
    joined = b"".join(
        encoded(tone(seconds, pitch=pitch), 16_000, form, subtype) for seconds, pitch in ((3, 220), (2, 440))
    )
    for source in (joined, saved(tmp_path / "joined", joined)):
        assert length(source) == pytest.approx(5.0, abs=0.2)  # an MP3's second header decodes as a moment of silence
        wave = read(source)
        assert wave.duration == pytest.approx(length(source))
        last = wave.samples[-round(0.5 * wave.sample_rate) :]
        assert np.abs(np.fft.rfft(last))[1:].argmax() + 1 == pytest.approx(220, abs=2)  # 440 Hz in half a second


def test_a_joined_mp3_may_change_its_rate_and_channels() -> None:
    second = np.stack([tone(2.0, 44_100), tone(2.0, 44_100)], axis=1)
    joined = encoded(tone(3.0), 16_000, "MP3", "MPEG_LAYER_III") + encoded(second, 44_100, "MP3", "MPEG_LAYER_III")
    assert length(joined) == pytest.approx(5.0, abs=0.2)


def test_a_joined_ogg_that_changes_its_rate_is_refused_rather_than_cut() -> None:
    joined = encoded(tone(1.0), 16_000, "OGG", "VORBIS") + encoded(tone(1.0, 48_000), 48_000, "OGG", "VORBIS")
    with pytest.raises(AudioError, match="joined parts"):
        read(joined)


def test_a_flac_that_states_no_length_is_read() -> None:
    flac = encoded(tone(2.0), 16_000, "FLAC")
    assert length(without_a_length(flac)) == 2.0
    assert np.array_equal(read(without_a_length(flac)).samples, read(flac).samples)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_flac_decodes_to_exactly_its_samples(subtype: str) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (16_000, 2)).astype(np.float32)
    flac = encoded(noise, 16_000, "FLAC", subtype)
    exact = loudest(soundfile.read(io.BytesIO(flac), dtype="float32")[0])
    assert np.array_equal(read(flac).samples, exact)


def test_an_mp3_without_a_tag_is_the_same_by_path_and_as_bytes(tmp_path: Path) -> None:
    bare = encoded(tone(1.0), 16_000, "MP3", "MPEG_LAYER_III")
    assert bare[:2] in (b"\xff\xfb", b"\xff\xf3")
    tagged = b"ID3\x03\0\0\0\0\0\x14TIT2\0\0\0\x0a\0\0\0caf\xe9 \xff\xfe\xd8\x00" + bare
    late = b"\0" * 417 + bare
    for content in (bare, tagged, late):
        for source in (content, saved(tmp_path / "sound", content), saved(tmp_path / "a.mp3", content)):
            assert read(source).duration == pytest.approx(1.0, abs=0.12)  # frames are whole
            assert inspect(source).peak_db == pytest.approx(-10.5, abs=1)


@pytest.mark.parametrize("form", STREAMED)
def test_a_part_of_a_compressed_file_is_that_part(form: tuple[str, str]) -> None:
    content = encoded(np.concatenate([tone(2.0, pitch=220), tone(2.0, pitch=880)]), 16_000, *form)
    whole, part = read(content), read(content, offset=1.5, duration=1.0)
    rate = whole.sample_rate
    assert np.array_equal(part.samples, whole.samples[round(1.5 * rate) : round(2.5 * rate)])


@pytest.mark.parametrize("rate", [0, 1, 100, 3_999, 400_000, 2**31 - 1])
def test_a_rate_that_no_recording_has_is_refused_with_it(rate: int) -> None:
    content = changed(encoded(tone(), 16_000), 24, "<I", rate)
    for look in (read, inspect, length):
        with pytest.raises(AudioError):
            look(content)
    if rate:
        with pytest.raises(AudioError, match=f"sample rate of {rate:,} Hz"):
            read(content, 16_000)


def test_more_channels_than_any_recorder_has_are_refused() -> None:
    content = encoded(np.zeros((100, MOST_CHANNELS + 1), np.float32), 16_000)
    with pytest.raises(AudioError, match=f"{MOST_CHANNELS + 1} channels"):
        read(content)


@pytest.fixture(scope="module")
def hour() -> bytes:
    """Half a megabyte that decodes to 691 MB."""
    return encoded(np.zeros(48_000 * 3600, np.float32), 48_000, "FLAC")


@pytest.mark.parametrize(
    "use",
    [
        read,
        inspect,
        Recording.of,
        lambda content: Dataset.create(Path("unused")).add(content, text="yes"),
    ],
    ids=["read", "inspect", "checked", "add"],
)
def test_an_hour_in_half_a_megabyte_takes_no_more_memory_than_a_clip(
    hour: bytes, use: Callable[[bytes], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tracemalloc.start()
    try:
        if use is inspect:
            assert inspect(hour).is_longer
        else:
            with pytest.raises(AudioError, match="more than 2 min"):
                use(hour)
        assert tracemalloc.get_traced_memory()[1] < 60 * MB
    finally:
        tracemalloc.stop()


@pytest.mark.thorough
def test_many_channels_at_a_high_rate_are_bounded_together() -> None:
    silence = encoded(np.zeros((192_000 * 60, 8), np.float32), 192_000, "FLAC")
    loud = encoded(np.zeros((384_000 * 9, 32), np.float32), 384_000)
    assert inspect(silence).duration == 60
    with pytest.raises(AudioError, match="more than 8 s"):
        read(loud)


def test_a_take_is_decoded_once_on_its_way_into_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded, opened = [], audio_io.opened
    monkeypatch.setattr(audio_io, "opened", lambda *source, **part: decoded.append(source) or opened(*source, **part))
    clip, _ = keep(Dataset.create(tmp_path / "mine"), recording(seconds=1.0), "yes", "yes", "")
    assert (clip.text, clip.duration) == ("yes", 1.0)
    assert len(decoded) == 1


FFMPEG = [  # what phones, messengers and meetings make: suffix, FFmpeg's format, its codec, whether there is a picture
    (".m4a", "ipod", "aac", False),
    (".mp4", "mp4", "aac", True),
    (".mov", "mov", "pcm_s16le", True),
    (".3gp", "3gp", "aac", False),
    (".aac", "adts", "aac", False),
    (".webm", "webm", "libopus", False),
    (".mkv", "matroska", "libopus", True),
    (".wma", "asf", "wmav2", False),
    (".ac3", "ac3", "ac3", False),
    (".amr", "amr", "libopencore_amrnb", False),
    (".wv", "wv", "wavpack", False),
]


@pytest.mark.parametrize(("suffix", "form", "codec", "has_picture"), FFMPEG, ids=[row[0] for row in FFMPEG])
def test_what_phones_and_meetings_record_is_read_by_path_as_bytes_and_on_import(
    suffix: str, form: str, codec: str, has_picture: bool, tmp_path: Path
) -> None:
    rate = 8_000 if form == "amr" else 48_000
    content = by_ffmpeg(tone(1.0, rate, pitch=440.0), rate, form, codec, has_picture=has_picture)
    path = saved(tmp_path / "calls" / f"call{suffix}", content)
    wave = read(path, 16_000)
    assert wave.duration == pytest.approx(1.0, abs=0.06)
    spectrum = np.abs(np.fft.rfft(wave.samples[4_000:12_000]))
    assert np.argmax(spectrum) * 2 == pytest.approx(440, abs=4)
    assert np.array_equal(read(content, 16_000).samples, wave.samples)
    path.with_suffix(".txt").write_text("a tone")
    report = import_data(Dataset.create(tmp_path / "set"), ImportPlan([path.parent]))
    assert (report.added, report.listed) == (1, [])


@pytest.mark.parametrize(("suffix", "form", "codec", "has_picture"), FFMPEG, ids=[row[0] for row in FFMPEG])
def test_what_is_cut_off_or_damaged_is_one_sentence_by_path_and_as_bytes(
    suffix: str, form: str, codec: str, has_picture: bool, tmp_path: Path
) -> None:
    rate = 8_000 if form == "amr" else 48_000
    whole = by_ffmpeg(tone(1.0, rate, pitch=440.0), rate, form, codec, has_picture=has_picture)
    for number, size in enumerate((8, 40, 200, len(whole) // 2)):
        path = saved(tmp_path / f"cut{number}{suffix}", whole[:size])
        for source in (path, path.read_bytes()):
            said = refusal_of(source)
            assert "Error number" not in said
            assert "not recognised" not in said or suffix == ".aac" or size == 8, said


def refusal_of(source: Path | bytes) -> str:
    """Why it cannot be read; empty where it can."""
    try:
        inspect(source)
    except AudioError as error:
        return str(error)
    return ""


def test_a_film_whose_sound_track_is_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    whole = by_ffmpeg(tone(1.0, 48_000), 48_000, "mp4", "aac")
    damaged = whole.replace(b"mp4a", b"x4y!").replace(b"esds", b"x4y!")
    for source in (saved(tmp_path / "call.mp4", damaged), damaged):
        with pytest.raises(AudioError, match="sound track is damaged, or of a kind that is not known"):
            inspect(source)


def test_a_damaged_wma_that_leads_before_its_start_is_one_sentence_by_path_too(tmp_path: Path) -> None:
    chance = np.random.default_rng(5)
    whole = by_ffmpeg(tone(1.0, 48_000), 48_000, "asf", "wmav2")
    for number in range(30):
        data = bytearray(whole)
        for place in chance.integers(0, len(data), len(data) // 50):
            data[place] = chance.integers(256)
        path = saved(tmp_path / f"noise{number}.wma", bytes(data))
        with suppress(AudioError):
            inspect(path)


def test_packets_without_any_sound_end_after_a_bounded_number() -> None:
    began = time.process_time()
    with pytest.raises(AudioError):
        Recording.of(b"#!AMR\n" + b"\x7c" * 1_000_000)
    assert time.process_time() - began < 20
