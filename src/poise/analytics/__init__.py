"""Numerics: pure functions of arrays, each once as a batch and, where it can, as an update.

Nothing here knows of venues, bars or sockets. Kernels loop in a fixed order without BLAS and
without libm's transcendental functions, so every number is bit-identical on any machine.
"""
