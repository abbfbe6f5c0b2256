"""What kind of answer a client would rather have: the `Accept` header, as RFC 9110, 12.5.1 reads it."""

from starlette.datastructures import Headers

HTML = "text/html"
JSON = "application/json"


def prefers_html(asked: Headers) -> bool:
    """Whether a page is more welcome than JSON, as it is to a browser. Who takes anything (`*/*`) gets JSON."""
    ranges = [each for value in asked.getlist("accept") for each in value.lower().split(",")]
    return _quality(ranges, HTML) > _quality(ranges, JSON)


def _quality(ranges: list[str], kind: str) -> float:
    """How welcome a type is, from 0 to 1: what the most particular range says that fits it, 0 where none does."""
    best, found = 0, 0.0
    for each in ranges:
        name, *parameters = (part.strip() for part in each.split(";"))
        rank = {kind: 3, f"{kind.partition('/')[0]}/*": 2, "*/*": 1}.get(name, 0)
        if rank > best:
            best, found = rank, _q(parameters)
    return found


def _q(parameters: list[str]) -> float:
    """The `q` of a range; one that is no number from 0 to 1 says nothing, so the range counts for nothing."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                return 0.0
            return quality if 0 <= quality <= 1 else 0.0
    return 1.0
