"""Runs: the folder of one, its log of events, and its process, followed and stopped through files in that folder.

Nothing is remembered in memory: the page and the command line see the same runs, and killing either loses nothing.
Where a run is going on, others wait their turn in `studio.runs.queue`.
"""
