"""When each word of a label is said, in sound that is already known to say it.

aligning.align(recogniser, samples, text)   by where a decoder looks as it writes the text; without one, roughly
aligner.find(workspace)                     the Whisper on this disk
job.align_clips(…)                          the clips of a dataset, as one action that can be undone
"""
