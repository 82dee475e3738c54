"""The HTTP server: routes, and what browsers of other people, hanging clients and faults of ours can't do to it."""

from __future__ import annotations

import socket
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
])
def test_a_name_that_was_made_to_mean_this_machine_is_refused(server: HttpServer, host: str, status: int) -> None:
    response, body = get(server, "/healthz", host=host)
    assert (response.status, b"ok" in body) == (status, status == 200)


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
