"""Flower reads this file when it starts, however it is started here."""

from background.serving import flower

flower.guard()
