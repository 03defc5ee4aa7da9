"""Errors named by who must react (architecture.md, section 7)."""


class PoiseError(Exception):
    """Base of every error that Poise raises on purpose."""


class UserError(PoiseError):
    """What the user gave cannot be used; the text is one clear sentence with a way forward.

    The command line prints it and exits with code 2; the API answers with a 4xx.
    """


class VenueMessageError(PoiseError):
    """A venue's message is not what its protocol says: quarantine it, resynchronise the stream."""


class TransientError(PoiseError):
    """The same call may succeed later: retry within a budget.

    Parameters
    ----------
    message
        What failed.
    retry_after_ns
        The venue's own wish, if it stated one.
    """

    def __init__(self, message: str, retry_after_ns: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_ns = retry_after_ns


class VenueRejected(PoiseError):  # noqa: N818 - the field's word, not an error of ours
    """The venue understood and said no (`code` is the venue's own)."""

    def __init__(self, message: str, code: int, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class InvariantBroken(PoiseError):  # noqa: N818 - a state of the house, by its name
    """Something that cannot be true is true: stop trading, keep the evidence."""
