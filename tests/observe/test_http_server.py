"""The HTTP server: routes, and what browsers of other people, hanging clients and faults of ours can't do to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse

import pytest
from tests.daemon.life import PATIENCE_S, wait_until

from bqsync.config.listen import ListenAddress
from bqsync.observe.http_server import Answer, HttpServer, text_answer

FREE = ListenAddress("127.0.0.1", 0)


def broken() -> Answer:
    raise ZeroDivisionError


@pytest.fixture
def server() -> Iterator[HttpServer]:
    one = HttpServer(FREE, {"/healthz": lambda: text_answer(200, "ok"), "/broken": broken,
                            "/page": lambda: Answer(200, "text/html; charset=utf-8", b"<p>", "script-src 'none'")})
    yield one
    one.close()


def get(server: HttpServer, path: str, *, method: str = "GET", host: str = "localhost") -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(*server.address, timeout=PATIENCE_S)
    connection.request(method, path, headers={"Host": host})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def raw(server: HttpServer, sent: bytes) -> bytes:
    """What comes back for these bytes, to the end of the connection."""
    whole = b""
    with socket.create_connection(server.address, PATIENCE_S) as client:
        try:
            client.sendall(sent)
            while piece := client.recv(65_536):
                whole += piece
        except (ConnectionResetError, BrokenPipeError):
            pass
    return whole


def test_routes_are_answered_for_get_and_head_alone(server: HttpServer) -> None:
    response, body = get(server, "/healthz?since=yesterday")
    assert (response.status, body) == (200, b"ok\n")
    response, body = get(server, "/healthz", method="HEAD")
    assert (response.status, response.getheader("Content-Length"), body) == (200, "3", b"")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"):
        response, _ = get(server, "/healthz", method=method)
        assert (response.status, response.getheader("Allow")) == (405, "GET, HEAD"), method
    response, body = get(server, "/nowhere")
    assert (response.status, b"/healthz" in body) == (404, True)


def test_every_answer_keeps_other_sites_away(server: HttpServer) -> None:
    for path, method in (("/healthz", "GET"), ("/nowhere", "GET"), ("/broken", "GET"), ("/healthz", "POST")):
        response, _ = get(server, path, method=method)
        assert response.getheader("X-Content-Type-Options") == "nosniff"
        assert response.getheader("Cache-Control") == "no-store"
        assert response.getheader("Content-Security-Policy", "").startswith("default-src 'none'")
        assert response.getheader("Server") == "bqsync"
        assert response.getheader("Access-Control-Allow-Origin") is None
    response, _ = get(server, "/page")
    assert response.getheader("Content-Security-Policy") == "script-src 'none'"


@pytest.mark.parametrize(("host", "status"), [
    ("localhost", 200), ("LOCALHOST:80", 200), ("127.0.0.1", 200), ("127.8.9.1:9188", 200), ("[::1]:9188", 200),
    ("evil.example", 421), ("evil.example:9188", 421), ("127.0.0.1.evil.example", 421), ("localhost.evil.example", 421),
    ("10.0.0.1", 421), ("[::2]", 421), ("", 421), ("[", 421), ("[::1", 421),
    ("[::1].evil.example", 421), ("[::1]:80.evil.example", 421), ("localhost:evil", 421), ("127.0.0.1:80:80", 421),
    ("localhost\t.evil.example", 421), ("[::1%evil]", 421),
])
def test_a_name_that_was_made_to_mean_this_machine_is_refused(server: HttpServer, host: str, status: int) -> None:
    response, body = get(server, "/healthz", host=host)
    assert (response.status, b"ok" in body) == (status, status == 200)


@pytest.mark.parametrize(("hosts", "version", "status"), [
    (b"", b"1.0", b"200"), (b"", b"1.1", b"400"), (b"Host: localhost\r\n", b"1.1", b"200"),
    (b"Host: localhost\r\nHost: localhost\r\n", b"1.1", b"400"), (b"Host: evil.example\r\n", b"1.0", b"421"),
])
def test_a_request_has_one_host(server: HttpServer, hosts: bytes, version: bytes, status: bytes) -> None:
    answer = raw(server, b"GET /healthz HTTP/%b\r\n%b\r\n" % (version, hosts))
    assert answer.split(b" ")[1] == status


@pytest.mark.parametrize("length", [16_384, 100_000])
def test_a_head_that_is_too_large_is_refused_so_that_its_client_knows(server: HttpServer, length: int) -> None:
    with socket.create_connection(server.address, PATIENCE_S) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a" * length + b"\r\n\r\n")
        assert client.recv(1_000).startswith(b"HTTP/1.1 431 ")
    assert get(server, "/healthz")[0].status == 200


@pytest.mark.parametrize(("site", "mode", "dest", "status"), [
    ("cross-site", "no-cors", "empty", 403), ("cross-site", "navigate", "iframe", 403),
    ("cross-site", "navigate", "document", 200), ("same-origin", "cors", "empty", 200),
    ("none", "navigate", "document", 200),
])
def test_another_site_may_link_here_and_not_have_a_browser_ask_again_and_again(
    server: HttpServer, site: str, mode: str, dest: str, status: int,
) -> None:
    head = f"Host: localhost\r\nSec-Fetch-Site: {site}\r\nSec-Fetch-Mode: {mode}\r\nSec-Fetch-Dest: {dest}"
    assert raw(server, f"GET /healthz HTTP/1.1\r\n{head}\r\n\r\n".encode()).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_fault_of_ours_is_told_without_its_inside(server: HttpServer) -> None:
    response, body = get(server, "/broken")
    assert (response.status, b"ZeroDivision" in body) == (500, False)
    assert get(server, "/healthz")[0].status == 200


@pytest.mark.parametrize("sent", [
    b"\r\n\r\n", b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0\xff" * 500 + b"\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n", b"GET /" + b"a" * 1_000_000,
    b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
])
def test_what_is_no_request_gets_no_answer_that_is_one(server: HttpServer, sent: bytes) -> None:
    assert b"200 OK" not in raw(server, sent)
    assert get(server, "/healthz")[0].status == 200


def test_clients_that_hang_are_dropped_and_then_others_are_answered() -> None:
    server = HttpServer(FREE, {"/healthz": lambda: text_answer(200, "ok")}, patience_s=0.5)
    with ExitStack() as stack:
        stack.callback(server.close)
        hanging = [stack.enter_context(socket.create_connection(server.address, PATIENCE_S)) for _ in range(30)]
        for client in hanging:
            try:
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: local")
                assert client.recv(100) == b""
            except (ConnectionResetError, BrokenPipeError):
                continue
        wait_until(lambda: raw(server, b"GET /healthz HTTP/1.0\r\n\r\n").endswith(b"ok\n"), "an answer")


def test_clients_that_are_silent_keep_no_probe_waiting(server: HttpServer) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(server.address, PATIENCE_S)) for _ in range(8)]
        for client in silent:
            client.sendall(b"GET /heal")
        # Each takes the place of one of them, or that of the probe before it, if that has been given back by now.
        for _ in range(3):
            assert get(server, "/healthz")[1] == b"ok\n"
        assert silent[0].recv(100) == b""
        silent[-1].sendall(b"thz HTTP/1.0\r\n\r\n")
        assert silent[-1].recv(1_000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_request_that_comes_by_and_by_is_answered(server: HttpServer) -> None:
    with socket.create_connection(server.address, PATIENCE_S) as client:
        for piece in (b"GET /heal", b"thz HTTP/1.1\r\nHo", b"st: localhost\r\n\r", b"\n"):
            client.sendall(piece)
        assert client.recv(1_000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_port_that_is_taken_is_told_and_one_that_was_closed_can_be_had_at_once(server: HttpServer) -> None:
    with pytest.raises(OSError, match="in use"):
        HttpServer(server.address, {})
    get(server, "/healthz")
    server.close()
    again = HttpServer(server.address, {"/healthz": lambda: text_answer(200, "again")})
    try:
        assert get(again, "/healthz")[1] == b"again\n"
    finally:
        again.close()


@pytest.fixture
def no_more_threads() -> Iterator[None]:
    """None can be started: its stack would be larger than all memory."""
    before = threading.stack_size(1 << 62)
    yield
    threading.stack_size(before)


@pytest.mark.usefixtures("no_more_threads")
def test_a_process_that_may_have_no_more_threads_is_told_as_an_address_that_can_t_be_had() -> None:
    with pytest.raises(OSError, match="thread"):
        HttpServer(FREE, {})


def has_ipv6() -> bool:
    """Many containers have none."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_the_other_loopback_works_as_well() -> None:
    server = HttpServer(ListenAddress("::1", 0), {"/healthz": lambda: text_answer(200, "ok")})
    try:
        assert str(server.address).startswith("[::1]:")
        assert get(server, "/healthz", host=str(server.address))[1] == b"ok\n"
    finally:
        server.close()
