#!/usr/bin/env python3
"""sniff.py PORT LOG: checks what haproxy-sniff.cfg does with connections that are not plain WebSocket.

Sends the first bytes of each kind of connection, and reads in the log of hop.py where they went.

sniff.py --site PORT CERT: asks for a page of the site behind it, in clear text and within TLS.
"""

import pathlib
import socket
import ssl
import struct
import sys
import time


def hello(version):
    """Returns a TLS ClientHello. The version of its record is 3.1, as every client sends it."""
    body = struct.pack("!H", version) + bytes(32) + b"\0" + b"\0\x02\0\x2f" + b"\x01\0"
    shake = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack("!H", len(shake)) + shake


KINDS = (
    ("a Flash policy request", "old", b"<policy-file-request/>\0"),
    ("a page", "modern", b"GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("SSL 3", "old", hello(0x0300)),
    ("TLS 1.0", "old", hello(0x0301)),
    ("TLS 1.2 and 1.3", "modern_tls", hello(0x0303)),
)


def page(sock):
    """Returns the answer to a request for the page, as a browser would get it."""
    with sock:
        sock.sendall(b"GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: sock.recv(65536), b""))


if sys.argv[1] == "--site":
    where = ("127.0.0.1", int(sys.argv[2]))
    context = ssl.create_default_context(cafile=sys.argv[3])
    answers = page(socket.create_connection(where, 5)), page(context.wrap_socket(socket.create_connection(where, 5), server_hostname=where[0]))
    print(*answers, sep="\n")
    sys.exit(not all(a.startswith(b"HTTP/1.1 200 ") and a.endswith(b"a page\n") for a in answers))
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
