"""How lists lead to their next page."""

from fastapi import Request, Response


def link_next(request: Request, response: Response, **where: int | str) -> None:
    """Set the `Link` header (RFC 8288) to the same request, continued at this place."""
    response.headers["Link"] = f'<{request.url.include_query_params(**where)}>; rel="next"'
