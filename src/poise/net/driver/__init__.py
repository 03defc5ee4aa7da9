"""The shell of a feed: the one place of this room that touches loop, sockets, HTTP and time.

`shell.Driver` carries out what `poise.net.feed` decides, through `connection` (one WebSocket, by
picows) and `rest` (one HTTP client, by httpx).
"""

from poise.net.driver.shell import Answer, Driver

__all__ = ["Answer", "Driver"]
