"""All SQL of recorded runs: `runs` and `tasks` write, `reads` only reads, `recovery` finds what will not come."""
