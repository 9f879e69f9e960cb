"""temporary"""


class Writer: ...


class Streams:
    def __init__(self, log, settings):
        self.log = log

    async def aclose(self):
        await self.log.aclose()
