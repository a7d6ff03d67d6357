"""Recordings longer than a model takes: cut at silences, transcribed in batches, saved with timestamps.

cutting.pieces(path, 16_000)                    the speech, in pieces that a model takes whole
reading.Reading(recogniser, path).segments()    what was said, piece by piece, as it is read
reading.read_file(reading, {Path("x.srt"): "srt"})
"""
