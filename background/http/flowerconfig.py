"""Flower reads this file when it starts (`--conf`): `python -m background flower` names it."""

from background.http import flower

flower.guard()
