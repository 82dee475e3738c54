"""A Prometheus that looks at one daemon: what a scrape over HTTP finds, parsed by Prometheus' own client."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from tests.daemon.life import PATIENCE_S, Life

SERVED = '[http]\nlisten = "127.0.0.1:0"\n'


class Scraped:
    """What one scrape has found."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families: Mapping[str, Metric] = {
            _full_name(family): family for family in text_string_to_metric_families(text)}

    def value(self, name: str, **labels: str) -> float | None:
        """Of the sample with exactly these labels; None where there is none."""
        found = [sample.value for family in self.families.values() for sample in family.samples
                 if sample.name == name and sample.labels == labels]
        assert len(found) <= 1, found
        return found[0] if found else None

    def by(self, name: str, label: str) -> dict[str, float]:
        """The values of all samples of that name, by one of their labels; several of one label together."""
        found: dict[str, float] = {}
        for family in self.families.values():
            for sample in family.samples:
                if sample.name == name:
                    found[sample.labels[label]] = found.get(sample.labels[label], 0.0) + sample.value
        return found

    def counters(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Every number that may only grow."""
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in self.families.values() if family.type in {"counter", "histogram"}
            for sample in family.samples
        }


def scrape(life: Life) -> Scraped:
    """What the daemon tells now: whoever asks again too soon gets what it told before."""
    before, now = _kept(life), ""

    def is_new() -> bool:
        nonlocal now
        now = _kept(life)
        # To be asked takes time on the processors, which every scrape tells.
        return now != before

    life.wait_until(is_new, "a scrape that is newer than this")
    return Scraped(now)


def _kept(life: Life) -> str:
    status, content_type, body = get(life, "/metrics")
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8"), body
    return body


def get(life: Life, path: str) -> tuple[int, str, str]:
    """Status, content type and body, from where the daemon has said that it listens."""
    address = life.wait("http.listening")["address"]
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE_S) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers["Content-Type"], refused.read().decode()


def _full_name(family: Metric) -> str:
    """As the exposition has it: the parser takes the suffix off."""
    return f"{family.name}_total" if family.type == "counter" else family.name
