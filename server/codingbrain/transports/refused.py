"""A request that is answered before it reaches an application."""

from starlette.responses import Response


class RefusedError(Exception):
    """Carries the answer."""

    def __init__(self, reply: Response) -> None:
        super().__init__(reply.status_code)
        self.reply = reply
