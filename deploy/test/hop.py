#!/usr/bin/env python3
"""hop.py READYZ_PORT NAME=LISTEN_PORT:SERVER_PORT...: stands where the gateway does.

Wants a PROXY protocol header (version 1 or 2) in front of every connection, takes it
off, and passes the rest to a server on 127.0.0.1. Prints for each connection:

  NAME VERSION SOURCE FIRST-BYTES

or "NAME refused: ..." and closes, if the header is missing, or names the proxy itself
as the source. Who connects and goes without a word is not mentioned. On READYZ_PORT it answers every request with 200, as the admin listener
does while all is well.
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
            raise EOFError  # somebody looked whether the port is open
        if not more:
            raise ValueError("closed after %r" % data)
        data += more
    return data


def header(sock):
    """Returns version and source of the PROXY header, or of a health check None."""
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


def serve(name, sock, peer, port):
    try:
        sock.settimeout(5)
        version, source = header(sock)
        if source is None:
            return
        if source[0] != "127.0.0.1" or source == peer:
            raise ValueError("the source is %s:%d" % source)
        first = sock.recv(65536)
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


def ready(sock, *_):
    sock.recv(4096)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    sock.close()


def accept(listener, handle, *args):
    while True:
        sock, peer = listener.accept()
        threading.Thread(target=handle, args=(args[0], sock, peer, args[1]) if args else (sock, peer), daemon=True).start()


def main():
    jobs = [(socket.create_server(("127.0.0.1", int(sys.argv[1]))), ready)]
    for argument in sys.argv[2:]:
        name, ports = argument.split("=")
        listen, server = ports.split(":")
        jobs.append((socket.create_server(("127.0.0.1", int(listen))), serve, name, int(server)))
    for job in jobs[1:]:
        threading.Thread(target=accept, args=job, daemon=True).start()
    accept(*jobs[0])


main()
