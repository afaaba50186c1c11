"""Redis: asks over pub/sub, and streams."""

import asyncio
import contextlib
import itertools
import subprocess
import tempfile
import time

import msgpack
import redis
import redis.asyncio
from roles import Role, drive, free_port, main, wait_for


@contextlib.contextmanager
def server(fsync=""):
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", directory]
        command += ["--appendonly", "yes", "--appendfsync", fsync] if fsync else ["--appendonly", "no"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(port)
            yield port
        finally:
            process.terminate()
            process.wait(10)


def message(content, number):
    return msgpack.packb({"id": number, "role": "user", "name": "asker", "content": content})


def answering(pipe, port):
    async def play():
        client = redis.asyncio.Redis(port=port)
        inbox = client.pubsub()
        await inbox.subscribe("echo")
        pipe.send("up")
        async for event in inbox.listen():
            if event["type"] == "message":
                said = msgpack.unpackb(event["data"])
                await client.publish("asker", message(said["content"], said["id"]))

    asyncio.run(play())


def asking(pipe, port, size, count):
    async def play():
        client = redis.asyncio.Redis(port=port, max_connections=200)
        inbox = client.pubsub()
        await inbox.subscribe("asker")
        waiting, numbers, content = {}, itertools.count(), "x" * size
        loop = asyncio.get_running_loop()

        async def read():
            async for event in inbox.listen():
                if event["type"] == "message":
                    said = msgpack.unpackb(event["data"])
                    waiting.pop(said["id"]).set_result(said)

        reading = loop.create_task(read())

        async def ask():
            number = next(numbers)
            future = waiting[number] = loop.create_future()
            await client.publish("echo", message(content, number))
            await future

        await asyncio.sleep(0.2)
        pipe.send(await drive(ask, count))
        reading.cancel()

    asyncio.run(play())


def rpc(size, count):
    with server() as port:
        echo = Role(answering, port)
        echo.hear()
        client = Role(asking, port, size, count)
        sample = client.hear()
        client.end()
        echo.end()
        return sample


def streams(count, in_flight):
    async def play(port):
        client = redis.asyncio.Redis(port=port, max_connections=200)
        body, turns = message("x" * 500, 1), iter(range(count))

        async def worker():
            for _ in turns:
                await client.xadd("mail", {"body": body})

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(in_flight)))
        return {"rows_s": count / (time.perf_counter() - began)}

    with server(fsync="always") as port:
        return asyncio.run(play(port))


if __name__ == "__main__":
    main({"rpc": rpc, "streams": streams})
