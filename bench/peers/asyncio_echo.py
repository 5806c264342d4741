#!/usr/bin/env python3
"""Echo on CPython's asyncio by a Protocol, which is faster than its streams. Prints its port on a line."""
import asyncio
import socket


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, family=socket.AF_INET, backlog=511)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
