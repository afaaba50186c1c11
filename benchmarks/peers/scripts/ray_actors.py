"""Ray: calls of an actor in another process."""

import logging
import os
import time

os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_DEDUP_LOGS="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0")

import ray
from roles import IN_FLIGHT, main


def rpc(size, count):
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        logging_level=logging.ERROR,
        log_to_driver=False,
        object_store_memory=200 * 2**20,
    )

    @ray.remote(num_cpus=0)
    class Echo:
        def ask(self, message):
            return {"id": message["id"], "role": "assistant", "content": message["content"]}

    echo, message = Echo.remote(), {"id": 1, "role": "user", "name": "asker", "content": "x" * size}
    durations = []
    for number in range(count // 4 + 50):
        began = time.perf_counter_ns()
        ray.get(echo.ask.remote(message))
        if number >= 50:
            durations.append(time.perf_counter_ns() - began)
    began = time.perf_counter()
    waiting = [echo.ask.remote(message) for _ in range(IN_FLIGHT)]
    for _ in range(count - IN_FLIGHT):
        ray.get(waiting.pop(0))
        waiting.append(echo.ask.remote(message))
    ray.get(waiting)
    seconds = time.perf_counter() - began
    ray.shutdown()
    durations.sort()
    return {"asks_s": count / seconds, "p50_us": durations[len(durations) // 2] / 1e3}


if __name__ == "__main__":
    main({"rpc": rpc})
