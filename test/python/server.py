#!/usr/bin/env python3
"""server.py PORT VERSION: an echo server of one draft on 127.0.0.1.

Prints "listening 127.0.0.1:PORT" (port 0 takes a free one), and when a connection is
over "closed PATH MESSAGES BODY" with the body of the client's close frame in hex, or
"failed PATH TEXT" if the client broke a rule.

/close?code=N&reason=S  closes right after the handshake
/greet                  sends a message and a close in one write with the handshake
/fragments              echoes in three fragments, with a ping that must be answered
/slow                   sends every byte alone
/refuse                 answers 403
/liar                   answers the handshake with a wrong proof
/reserved               sends a frame with a reserved bit
"""

import sys

sys.dont_write_bytecode = True
import re
import socket
import threading
import urllib.parse

import drafts
from drafts import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from drafts import HandshakeError, ProtocolError, ServerHandshake
from peer import Connection

TIMEOUT = 10


def open_handshake(peer):
    """Reads the request and answers it; returns path and parameters."""
    hand = ServerHandshake(peer.version, peer.read_head())
    path, _, query = hand.target.partition("?")
    if path == "/refuse":
        raise HandshakeError("403 Forbidden")
    peer.pause = 0.0005 if path == "/slow" else 0
    response = hand.response()
    peer.connection_key = hand.connection_key
    if path == "/liar":
        response = re.sub(b"(?<=Accept: ).{8}", b"AAAAAAAA", response)
    more = b""
    if peer.version == "hybi-02":
        peer.write(response)  # the head does not wait for key3
        response = hand.digest(peer.read(8))
        response = bytes(16) if path == "/liar" else response
    if path == "/greet":
        more = peer.frame(TEXT, b"hello") + peer.frame(BINARY, b"again") + peer.frame(
            CLOSE, drafts.close_body(peer.version, False, 1001, "gone"))
    peer.write(response + more)
    return path, dict(urllib.parse.parse_qsl(query))


def echo(peer, path, opcode, payload, waiting):
    """Echoes a message; waiting takes what comes before the pong."""
    if path != "/fragments":
        return peer.send(opcode, payload)
    third = len(payload) // 3
    peer.send(opcode, payload[:third], fin=False)
    peer.send(PING, b"are you there")
    peer.send(CONTINUATION, payload[third : 2 * third], fin=False)
    while True:
        answer = peer.receive()
        if answer == (PONG, b"are you there"):
            break
        if answer[0] in (PONG, CLOSE):
            raise ProtocolError("%r instead of the pong" % (answer,))
        waiting.append(answer)
    peer.send(CONTINUATION, payload[2 * third :])


def talk(peer, path, parameters):
    """Echoes until both close frames are sent; returns messages and close body."""
    messages, waiting, closing = 0, [], path == "/greet"
    if path == "/close":
        peer.send(CLOSE, drafts.close_body(peer.version, False, int(parameters.get("code", 1000)),
                                           parameters.get("reason", "")))
        closing = True
    if path == "/reserved":
        peer.send(TEXT, b"x", bits0=0x40)
    while True:
        opcode, payload = waiting.pop(0) if waiting else peer.receive()
        if opcode == CLOSE:
            if peer.version == "hybi-06":
                drafts.close_code(payload)
            if not closing:
                peer.send(CLOSE, drafts.close_answer(peer.version, False, payload))
            return messages, payload
        if opcode == PING and not closing:
            peer.send(PONG, payload)
        elif opcode in (TEXT, BINARY) and not closing:
            messages += 1
            echo(peer, path, opcode, payload, waiting)
        elif opcode == PONG:
            raise ProtocolError("a pong nobody asked for")


def serve(sock, version, path="-"):
    sock.settimeout(TIMEOUT)
    peer = Connection(sock, version, client=False)
    try:
        path, parameters = open_handshake(peer)
        messages, body = talk(peer, path, parameters)
        print("closed %s %d %s" % (path, messages, body.hex()), flush=True)
    except HandshakeError as e:
        status = str(e) if str(e)[:3] == "403" else "400 Bad Request"
        print("failed %s %s" % (path, e), flush=True)
        peer.write(("HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    % status).encode())
    except ProtocolError as e:
        print("failed %s %s" % (path, e), flush=True)
        peer.send(CLOSE, drafts.close_body(version, False, e.code))
    except (EOFError, OSError) as e:
        print("failed %s %s: %s" % (path, type(e).__name__, e), flush=True)
    finally:
        linger(sock)


def linger(sock):
    """Ends TCP so that the last bytes are not lost to a reset."""
    try:
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(1)
        while sock.recv(1 << 16):
            pass
    except OSError:
        pass
    sock.close()


def main():
    if len(sys.argv) != 3 or sys.argv[2] not in drafts.VERSIONS:
        sys.exit("usage: server.py PORT " + "|".join(drafts.VERSIONS))
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
        print("listening 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=serve, args=(sock, sys.argv[2]), daemon=True).start()


if __name__ == "__main__":
    main()
