"""The contestants: the same job of three steps without work, done by this project and by its peers.

Each module has `prepare()` (its tables, there and empty), `submitter()` (a function that submits so many jobs, over
connections that are open already) and, where no command line of its own starts one, `work()` (one worker process, until
it is killed). They need nothing of this project: the peers live in a virtual environment of their own.
"""
