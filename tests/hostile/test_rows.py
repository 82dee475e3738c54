"""The envelope of staged rows, read off the wire."""

from __future__ import annotations

import pytest
from tests.encode.specs import column, spec
