"""Benchmarks: ``bench_<question>.py``, each a program that answers one question with one printed table."""
