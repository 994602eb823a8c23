"""Tests of the readers of model files."""
