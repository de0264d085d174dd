#!/usr/bin/env python3
"""probe.py PATIENCE direct=HOST:PORT [NAME=HOST:PORT...]: tests which handshakes pass.

Sends the examples that are printed in the drafts, byte for byte, to an echo server: once
directly, and then through each proxy. Prints a line with tabs for each of these:

  strict  what came back is, byte for byte, what the server sends
  pass    the proxy changed the head, but nothing that a client of that draft looks at
  loose   handshake and echo work, but a client fails that compares the first three
          lines, as hixie-75 requires
  400     the handshake was refused with that status
  hang    no answer, or an incomplete one, within PATIENCE seconds
  fail    anything else; the reason is on stderr
"""

import concurrent.futures
import re
import socket
import sys
import time

FROM = "127.0.0.2"  # where the client is, so that a proxy can be told from it
LATE = 0.3  # seconds that key3 comes after its head

HIXIE_FRAME = b"\x00hello\xff"
MASKED = bytes.fromhex("818537fa213d7f9f4d5158")  # RFC 6455 5.7: "Hello"
ECHO = b"\x81\x05Hello"
ACCEPT = {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}
KEY3, PROOF = b"^n:ds[4U", b"8jKS'y:G*Co,Wxa-"


def lines(*fields):
    return ("\r\n".join(fields) + "\r\n\r\n").encode()


def keyed(number):
    return lines(
        "GET /chat HTTP/1.1", "Host: server.example.com", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ("Sec-WebSocket-Origin" if number == 8 else "Origin") + ": http://example.com",
        "Sec-WebSocket-Version: %d" % number,
    )


class Case:
    """A column of the table: what is sent, and what a client of that draft looks at."""

    def __init__(self, name, request, fields, late=b"", proof=b"", frame=MASKED, echo=ECHO, first=()):
        self.name, self.request, self.fields = name, request, fields
        self.late, self.proof, self.frame, self.echo, self.first = late, proof, frame, echo, first


# hixie-75 1.2
HIXIE_75 = Case(
    "75",
    lines("GET /demo HTTP/1.1", "Upgrade: WebSocket", "Connection: Upgrade", "Host: example.com",
          "Origin: http://example.com", "WebSocket-Protocol: sample"),
    {"websocket-origin": "http://example.com", "websocket-location": "ws://example.com/demo",
     "websocket-protocol": "sample"},
    frame=HIXIE_FRAME, echo=HIXIE_FRAME,
    first=("HTTP/1.1 101 Web Socket Protocol Handshake", "Upgrade: WebSocket", "Connection: Upgrade"),
)
# hixie-76 1.2
REQUEST_76 = lines(
    "GET /demo HTTP/1.1", "Host: example.com", "Connection: Upgrade",
    "Sec-WebSocket-Key2: 12998 5 Y3 1  .P00", "Sec-WebSocket-Protocol: sample", "Upgrade: WebSocket",
    "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5", "Origin: http://example.com",
)
FIELDS_76 = {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-origin": "http://example.com",
             "sec-websocket-location": "ws://example.com/demo", "sec-websocket-protocol": "sample"}
CASES = (
    HIXIE_75,
    Case("76", REQUEST_76 + KEY3, FIELDS_76, proof=PROOF, frame=HIXIE_FRAME, echo=HIXIE_FRAME),
    Case("76-late", REQUEST_76, FIELDS_76, late=KEY3, proof=PROOF, frame=HIXIE_FRAME, echo=HIXIE_FRAME),
    Case("hybi-08", keyed(8), ACCEPT),
    Case("6455", keyed(13), ACCEPT),
)


class Verdict(Exception):
    pass


class Link:
    """A connection, and everything that was received on it."""

    def __init__(self, address, patience):
        host, port = address.rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), patience, (FROM, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data, self.read, self.patience = b"", 0, patience

    def until(self, end):
        """Reads until end(unread bytes) says how many of them belong together."""
        deadline = time.monotonic() + self.patience
        while (n := end(self.data[self.read:])) < 0:
            self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                more = self.sock.recv(65536)
            except socket.timeout:
                raise Verdict("hang", "after %r" % self.data[-80:]) from None
            if not more:
                raise Verdict("fail", "closed after %r" % self.data[-80:])
            self.data += more
        self.read += n
        return self.data[self.read - n:self.read]


def head_end(data):
    return data.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in data else -1


def exactly(n):
    return lambda data: n if len(data) >= n else -1


def judge_head(case, head):
    """Returns pass or loose."""
    rows = head.decode("latin-1").split("\r\n")
    if not re.match(r"HTTP/1\.[01] 101\b", rows[0]):
        status = re.match(r"HTTP/1\.\d (\d+)", rows[0])
        raise Verdict(status[1] if status else "fail", rows[0])
    fields = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows[1:])}
    for name, value in case.fields.items():
        got = fields.get(name, "no such field")
        if got != value and not (name in ("upgrade", "connection") and got.lower() == value):
            raise Verdict("fail", "%s: %s, want %s" % (name, got, value))
    return "pass" if tuple(rows[:len(case.first)]) == case.first else "loose"


def attempt(case, address, patience):
    """Returns the verdict, the reason, and what came."""
    try:
        link = Link(address, patience)
    except OSError as e:
        return "fail", str(e), b""
    try:
        link.sock.sendall(case.request)
        if case.late:
            time.sleep(LATE)
            link.sock.sendall(case.late)
        verdict = judge_head(case, link.until(head_end))
        if (proof := link.until(exactly(len(case.proof)))) != case.proof:
            raise Verdict("fail", "proof %r" % proof)
        link.sock.sendall(case.frame)
        if (echo := link.until(exactly(len(case.echo)))) != case.echo:
            raise Verdict("fail", "echo %r" % echo)
        return verdict, "", link.data
    except Verdict as v:
        return v.args[0], v.args[1], link.data
    except OSError as e:
        return "fail", str(e), link.data
    finally:
        link.sock.close()


def main():
    if len(sys.argv) < 3 or not sys.argv[2].startswith("direct="):
        sys.exit(__doc__)
    patience = float(sys.argv[1])
    targets = [a.split("=", 1) for a in sys.argv[2:]]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        runs = {(name, c.name): pool.submit(attempt, c, where, patience) for name, where in targets for c in CASES}
    print("\t".join(["through"] + [c.name for c in CASES]))
    for name, _ in targets:
        row = [name]
        for c in CASES:
            verdict, why, came = runs[name, c.name].result()
            best, _, sent = runs["direct", c.name].result()
            if best == "pass" and came == sent:
                verdict = "strict"
            elif why:
                print("%s %s: %s: %s" % (name, c.name, verdict, why), file=sys.stderr)
            row.append(verdict)
        print("\t".join(row))


main()
