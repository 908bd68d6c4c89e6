"""A TCP proxy between a client and the server: it can swallow bytes on the way and cut the sockets hard."""
import asyncio
import socket
import struct


class Proxy:
    def __init__(self, server_port):
        self.server_port = server_port
        self.swallow = False       # set: bytes of either direction are taken and thrown away
        self._swallowed = {"client": asyncio.Event(), "server": asyncio.Event()}
        self._writers = set()
        self._listener = None
        self.port = None

    async def start(self):
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def _accept(self, reader, writer):
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        self._writers |= {writer, server_writer}
        await asyncio.gather(self._copy("client", reader, server_writer), self._copy("server", server_reader, writer))

    async def _copy(self, sender, reader, writer):
        try:
            while data := await reader.read(65536):
                if self.swallow:
                    self._swallowed[sender].set()
                    continue
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
            self._writers.discard(writer)

    async def has_swallowed(self, sender):
        """Waits until something from "client" or "server" was thrown away."""
        await self._swallowed[sender].wait()
        self._swallowed[sender].clear()

    def cut(self):
        """Resets every connection on both sides (RST, no closing handshake) and lets bytes pass again."""
        for writer in list(self._writers):
            linger_zero = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero)
            writer.transport.abort()
        self._writers.clear()
        self.swallow = False

    async def close(self):
        self.cut()
        self._listener.close()
