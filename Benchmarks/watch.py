"""Many clients of one job in one thread: polls it, or follows its events, until it has ended.

watch.py CLIENTS INTERVAL polled|beside|followed HOST PORT PATH

`beside` polls a job that has ended, until it is stopped. Prints the latencies of all polls in seconds, as JSON. Each poll is timed from the sending of the
request to the last byte of the answer; clients start spread over the interval.
"""

import asyncio
import json
import sys
import time

ENDED = (b'"state":"succeeded"', b'"state":"failed"', b'"state":"cancelled"')


async def poll(number, clients, interval, host, port, path, found, is_endless):
    await asyncio.sleep(interval * number / clients)
    reader, writer = await asyncio.open_connection(host, port)
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    while True:
        start = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                      if line.startswith(b"content-length:"))
        body = await reader.readexactly(length)
        found.append(time.perf_counter() - start)
        if not is_endless and any(state in body for state in ENDED):
            break
        await asyncio.sleep(interval)
    writer.close()


async def follow(host, port, path):
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    while line := await reader.readline():
        if line == b"event: end\n":
            break
    writer.close()


async def main():
    clients, interval, mode, host, port, path = sys.argv[1:]
    found = []
    tasks = [
        follow(host, int(port), path) if mode == "followed"
        else poll(n, int(clients), float(interval), host, int(port), path, found, mode == "beside")
        for n in range(int(clients))]
    await asyncio.gather(*tasks)
    print(json.dumps(found))


asyncio.run(main())
