"""All SQL of recorded runs: `runs`, `tasks` and `places` write, `reads` only reads, `recovery` finds what is lost.

`letting_go` is for what a worker has begun and does not run any more.
"""
