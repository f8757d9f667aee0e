"""A task that shows up in the trace of the offer it runs on: it sorts numbers, in a span of its own.

From a checkout, with paths that hold in the task's sandbox:

.venv/bin/mesos-service run --env OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 -- \\
    "$PWD/.venv/bin/python" "$PWD/examples/traced_task.py" 100000
"""

import random
import sys

from mesos_service.sdk.tracing import task_span


def main(count: int) -> None:
    with task_span("sort", {"numbers": count}):
        with task_span("sort.draw"):
            numbers = [random.random() for _ in range(count)]
        numbers.sort()
    print(f"the smallest of {count} is {numbers[0]:g}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
