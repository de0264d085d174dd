#!/usr/bin/env python3
"""hop.py NAME=LISTEN_PORT:SERVER_PORT[:plain]...: stands in for a gateway behind a proxy.

Expects a PROXY protocol header (version 1 or 2) at the beginning of every connection,
removes it, and passes the rest to a server on 127.0.0.1. With "plain" there must be no
header. Prints for each connection:

  NAME VERSION SOURCE FIRST-BYTES

or "NAME refused: ...", and closes the connection, if the header is missing, or names the
proxy itself as the source, or is there with "plain". A peer that connects and sends nothing
is not printed.
"""

import socket
import struct
import sys
import threading

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def exactly(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more and not data:
            raise EOFError  # somebody has tested whether the port is open
        if not more:
            raise ValueError("closed after %r" % data)
        data += more
    return data


def header(sock):
    """Returns the version and the source of the PROXY header; the source of a health check is None."""
    start = exactly(sock, 12)
    if start == SIGNATURE:
        command, family, length = struct.unpack("!BBH", exactly(sock, 4))
        body = exactly(sock, length)
        if command == 0x20:
            return "v2", None
        if (command, family) != (0x21, 0x11):
            raise ValueError("command %#x, family %#x" % (command, family))
        return "v2", (socket.inet_ntoa(body[:4]), struct.unpack("!H", body[8:10])[0])
    if start[:6] != b"PROXY ":
        raise ValueError("no PROXY header but %r" % start)
    line = start
    while not line.endswith(b"\r\n"):
        if len(line) > 107:
            raise ValueError("PROXY header without an end")
        line += exactly(sock, 1)
    _, family, source, _, port, _ = line.decode().split()
    if family != "TCP4":
        raise ValueError("family " + family)
    return "v1", (source, int(port))


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        target.close()


def serve(name, sock, peer, port, plain):
    try:
        sock.settimeout(5)
        version, source = ("plain", peer) if plain else header(sock)
        if source is None:
            return
        if not plain and (not source[0].startswith("127.") or source == peer):
            raise ValueError("the source is %s:%d" % source)
        first = sock.recv(65536)
        if plain and not first:
            raise EOFError
        if plain and (first.startswith(SIGNATURE) or first.startswith(b"PROXY ")):
            raise ValueError("a PROXY header: %r" % first[:12])
        print(name, version, "%s:%d" % source, ascii(first[:24].decode("latin-1")), flush=True)
        sock.settimeout(None)
        server = socket.create_connection(("127.0.0.1", port))
        server.sendall(first)
        threading.Thread(target=copy, args=(server, sock), daemon=True).start()
        copy(sock, server)
    except (EOFError, OSError):
        sock.close()
    except ValueError as e:
        print(name, "refused:", e, flush=True)
        sock.close()


def accept(listener, name, port, plain):
    while True:
        sock, peer = listener.accept()
        threading.Thread(target=serve, args=(name, sock, peer, port, plain), daemon=True).start()


def main():
    threads = []
    for argument in sys.argv[1:]:
        name, ports = argument.split("=")
        listen, server, *plain = ports.split(":")
        listener = socket.create_server(("127.0.0.1", int(listen)))
        threads.append(threading.Thread(target=accept, args=(listener, name, int(server), plain == ["plain"]), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()


main()
