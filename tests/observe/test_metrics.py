"""The list of metrics, and its documentation."""

import re
from pathlib import Path

import pytest

from bqsync.observe.metrics import METRICS, Metric, MetricType
from bqsync.observe.tally import Tally

DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(?P<name>bqsync_\w+)` \| (?P<type>\w+) \| (?P<labels>.+?) \| (?P<help>.+) \|$", re.MULTILINE)


def test_every_metric_is_documented_with_its_type_labels_and_meaning_in_the_same_order() -> None:
    documented = [(row["name"], row["type"], re.findall(r"`(\w+)`", row["labels"]), row["help"])
                  for row in ROW.finditer(DOCUMENT)]
    assert documented == [(metric.value, specification.type.value, list(specification.labels), specification.help)
                          for metric, specification in METRICS.items()]


def test_every_metric_has_a_specification() -> None:
    assert set(METRICS) == set(Metric)


@pytest.mark.parametrize("metric", Metric)
def test_names_follow_the_rules_of_prometheus(metric: Metric) -> None:
    """As `promtool check metrics` has them, and the list of base units."""
    specification = METRICS[metric]
    assert re.fullmatch(r"bqsync(_[a-z]+)+", metric.value)
    assert metric.endswith("_total") == (specification.type is MetricType.COUNTER)
    assert not re.search(r"_(count|sum|bucket|gauge|counter|histogram|ms|minutes|hours|kb|mb)$", metric.value)
    assert specification.help.endswith(".")
    assert "\n" not in specification.help
    assert (specification.type is MetricType.HISTOGRAM) == bool(specification.buckets)
    assert list(specification.buckets) == sorted(set(specification.buckets))
    assert "le" not in specification.labels


def test_no_counter_has_the_name_of_a_gauge_with_a_suffix() -> None:
    """In OpenMetrics both would be one metric."""
    families = [metric.removesuffix("_total") for metric in Metric]
    assert len(families) == len(set(families))


def test_a_tally_adds_notes_and_observes() -> None:
    tally = Tally()
    tally.add(Metric.ROWS, 2, op="deleted", table="a")
    tally.add(Metric.ROWS, 3, table="a", op="deleted")
    tally.add(Metric.ROWS, table="b", op="upserted")
    assert tally.numbers(Metric.ROWS) == {("a", "deleted"): 5, ("b", "upserted"): 1}
    tally.note(Metric.QUARANTINED_ROWS, 7, table="a")
    tally.note(Metric.QUARANTINED_ROWS, 0, table="a")
    assert tally.numbers(Metric.QUARANTINED_ROWS) == {("a",): 0}
    assert tally.numbers(Metric.MERGES) == {}


def test_a_value_at_a_bound_belongs_to_its_bucket_and_a_larger_one_to_the_next() -> None:
    tally, bounds = Tally(), METRICS[Metric.DELIVERY_LAG].buckets
    for value in (0.0, bounds[0], bounds[0] + 0.01, bounds[-1], bounds[-1] + 1.0):
        tally.observe(Metric.DELIVERY_LAG, value)
    found = tally.distributions(Metric.DELIVERY_LAG)[()]
    between = (0,) * (len(bounds) - 3)
    assert found.counts == (2, 1, *between, 1, 1)
    assert found.total == pytest.approx(2 * sum((bounds[0], bounds[-1])) + 1.01)


def test_a_label_that_a_metric_lacks_is_a_fault() -> None:
    with pytest.raises(AssertionError):
        Tally().add(Metric.MERGES, table="a", op="upserted")
    with pytest.raises(KeyError):
        Tally().add(Metric.MERGES, kind="a")
