"""A worker in a process of its own: it starts one stream, says its id, and says at last why it was taken away."""

import asyncio
import sys

from unbroken_gateway.config.settings import Resume
from unbroken_gateway.streams.live import Streams
from unbroken_gateway.streams.opening import open_log
from unbroken_gateway.streams.writing import Writer

from .cuts import OWNER, frame_of


async def produce(writer: Writer) -> None:
    number = 0
    try:
        while True:
            number += 1
            await writer.write([b"data: %d\n\n" % number])
            await asyncio.sleep(0.01)
    finally:
        await asyncio.sleep(0)  # one is told once: no cancellation comes after the error
        print(writer.reason, flush=True)


async def main(url: str, lease: float) -> None:
    settings = Resume(lease=lease, grace=600)
    log = open_log(url, settings, deadline=60)
    streams = Streams(log, settings, frame_of, on_failure=print)
    print(await streams.start(OWNER, produce), flush=True)
    await streams.drain()
    await log.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
