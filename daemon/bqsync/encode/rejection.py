"""Why a value can't be delivered: raised by the conversions, caught by the row encoder."""

from bqsync.model import Reason


class Rejected(Exception):  # noqa: N818 - it is a verdict on a value, not an error of the program
    """A value that BigQuery would change, or that does not fit its column. Its row goes to quarantine."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
