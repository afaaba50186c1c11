"""What runs a Jupyter kernel inside the sandbox. Never imported: its text is handed to the sandbox's Python.

Its argument is the job (JSON: user, limits, where it works). Lines of JSON come in on standard input, `{"code", "file", "shell",
"seconds", "output"}`, and go out on standard output: `{"ready": true}` or `{"problem"}` first, then for each
`{"status", "output", "files"}`. The code may attack it, for it is the same user: nothing it says is trusted outside.
"""

from __future__ import annotations

import json
import os
import queue
import resource
import signal
import subprocess
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PICTURES = {"image/png": "png", "image/jpeg": "jpg", "image/svg+xml": "svg"}


class Text:
    """The beginning and the end of what was written."""

    def __init__(self, limit: int) -> None:
        self.half, self.head, self.tail, self.total = limit // 2, "", "", 0

    def add(self, text: str) -> None:
        room = self.half - len(self.head)
        self.total += len(text)
        self.head += text[:room]
        self.tail = (self.tail + text[room:] if room > 0 else self.tail + text)[-self.half :]

    def __str__(self) -> str:
        left_out = self.total - len(self.head) - len(self.tail)
        return self.head + (f"\n… ({left_out} characters are left out)\n" if left_out > 0 else "") + self.tail


def main() -> None:
    job = json.loads(sys.argv[1])
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    lines = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(nothing, 0)
    if job["user"]:
        os.setgroups([])
        os.setresgid(job["user"], job["user"], job["user"])
        os.setresuid(job["user"], job["user"], job["user"])
    for name, value in job["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    os.chdir(job["work"])

    def tell(**line: Any) -> None:
        out.write(json.dumps(line) + "\n")
        out.flush()

    try:
        from jupyter_client.manager import KernelManager

        kernel = Kernel(KernelManager(transport="ipc", ip=f"{job['temporary']}/kernel", kernel_name="python3"))
    except Exception as error:  # noqa: BLE001 - the boundary of this process
        tell(problem=f"{type(error).__name__}: {error}")
        return
    tell(ready=True)
    for line in lines:
        asked = json.loads(line)
        if asked["file"]:
            with open(os.path.join(job["work"], asked["file"]), "w", encoding="utf-8") as script:
                script.write(asked["code"])
        tell(**(shell(asked) if asked["shell"] else kernel.run(asked)))


def shell(asked: dict[str, Any]) -> dict[str, Any]:
    text = Text(asked["output"])
    process = subprocess.Popen(  # noqa: S603 - this is what a sandbox is for
        [asked["shell"], "-c", asked["code"]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        said, _ = process.communicate(timeout=asked["seconds"])
        status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    except subprocess.TimeoutExpired as late:
        os.killpg(process.pid, signal.SIGKILL)
        said, status = late.output or b"", 124
    text.add(said.decode(errors="replace"))
    return {"status": status, "output": str(text), "files": []}


class Kernel:
    """A kernel, and what it shows."""

    def __init__(self, manager: Any) -> None:
        self.manager = manager
        self.start()

    def start(self) -> None:
        self.manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Run code until it is done, or its time is over: then it is interrupted, and, where that is no help, killed."""
        text, status = Text(asked["output"]), 0
        files: list[dict[str, str]] = []
        number = self.client.execute(asked["code"], store_history=False, allow_stdin=False)
        end, interrupted = time.monotonic() + asked["seconds"], False
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=max(0.0, min(1.0, end - time.monotonic())))
            except queue.Empty:
                if not self.manager.is_alive():
                    text.add("\n(the kernel died; its state is lost)\n")
                    self.start()
                    return {"status": 137, "output": str(text), "files": files}
                if time.monotonic() < end:
                    continue
                if interrupted:
                    self.manager.shutdown_kernel(now=True)
                    self.start()
                    text.add("\n(the kernel did not stop and was started anew; its state is lost)\n")
                    return {"status": 124, "output": str(text), "files": files}
                interrupted, end = True, time.monotonic() + 3.0
                self.manager.interrupt_kernel()
                continue
            if message["parent_header"].get("msg_id") != number:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                text.add(content["text"])
            elif kind == "error":
                status = 1
                text.add("\n".join(plain(line) for line in content["traceback"]) + "\n")
            elif kind in ("display_data", "execute_result"):
                shown = [mime for mime in PICTURES if mime in content["data"]]
                for mime in shown[:1]:
                    name = f"figure-{len(files) + 1}.{PICTURES[mime]}"
                    files.append({"name": name, "type": mime, "data": content["data"][mime]})
                    text.add(f"({name})\n")
                if not shown:
                    text.add(content["data"].get("text/plain", "") + "\n")
            elif kind == "status" and content["execution_state"] == "idle":
                return {"status": 124 if interrupted else status, "output": str(text), "files": files}


def plain(line: str) -> str:
    """Without the colours of a terminal."""
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", line)


main()
