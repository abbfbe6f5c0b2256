"""Flower reads this file where it is started by hand, in this directory."""

import background.http.flowerconfig  # noqa: F401  (it does it all)
