"""Moonshine as packages of Core ML: written from plain modules, and checked by an interpreter where there is no Mac."""
