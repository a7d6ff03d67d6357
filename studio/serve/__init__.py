"""A model for other programs: the part of OpenAI's transcription interface that dictation tools and scripts use.

POST /v1/audio/transcriptions    a sound file of any length as json, text, srt, vtt or verbose_json; stream=true
POST /v1/completions             typing corrected, where a typing run is served or --mend names one
GET /v1/models                   the run, and its base model

Loopback alone, unless there is a key. What is answered follows https://platform.openai.com/docs/api-reference/audio.
Names in `prompt`, with commas between them, are made likelier. `temperature` and `language` are accepted and change
nothing: reading is greedy, in the language of the model.
"""
