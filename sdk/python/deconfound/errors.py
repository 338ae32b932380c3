"""Errors that reach the host with a code."""

CODES = ("bad_request", "bad_shape", "not_finite", "message_too_large", "protocol", "panic", "unsupported", "internal")


class Error(Exception):
    """What the user can act on. Any other exception of an author's code reaches
    the host as a panic, with file and line, and ends the session."""

    def __init__(self, code: str, message: str):
        if code not in CODES:
            raise ValueError(f"unknown code {code!r}, want one of {', '.join(CODES)}")
        super().__init__(message)
        self.code = code


def bad_request(message: str) -> Error:
    return Error("bad_request", message)


def bad_shape(message: str) -> Error:
    return Error("bad_shape", message)


def not_finite(message: str) -> Error:
    return Error("not_finite", message)
