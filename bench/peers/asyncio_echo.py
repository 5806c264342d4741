#!/usr/bin/env python3
"""Echo on CPython's asyncio. Prints its port on a line.

usage: asyncio_echo.py streams|buffered

  streams    what most programs are written with: a task for each connection
  buffered   a protocol that brings a buffer, one for all: the cheapest there is. A Protocol lies between
             the two, anywhere: its loop cuts what it is given from 256 KiB, for which the allocator may
             ask the system anew for each message, or not, by what the process did before
"""
import asyncio
import socket
import sys

BUFFER = bytearray(65536)


class Buffered(asyncio.BufferedProtocol):
    def connection_made(self, transport):
        self.write = transport.write

    def get_buffer(self, sizehint):
        return BUFFER

    def buffer_updated(self, size):
        self.write(BUFFER[:size])


async def streams(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def main(kind):
    where = {"host": "127.0.0.1", "port": 0, "family": socket.AF_INET, "backlog": 511}
    if kind == "streams":
        server = await asyncio.start_server(streams, **where)
    else:
        server = await asyncio.get_running_loop().create_server(Buffered, **where)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main(sys.argv[1]))
