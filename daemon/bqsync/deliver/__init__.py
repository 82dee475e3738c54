"""
deliver: bytes become rows in BigQuery.

Google's clients import what reads tables into memory (pyarrow, pandas, fastavro) and what traces calls (opentelemetry),
wherever these happen to be installed. Nothing here asks for either, and they cost a seventh of a command's start and 37
MB of a daemon's memory. So they count as missing.

Source: https://docs.python.org/3/reference/import.html#the-module-cache (a module that is None can't be imported)
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import cast

for _name in ("fastavro", "opentelemetry", "pandas", "pyarrow"):
    sys.modules.setdefault(_name, cast("ModuleType", None))
