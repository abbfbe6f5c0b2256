"""All SQL of jobs. A worker's: `work`, `transitions`, `recovery`, `turned_away`; a client's: `control`, `reads`."""
