"""The command line: a client of the API, which knows nothing but its HTTP interface."""
