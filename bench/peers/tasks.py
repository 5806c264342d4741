#!/usr/bin/env python3
"""The operations of bench_spawn, bench_sync and bench_timer in asyncio. Reads lines "operation count",
answers each with a line: nanoseconds for one operation; "-" for one that this Python does not have.
The time is taken inside the loop, which is there before and after.
"""
import asyncio
import sys
import time


async def nothing():
    return 0


async def spawn(count):
    for _ in range(count):
        await asyncio.create_task(nothing())


async def call(count):
    """A task that is begun at once: from 3.12 on."""
    loop = asyncio.get_running_loop()
    for _ in range(count):
        await asyncio.Task(nothing(), loop=loop, eager_start=True)


async def gather(count):
    for _ in range(0, count, 1000):
        await asyncio.gather(*[nothing() for _ in range(1000)])


async def await_done(count):
    future = asyncio.get_running_loop().create_future()
    future.set_result(0)
    for _ in range(count):
        await future


async def callback(count):
    """A hundred at a time."""
    loop, calls = asyncio.get_running_loop(), []
    for _ in range(0, count, 100):
        for _ in range(100):
            loop.call_soon(calls.append, 1)
        await asyncio.sleep(0)
        calls.clear()


def numbers():
    i = 0
    while True:
        yield i
        i += 1


async def generator(count):
    values = numbers()
    for _ in range(count):
        next(values)


async def mutex(count):
    lock = asyncio.Lock()
    for _ in range(count):
        async with lock:
            pass


async def handover(count):
    lock = asyncio.Lock()

    async def contend():
        for _ in range(count // 2):
            async with lock:
                await asyncio.sleep(0)
    await asyncio.gather(contend(), contend())


async def semaphore(count):
    units = asyncio.BoundedSemaphore(3)
    for _ in range(count):
        async with units:
            pass


async def event(count):
    ping, pong = asyncio.Event(), asyncio.Event()

    async def answer():
        for _ in range(count):
            await ping.wait()
            ping.clear()
            pong.set()
    task = asyncio.create_task(answer())
    for _ in range(count):
        ping.set()
        await pong.wait()
        pong.clear()
    await task


async def queue(count):
    items = asyncio.Queue(64)
    for i in range(count):
        await items.put(i)
        await items.get()


async def stream(count):
    items = asyncio.Queue(64)

    async def put_all():
        for i in range(count):
            await items.put(i)
    task = asyncio.create_task(put_all())
    for _ in range(count):
        await items.get()
    await task


async def timer(count):
    """Beside a thousand others; more would have to be made anew each time."""
    loop = asyncio.get_running_loop()
    others = [loop.call_later(3600 + i, print) for i in range(1000)]
    begin = time.perf_counter_ns()
    for i in range(count):
        loop.call_later(3600 + i % 1000, print).cancel()
    taken = time.perf_counter_ns() - begin
    for other in others:
        other.cancel()
    return taken


async def measure(operation, count):
    """Nanoseconds: its own account, or all that it took."""
    begin = time.perf_counter_ns()
    taken = await operation(count)
    return taken or time.perf_counter_ns() - begin


def main():
    operations = {'spawn': spawn, 'gather': gather, 'await': await_done, 'callback': callback,
                  'generator': generator, 'mutex': mutex, 'handover': handover,
                  'semaphore': semaphore, 'event': event, 'queue': queue, 'buffered': queue,
                  'stream': stream, 'timer1000': timer}
    if sys.version_info >= (3, 12):
        operations['call'] = call
    for line in sys.stdin:
        name, count = line.split()
        if name in operations:
            print(asyncio.run(measure(operations[name], int(count))) / int(count), flush=True)
        else:
            print('-', flush=True)


if __name__ == '__main__':
    main()
