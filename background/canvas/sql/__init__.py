"""All SQL of recorded runs: `runs`, `tasks` and `places` write, `reads` only reads, `recovery` finds what is lost."""
