"""Exact mathematics of piecewise-linear programs: numbers, programs, regions, polytopes."""
