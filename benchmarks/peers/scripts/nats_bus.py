"""NATS: request and reply, fan-out, and JetStream."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

import msgpack
import nats
from roles import Role, drive, free_port, main, wait_for


@contextlib.contextmanager
def server():
    program = shutil.which("nats-server", path=os.path.dirname(sys.executable)) or shutil.which("nats-server")
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        command = [program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", directory]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(port)
            yield f"nats://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def message(content, number=1):
    return msgpack.packb({"id": number, "role": "user", "name": "asker", "content": content})


def answering(pipe, url):
    async def play():
        client = await nats.connect(url)

        async def answer(request):
            said = msgpack.unpackb(request.data)
            await request.respond(message(said["content"], said["id"]))

        await client.subscribe("echo", cb=answer)
        await client.flush()
        pipe.send("up")
        await asyncio.Event().wait()

    asyncio.run(play())


def asking(pipe, url, size, count):
    async def play():
        client = await nats.connect(url)
        content = "x" * size

        async def ask():
            msgpack.unpackb((await client.request("echo", message(content), timeout=20)).data)

        pipe.send(await drive(ask, count))

    asyncio.run(play())


def rpc(size, count):
    with server() as url:
        echo = Role(answering, url)
        echo.hear()
        client = Role(asking, url, size, count)
        sample = client.hear()
        client.end()
        echo.end()
        return sample


def subscriber(pipe, url, count):
    async def play():
        client = await nats.connect(url)
        done, taken = asyncio.get_running_loop().create_future(), 0

        async def take(event):
            nonlocal taken
            msgpack.unpackb(event.data)
            taken += 1
            if taken == count:
                done.set_result(time.monotonic())

        await client.subscribe("news", cb=take, pending_msgs_limit=-1, pending_bytes_limit=-1)
        await client.flush()
        pipe.send("up")
        pipe.send(await done)

    asyncio.run(play())


def publisher(pipe, url, size, count):
    async def play():
        client = await nats.connect(url, pending_size=64 * 1024 * 1024)
        content = "x" * size
        pipe.send("up")
        pipe.recv()
        began = time.monotonic()
        for number in range(count):
            await client.publish("news", message(content, number))
            if number % 250 == 249:
                await client.flush()
        pipe.send(began)
        await client.flush(60)

    asyncio.run(play())


def fan(subscribers, size, count):
    with server() as url:
        readers = [Role(subscriber, url, count) for _ in range(subscribers)]
        for reader in readers:
            reader.hear()
        writer = Role(publisher, url, size, count)
        writer.hear()
        time.sleep(0.2)
        writer.tell()
        began = writer.hear()
        ends = [reader.hear() for reader in readers]
        for role in [*readers, writer]:
            role.end()
        return {"deliveries_s": count * subscribers / (max(ends) - began)}


def jetstream(count, in_flight):
    async def play(url):
        client = await nats.connect(url)
        stream = client.jetstream()
        await stream.add_stream(name="MAIL", subjects=["mail.*"])
        body, turns = message("x" * 500), iter(range(count))

        async def worker():
            for _ in turns:
                await stream.publish("mail.writer", body)

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(in_flight)))
        return {"rows_s": count / (time.perf_counter() - began)}

    with server() as url:
        return asyncio.run(play(url))


if __name__ == "__main__":
    main({"rpc": rpc, "fan": fan, "jetstream": jetstream})
