"""
A token that BigQuery refuses is renewed once, and the call made again: REST clients do so by themselves, gRPC does not.

Source: https://googleapis.dev/python/google-auth/latest/reference/google.auth.transport.requests.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bqsync.deliver.translate import VENDOR_ERRORS, translate
from bqsync.errors import BqsyncError, ErrorKind

Renew = Callable[[], None]
"""Asks for a token, whatever there is."""
T = TypeVar("T")


def renewing(renew: Renew | None, operation: str, call: Callable[[], T]) -> T:
    """
    What the call returns.

    Args:
        renew: None where there are no tokens.
        operation: in words that follow "could not".
        call: raises BIGQUERY_CREDENTIALS where its token is refused.

    Raises:
        BqsyncError: that of the call, or why there is no other token.
    """
    try:
        return call()
    except BqsyncError as refusal:
        if renew is None or refusal.kind is not ErrorKind.BIGQUERY_CREDENTIALS:
            raise
    try:
        renew()
    except VENDOR_ERRORS as error:
        raise translate(operation, error) from error
    return call()
