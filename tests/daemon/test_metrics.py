from __future__ import annotations

from tests.daemon.conftest import Start
from tests.daemon.scraping import SERVED, scrape
from tests.daemon.tables import MARKED, PLAIN, QUICK, configure, fill, wait_equal
from tests.workbench import Workbench


def test_try(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, MARKED + PLAIN, extra=QUICK + SERVED)
    life = start(workbench).ready()
    wait_equal(life, workbench, "marked", "plain")
    print(scrape(life).text)
    assert life.end() == 0
