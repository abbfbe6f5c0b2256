"""The first release."""

from tests.acceptance.releases import pipeline

same = pipeline("same", ["take", "make", "send"], "first")
inserted = pipeline("inserted", ["take", "make", "send"], "first")
removed = pipeline("removed", ["take", "check", "send"], "first")
renamed = pipeline("renamed", ["take", "make", "send"], "first")
reordered = pipeline("reordered", ["take", "make", "send"], "first")
demanding = pipeline("demanding", ["take", "make", "send"], "first")
stricter = pipeline("stricter", ["take", "make", "send"], "first", fields={"note": (str, "")})
upgraded = pipeline("upgraded", ["take", "make", "send"], "first", fields={"amount": (int, 1)})
retired = pipeline("retired", ["take", "make", "send"], "first")
