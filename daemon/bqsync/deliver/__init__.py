"""
deliver: bytes become rows in BigQuery.

Google's clients import pyarrow and pandas, and with them numpy, wherever these are installed. Nothing here asks for a
table of theirs, and they cost a tenth of a command's start and 37 MB of a daemon's memory. So they count as missing.

Source: https://docs.python.org/3/reference/import.html#the-module-cache (a module that is None can't be imported)
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import cast

for _name in ("pyarrow", "pandas"):
    sys.modules.setdefault(_name, cast("ModuleType", None))
