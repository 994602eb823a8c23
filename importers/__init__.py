"""Readers of model files: they turn what exporters write into exact programs."""
