"""A daemon whose surroundings fail it: no events of the file system, nobody who reads its log, a call that hangs."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
from contextlib import ExitStack
from threading import Event

import pytest
from tests.daemon.conftest import Start
from tests.daemon.life import END_S, Manager, wait_until
from tests.daemon.tables import MARKED, PLAIN, configure, fill, is_equal, wait_equal, wait_for_lag
from tests.hostile.actions import Delay, Method
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

from bqsync.engine.beats import Beats
from bqsync.engine.inbox import drain
from bqsync.engine.loop import Loop
from bqsync.engine.opening import locked_state, open_rooms

NAMESPACE = ("unshare", "--user", "--map-root-user")
NO_WATCHES = "echo 0 > /proc/sys/user/max_inotify_instances"


def can_limit() -> bool:
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run([*NAMESPACE, "sh", "-c", NO_WATCHES], check=False, capture_output=True)
    return done.returncode == 0


def test_a_log_that_nobody_reads_any_more_stops_nothing(workbench: Workbench) -> None:
    fill(workbench)
    configure(workbench, MARKED + PLAIN)
    manager = Manager()
    reading, writing = os.pipe()
    with ExitStack() as stack:
        stack.callback(manager.close)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bqsync", "run", "-c", str(workbench.config_path)], cwd=workbench.folder,
            stdout=writing, stderr=subprocess.DEVNULL, env={**os.environ, "NOTIFY_SOCKET": manager.address})
        stack.callback(process.wait)
        stack.callback(process.kill)
        os.close(writing)
        wait_until(lambda: manager.texts("READY=1"), "READY")
        os.close(reading)
        for number in range(3):
            workbench.db.execute("INSERT INTO plain VALUES (?, 'unheard')", (100 + number,))
            wait_until(lambda: is_equal(workbench, "plain"), "plain equal")
        process.terminate()
        assert process.wait(END_S) == 0


@pytest.mark.skipif(not can_limit(), reason="needs user namespaces")
def test_without_events_changes_are_found_by_polling_and_it_is_said_once(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, MARKED + PLAIN, extra='[watch]\npoll_interval = "0.3 s"\n')
    life = start(workbench, prefix=(*NAMESPACE, "sh", "-c", f'{NO_WATCHES}; exec "$@"', "sh")).ready()
    degraded = life.wait("watch.degraded")
    assert degraded["poll_interval_s"] == 0.3
    wait_equal(life, workbench, "marked", "plain")
    workbench.db.execute("INSERT INTO plain VALUES (50, 'polled')")
    wait_equal(life, workbench, "plain")
    life.wait_until(lambda: any(line["rows_upserted"] == 1 for line in life.events("sync.completed")), "its line")
    assert 0 <= wait_for_lag(life, workbench, "plain") < 60
    assert len(life.events("watch.degraded")) == 1
    assert life.end() == 0


def test_a_cycle_that_hangs_is_told_and_one_that_goes_on_is_not(
    hostile_bench: Workbench, hostile: HostileBigQuery,
) -> None:
    """In this process, with a patience of a moment."""
    fill(hostile_bench)
    configure(hostile_bench, PLAIN)
    rule = hostile.rule(Method.JOBS_INSERT, Delay(300.0), holding="MERGE")
    inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
    with ExitStack() as stack:
        held = stack.enter_context(locked_state(hostile_bench.config))
        session = stack.enter_context(open_rooms(hostile_bench.config, {}, held=held, stop=Event()))
        loop = Loop(session, inbox, beats=Beats(stall_s=0.5))

        def heard() -> Loop:
            for message in drain(inbox, 0.02):
                loop.take(message)
            return loop

        def turned() -> Loop:
            loop.step()
            return heard()

        wait_until(lambda: (turned(), rule.fired)[1], "the call that hangs")
        wait_until(lambda: not turned().is_alive(), "told that it hangs")
        hostile.reset()
        wait_until(lambda: turned().is_alive() and loop.is_settled(), "well again")
        assert is_equal(hostile_bench, "plain")
        loop.begin_end()
        wait_until(lambda: not heard().unfinished(), "the end")
