"""Tests of the facade: inputs, boxes, decisions, results, reports, pictures."""
