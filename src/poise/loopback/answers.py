"""What a REST request gets back, and the errors the venue's documentation lists."""

from typing import NamedTuple

import msgspec


class Answer(NamedTuple):
    """Status, headers and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes


JSON_HEADERS = {"Content-Type": "application/json;charset=UTF-8"}
HTML_HEADERS = {"Content-Type": "text/html"}
BAD_GATEWAY = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>"
)


class ApiError(Exception):
    """An error answer `{"code":...,"msg":...}`."""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(message)


def json_answer(value: object, headers: dict[str, str] | None = None) -> Answer:
    """Answer 200 with JSON."""
    return Answer(200, JSON_HEADERS | (headers or {}), msgspec.json.encode(value))


def error_answer(error: ApiError, headers: dict[str, str] | None = None) -> Answer:
    """Answer an error as the venue writes it."""
    body = msgspec.json.encode({"code": error.code, "msg": error.message})
    return Answer(error.status, JSON_HEADERS | (headers or {}), body)


def missing(name: str) -> ApiError:
    """Return the error for a parameter that is absent or not a number where one belongs."""
    return ApiError(
        400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


INVALID_SYMBOL = (400, -1121, "Invalid symbol.")
INVALID_INTERVAL = (400, -1120, "Invalid interval.")
BAD_COMBINATION = (400, -1128, "Combination of optional parameters invalid.")
WINDOW_TOO_LONG = (400, -1127, "More than 1 hours between startTime and endTime.")
BAD_DEPTH_LIMIT = (400, -4021, "Invalid depth limit: only 5, 10, 20, 50, 100, 500, 1000 allowed.")
BAD_KEY = (401, -2014, "API-key format invalid.")
TOO_MUCH_WEIGHT = (
    429,
    -1003,
    (
        "Too many requests; current limit of IP is 2400 requests per minute. "
        "Please use the websocket for live updates to avoid polling the API."
    ),
)
BANNED = (418, -1003, "Way too many requests; IP banned until {until}.")
UNAVAILABLE = (503, -1000, "Service Unavailable.")
UNKNOWN_RESULT = (503, -1000, "Unknown error, please check your request or try again later.")
THROTTLED = (
    503,
    -1008,
    "Server is currently overloaded with other requests. Please try again in a few minutes.",
)
SERVICE_ERRORS = (UNAVAILABLE, UNKNOWN_RESULT, THROTTLED)
"""The three meanings of 503: failed, perhaps done, refused for load."""
