"""A socket that speaks a draft: exact reads, frames, messages put together."""

import socket
import time

from drafts import CONTINUATION, CONTROL, TEXT, Head, HandshakeError, ProtocolError
from drafts import decode, encode, utf8


class Connection:
    """One end of a connection; connection_key is set by the handshake of hybi-04."""

    def __init__(self, sock, version, client):
        if sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.version, self.client = sock, version, client
        self.connection_key, self.pause = None, 0
        self.kind, self.parts = None, []

    def read(self, n):
        parts = []
        while n:
            part = self.sock.recv(min(n, 1 << 16))
            if not part:
                raise EOFError("end of stream")
            parts.append(part)
            n -= len(part)
        return b"".join(parts)

    def read_head(self):
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += self.read(1)  # never a byte too far: what follows is not a head
            if len(data) > 16384:
                raise HandshakeError("head too long")
        return Head(data)

    def write(self, data):
        """Writes data; with a pause set, byte by byte."""
        for i in range(0, len(data), 1 if self.pause else max(1, len(data))):
            self.sock.sendall(data[i : i + 1] if self.pause else data)
            time.sleep(self.pause)

    def frame(self, opcode, payload=b"", **how):
        return encode(self.version, opcode, payload, client=self.client,
                      conn_key=self.connection_key, **how)

    def send(self, opcode, payload=b"", **how):
        self.write(self.frame(opcode, payload, **how))

    def receive(self):
        """The next whole message or control frame, as (opcode, payload)."""
        while True:
            f = decode(self.version, self.read, not self.client, self.connection_key)
            if f.opcode in CONTROL:  # may come between fragments
                return f.opcode, f.payload
            if (f.opcode == CONTINUATION) != (self.kind is not None):
                raise ProtocolError("continuation without a start, or a start inside a message")
            self.kind = self.kind or f.opcode
            self.parts.append(f.payload)
            if f.fin:
                kind, payload = self.kind, b"".join(self.parts)
                self.kind, self.parts = None, []
                if kind == TEXT:
                    utf8(payload)
                return kind, payload
