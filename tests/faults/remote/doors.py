"""TLS in front of a plain server, and a proxy through which programs reach Google: doors on loopback ports."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_BYTES = 65_536
_FAREWELL_S = 0.1
_Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class Doors:
    """A thread in which the doors stand; all of them are gone after `close`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def tls(self, target: str, certificate: Path, protocol: str) -> int:
        """
        A port that speaks TLS and passes on what comes to a plain one.

        Args:
            target: `host:port`.
            certificate: key and certificate, in one file.
            protocol: that is agreed on: `h2` or `http/1.1`.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.set_alpn_protocols([protocol])

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _join(reader, writer, target)

        return self._open(serve, context)

    def plain(self, target: str, address: str) -> int:
        """A port at an address of this machine that passes on all that comes to `target`."""
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _join(reader, writer, target)

        return self._open(serve, None, address)

    def proxy(self, ways: Mapping[str, str], asked: list[str], refusal: str = "") -> int:
        """
        A port that understands CONNECT.

        Args:
            ways: where it leads to, by what is asked for: both `host:port`.
            asked: gathers what is asked for.
            refusal: a status that it answers everything with; '' for none.
        """
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            name = head.split()[1]
            asked.append(name)
            status = refusal or ("" if name in ways else "502 Bad Gateway")
            writer.write(f"HTTP/1.1 {status or '200 Connection established'}\r\n\r\n".encode())
            await writer.drain()
            if status:
                writer.close()
            else:
                await _join(reader, writer, ways[name])

        return self._open(serve, None)

    def hang_up(self) -> None:
        """Lose every connection; the doors stay open."""
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(10)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _open(self, serve: _Serve, context: ssl.SSLContext | None, address: str = "127.0.0.1") -> int:
        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                with suppress(OSError, EOFError, ssl.SSLError, asyncio.CancelledError):
                    await serve(reader, writer)
            finally:
                if not writer.is_closing():
                    writer.transport.abort()

        async def start() -> asyncio.Server:
            return await asyncio.start_server(one, address, 0, ssl=context)

        server = asyncio.run_coroutine_threadsafe(start(), self._loop).result(10)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _leave(self) -> None:
        for server in self._servers:
            server.close()
        await self._drop()
        # A transport lets go of its socket in a later turn of the loop; what is left of it would be told much later,
        # in the midst of another test.
        await asyncio.sleep(_FAREWELL_S)

    @staticmethod
    async def _drop() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> None:
    host, _, port = target.rpartition(":")
    far_reader, far_writer = await asyncio.open_connection(host, int(port))
    pumps = [asyncio.ensure_future(_pump(reader, far_writer)), asyncio.ensure_future(_pump(far_reader, writer))]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        far_writer.transport.abort()
        writer.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError, ssl.SSLError):
        while data := await source.read(_BYTES):
            sink.write(data)
            await sink.drain()
