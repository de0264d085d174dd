"""Echo server on Tornado: hybi-07, hybi-08, RFC 6455. usage: tornado_echo.py HOST:PORT"""
import asyncio
import logging
import sys

import tornado.iostream
import tornado.web
import tornado.websocket


class Echo(tornado.websocket.WebSocketHandler):
    def check_origin(self, origin):
        return True

    def get_compression_options(self):
        return {}

    async def on_message(self, message):
        # To wait keeps a client that reads nothing from filling the memory. What the
        # peer ended while its message was read has nowhere to go.
        try:
            await self.write_message(message, binary=isinstance(message, bytes))
        except (tornado.websocket.WebSocketClosedError, tornado.iostream.StreamClosedError):
            pass


async def main():
    host, _, port = sys.argv[1].rpartition(":")
    app = tornado.web.Application([(r"/.*", Echo)], websocket_max_message_size=1 << 20)
    app.listen(int(port), host)
    await asyncio.Event().wait()


logging.getLogger("tornado.access").setLevel(logging.ERROR)
asyncio.run(main())
