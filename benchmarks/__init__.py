"""The figures of `docs/benchmarks.md`: ``python -m benchmarks [NAME...]``, or ``make bench``.

Every figure is a ratio, or a time with a fixed limit, taken from repetitions that take turns with what it is compared
with (A B A B), in one run on one machine. `figures` has the words, `rig` the tools, `host` says which machine it was,
`page` writes the results down; every other module measures one thing or is a program that one of them starts.
"""
