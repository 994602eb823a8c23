"""Bounds of a program over a box: what no input in it can do, whatever regions the box meets.

It knows programs, domains and enclosures, and nothing of regions, files or people. Floats compute, and every bound is
rounded outwards, so that what is returned holds in exact arithmetic. Read ``relax`` (a ``Max`` between two linear
functions), ``bound`` (functionals of the outputs over a ball, backwards), ``radius`` (how far a decision holds).
"""
