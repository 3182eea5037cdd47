"""Measure the sections of scripts/bench.py, each in its own module."""
