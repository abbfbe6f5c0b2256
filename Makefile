# Each target is the command of run.py with the same name; more words: make test ARGS="-k jobs"
PYTHON ?= python3
COMMANDS = demo up setup test lint pack bench chaos fuzz coverage docs audit lock

help:
	@$(PYTHON) run.py --help

$(COMMANDS):
	@$(PYTHON) run.py $@ $(ARGS)

.PHONY: help $(COMMANDS)
