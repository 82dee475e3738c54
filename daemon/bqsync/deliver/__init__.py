"""
deliver: bytes become rows in BigQuery.

Google's clients import what reads tables into memory (pyarrow, pandas, fastavro), what traces calls (opentelemetry) and
what guesses how a text is encoded (charset_normalizer, chardet), wherever these happen to be installed. Nothing here
asks for any of it, and they cost a fifth of a command's start and 40 MB of a daemon's memory. So they count as missing.

What signs with a private key is loaded by who has a key file, and what reads certificates by nobody.

Source: https://docs.python.org/3/reference/import.html#the-module-cache (a module that is None can't be imported)
"""

from __future__ import annotations

import sys
import warnings
from types import ModuleType
from typing import cast

from bqsync.sparing import defer

for _name in ("chardet", "charset_normalizer", "fastavro", "opentelemetry", "pandas", "pyarrow"):
    sys.modules.setdefault(_name, cast("ModuleType", None))
# requests warns that it can't guess then; BigQuery's texts are UTF-8.
warnings.filterwarnings("ignore", message="Unable to find acceptable character detection dependency")
defer("cryptography.x509", "google.auth._service_account_info", "google.auth.iam", "google.auth.jwt")
