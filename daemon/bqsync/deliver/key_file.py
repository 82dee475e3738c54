"""Key files: read at the start, and again whenever a token is asked for, so that a key is rotated without a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, cast

from google.auth import credentials as auth
from google.auth import load_credentials_from_file
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.oauth2 import service_account

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.regular_file import MIB, read_regular

_MAX_BYTES = MIB
_Request = Any
"""The library's own type is a protocol without a name."""
SCOPES = ("https://www.googleapis.com/auth/bigquery", "https://www.googleapis.com/auth/cloud-platform")


def load_key_file(file: Path) -> auth.Credentials:
    """
    Credentials of a key file, of a service account or of another kind that Google's library understands.

    Raises:
        BqsyncError: BIGQUERY_CREDENTIALS.
    """
    try:
        if '"service_account"' in (text := _read(file)):
            return ServiceAccountFile(file, text)
        return cast("auth.Credentials", load_credentials_from_file(str(file), scopes=SCOPES)[0])
    except OSError as exc:
        why = exc.strerror or "it can't be read"
    except (ValueError, TypeError, AttributeError, LookupError, GoogleAuthError):
        # JSON of another shape is not looked for by the library, it stumbles over it. And its own message may quote the
        # file: key material stays out of logs.
        why = "it is not a key file that Google's library understands"
    raise BqsyncError(
        ErrorKind.BIGQUERY_CREDENTIALS, what=f"the key file {file} can't be used", why=why,
        fix="create a key for the service account anew, make it readable for the user of bqsync, and name it in "
        "`bigquery.credentials_file` or GOOGLE_APPLICATION_CREDENTIALS",
    )


class ServiceAccountFile(auth.Credentials):
    """
    The key of a service account in a file that may be replaced.

    A token that was given for the old key is used until it ends or is refused; the next one is asked for with what the
    file holds by then. Where the file can't be used, the key that was read last stays: a file may be in the middle of
    being written.

    Args:
        file: it may be gone later.
        text: what it holds.
    """

    def __init__(self, file: Path, text: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # as all of google.auth
        self._file = file
        self._text = text
        self._account = _account(text)
        self._lock = Lock()

    @property
    def universe_domain(self) -> str:
        """Where the account is at home; the clients compare it with where they call."""
        return str(self._account.universe_domain)

    def refresh(self, request: _Request) -> None:
        """Ask for a token, whatever there is."""
        with self._newest_key(is_needed=True):
            self._account.refresh(request)

    def before_request(self, request: _Request, method: str, url: str, headers: dict[str, str]) -> None:
        """Put the token into the headers of a request; ask for one first where that has ended."""
        with self._newest_key(is_needed=not self._account.valid):
            self._account.before_request(request, method, url, headers)

    @contextmanager
    def _newest_key(self, *, is_needed: bool) -> Iterator[None]:
        trouble = self._look() if is_needed else ""
        try:
            yield
        except RefreshError as error:
            if not trouble:
                raise
            raise RefreshError(f"the key file {self._file} can't be used ({trouble}), and the key that it held before "
                               f"is refused: {error.args[0] if error.args else error}") from error

    def _look(self) -> str:
        """Take what the file holds; why that can't be done, '' if it can."""
        with self._lock:
            try:
                text = _read(self._file)
                if text != self._text:
                    self._account, self._text = _account(text), text
            except OSError as exc:
                return exc.strerror or "it can't be read"
            except (ValueError, TypeError, AttributeError, LookupError, GoogleAuthError):
                return "it holds no key"
        return ""


def _read(file: Path) -> str:
    return read_regular(file, _MAX_BYTES).decode("utf-8")


def _account(text: str) -> service_account.Credentials:
    made = service_account.Credentials.from_service_account_info(json.loads(text), scopes=SCOPES)
    return cast("service_account.Credentials", made)
