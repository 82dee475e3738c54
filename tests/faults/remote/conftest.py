from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.daemon.conftest import relay, start
from tests.faults.remote.authority import OPENSSL, Authority
from tests.faults.remote.doors import Doors
from tests.faults.remote.google import Google

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hostile.proxy import HostileBigQuery

__all__ = ["relay", "start"]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One for all tests: keys take a while."""
    if OPENSSL is None:
        pytest.skip("needs openssl, which makes keys and certificates")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def doors() -> Iterator[Doors]:
    one = Doors()
    yield one
    one.close()


@pytest.fixture
def google(hostile: HostileBigQuery, authority: Authority) -> Iterator[Google]:
    """The hostile BigQuery under Google's names, behind TLS and a proxy, for whoever shows a token."""
    one = Google(hostile, authority, authority.valid)
    yield one
    one.close()
