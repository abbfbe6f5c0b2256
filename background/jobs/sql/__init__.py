"""All SQL of jobs.

A worker's: `work`, `transitions`, `effects`, `logs`, `turned_away`; its upkeep's: `recovery`, `rekeying`, `rewinding`.
A client's: `control`, `unique`, `reads`, `finding`, `history`. Of both: `limits`. `parts` are those that several have.
"""
