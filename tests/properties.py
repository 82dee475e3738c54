"""How far Hypothesis looks: the same examples on every machine, and no clock that a busy one would miss."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

MODEST = settings(max_examples=100, deadline=None, derandomize=True, database=None)
COSTLY = settings(max_examples=25, deadline=None, derandomize=True, database=None,
                  suppress_health_check=[HealthCheck.function_scoped_fixture])
"""For properties whose every example makes a database file; they make it anew, whatever the fixture is."""
