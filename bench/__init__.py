"""Benchmarks: each a ratio of two sides, measured alternately in one run. Never part of the tests."""
