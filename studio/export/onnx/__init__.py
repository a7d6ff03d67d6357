"""Moonshine and Whisper as ONNX: graphs written from the weights, the layouts that programs look for, a runtime."""
