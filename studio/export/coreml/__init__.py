"""Moonshine and Whisper as packages of Core ML, checked by an interpreter where there is no Mac."""
