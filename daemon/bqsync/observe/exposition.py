"""
Samples as the text that Prometheus reads: the one module that knows prometheus-client.

The package is the extra `metrics`. It is imported when a scrape wants it, and nothing else needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from itertools import accumulate, zip_longest
from typing import TYPE_CHECKING

from bqsync.observe.metrics import METRICS, Metric, MetricType
from bqsync.observe.tally import Distribution, LabelValues

if TYPE_CHECKING:
    import prometheus_client
    from prometheus_client.registry import CollectorRegistry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Source: https://prometheus.io/docs/instrumenting/exposition_formats/"""
MISSING = "metrics are not installed: the package prometheus-client is missing"
INSTALL = "install the package prometheus-client beside bqsync: pip install prometheus-client"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with all its samples."""

    metric: Metric
    numbers: Mapping[LabelValues, float] = field(default_factory=dict)
    """Of a counter or a gauge, by the values of its labels."""
    distributions: Mapping[LabelValues, Distribution] = field(default_factory=dict)
    """Of a histogram."""


def can_expose() -> bool:
    """Whether the extra `metrics` is installed."""
    return find_spec("prometheus_client") is not None


def expose(families: Iterable[Family]) -> bytes:
    """
    Write the metrics in the order in which they come, and behind them those of the process (`process_…`).

    Raises:
        ImportError: the extra `metrics` is not installed.
    """
    from prometheus_client import generate_latest

    return generate_latest(_Families(families)) + generate_latest(_process())


class _Families:
    """What prometheus-client asks for metrics."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[prometheus_client.Metric]:
        return map(_family, self._families)


@cache
def _process() -> CollectorRegistry:
    """Processor, memory, open files and start of this process, read from /proc at each scrape."""
    from prometheus_client import CollectorRegistry, ProcessCollector

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def _family(family: Family) -> prometheus_client.Metric:
    import prometheus_client

    specification = METRICS[family.metric]
    # The package's name of a counter is without the suffix, which it adds.
    is_counter = specification.type is MetricType.COUNTER
    name = family.metric.removesuffix("_total") if is_counter else family.metric.value
    found = prometheus_client.Metric(name, specification.help, specification.type.value)
    for values, number in family.numbers.items():
        found.add_sample(family.metric.value, dict(zip(specification.labels, values, strict=True)), number)
    for values, distribution in family.distributions.items():
        _add_buckets(found, dict(zip(specification.labels, values, strict=True)), specification.buckets, distribution)
    return found


def _add_buckets(
    found: prometheus_client.Metric, labels: dict[str, str], bounds: tuple[float, ...], distribution: Distribution
) -> None:
    """Each bucket holds those below it as well: the last one holds all."""
    counted = 0
    for bound, below in zip_longest(bounds, accumulate(distribution.counts), fillvalue=float("inf")):
        counted = int(below)
        found.add_sample(f"{found.name}_bucket", {**labels, "le": "+Inf" if bound == float("inf") else str(bound)},
                         counted)
    found.add_sample(f"{found.name}_count", labels, counted)
    found.add_sample(f"{found.name}_sum", labels, distribution.total)
