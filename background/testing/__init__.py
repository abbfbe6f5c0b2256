"""For tests of one's own: a pipeline without any server (`alone`), and the whole system with real ones (`stack`).

`plugin` makes pytest know both as the fixtures `run_pipeline` and `playground_stack`.
"""
