#!/usr/bin/env python3
"""sniff.py PORT LOG: what haproxy-sniff.cfg does with what is no plain WebSocket.

Sends first bytes of each kind and looks in the log of hop.py for where they went.
"""

import pathlib
import socket
import struct
import sys
import time


def hello(version):
    """A TLS ClientHello: the record says 3.1, as every client's does."""
    body = struct.pack("!H", version) + bytes(32) + b"\0" + b"\0\x02\0\x2f" + b"\x01\0"
    shake = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack("!H", len(shake)) + shake


KINDS = (
    ("a Flash policy request", "old", b"<policy-file-request/>\0"),
    ("a page", "modern", b"GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("SSL 3", "old", hello(0x0300)),
    ("TLS 1.0", "old", hello(0x0301)),
    ("TLS 1.2 and 1.3", "modern", hello(0x0303)),
)
log, bad = pathlib.Path(sys.argv[2]), 0
for what, want, data in KINDS:
    before = log.read_text().count("\n")
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as sock:
        sock.sendall(data)
        deadline = time.monotonic() + 3
        while not (new := log.read_text().splitlines()[before:]) and time.monotonic() < deadline:
            time.sleep(0.02)
    got = new[0].split()[0] if new else "nowhere"
    print("%s went to %s, want %s" % (what, got, want))
    bad += got != want
sys.exit(bool(bad))
