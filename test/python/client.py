#!/usr/bin/env python3
"""client.py URL VERSION: holds an echo server against one draft.

Prints "ok CASE" or "not ok CASE # detail" for each case; exit code 1 if one failed.
The server echoes messages, speaks the subprotocol "sample", and closes on the path
/close?code=4001&reason=bye right after the handshake.
"""

import sys

sys.dont_write_bytecode = True
import re
import socket
import time

import drafts
from drafts import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from drafts import ClientHandshake, HandshakeError, ProtocolError
from peer import Connection

TIMEOUT = 6
SIZES = (0, 125, 126, 65535, 65536, 1048576)
CASES = []  # (name, versions, function)
ALL, LATER = drafts.VERSIONS, drafts.VERSIONS[1:]


class Wrong(Exception):
    """The server did something else than the draft says."""


def case(name, versions=ALL):
    def add(function):
        CASES.append((name, versions, function))
        return function

    return add


def want(what, got, expected):
    if got != expected:
        raise Wrong("%s: got %s, want %s" % (what, short(got), short(expected)))


def short(value):
    text = repr(value)
    return text if len(text) < 120 else text[:100] + "... (%d)" % len(text)


class Target:
    """The server under test; open() is a connection whose handshake is done."""

    def __init__(self, url, version):
        parts = re.fullmatch(r"ws://([^/:]+):(\d+)(/.*)?", url)
        if not parts:
            sys.exit("not a URL like ws://127.0.0.1:8080/: " + url)
        self.version, self.name, self.port = version, parts[1], int(parts[2])
        self.path = parts[3] or "/"
        self.host = "%s:%d" % (self.name, self.port)
        self.sockets = []

    def connect(self):
        sock = socket.create_connection((self.name, self.port), TIMEOUT)
        self.sockets.append(sock)
        return Connection(sock, self.version, client=True)

    def handshake(self, target=None, **how):
        return ClientHandshake(self.version, self.host, target or self.path, **how)

    def open(self, target=None, pause=0, behind=b"", **how):
        hand, peer = self.handshake(target, **how), self.connect()
        peer.pause = pause
        peer.write(hand.request + hand.key3 + behind)
        return self.finish(peer, hand)

    def finish(self, peer, hand):
        """Judges the server's answer; the connection is open then."""
        hand.check(peer.read_head())
        if self.version == "hybi-02":
            want("digest", peer.read(16), hand.digest())
        peer.connection_key, peer.protocol = hand.connection_key, hand.protocol
        return peer

    def refused(self, request):
        """The server refuses the request: a status from 400 on, then the end."""
        peer = self.connect()
        peer.write(request)
        start = peer.read_head().start
        if not re.match(r"HTTP/1\.1 4\d\d ", start):
            raise Wrong("accepted: " + start)

    def done(self):
        for sock in self.sockets:
            sock.close()
        self.sockets = []


def echo(peer, opcode, payload):
    peer.send(opcode, payload)
    want("echo", peer.receive(), (opcode, payload))


def leave(peer):
    """Closes as the draft says and expects the server to end TCP. [5]"""
    body = drafts.close_body(peer.version, True, 1000)
    close(peer, body, drafts.close_answer(peer.version, False, body))


def close(peer, body, answer):
    peer.send(CLOSE, body)
    opcode, got = peer.receive()
    want("opcode of the answer", opcode, CLOSE)
    if peer.version == "hybi-06":
        want("code of the answer", got[:2], answer[:2])
        drafts.close_code(got)
    else:
        want("body of the answer", got, answer)
    ended(peer)


def ended(peer):
    """The server closes TCP first. [5]"""
    try:
        raise Wrong("more bytes behind the close: %r" % peer.read(1))
    except EOFError:
        pass


def thrown_out(peer, data):
    """The server closes on data: with a close frame of the draft first, or without."""
    peer.write(data)
    try:
        opcode, body = peer.receive()
        if opcode != CLOSE:
            raise Wrong("answered with %d %s" % (opcode, short(body)))
        if peer.version == "hybi-06":
            want("code", drafts.close_code(body)[0], 1002)
        elif peer.version != "hybi-02":
            want("body", body, drafts.close_body(peer.version, False))
        peer.send(CLOSE, drafts.close_answer(peer.version, True, body))
        ended(peer)
    except (EOFError, ConnectionResetError, BrokenPipeError):
        pass


# ------------------------------------------------------------------- handshake


@case("handshake and close")
def _(target):
    leave(target.open())


@case("handshake byte by byte")
def _(target):
    peer = target.open(pause=0.0005)
    peer.pause = 0
    echo(peer, TEXT, b"slow")


@case("path and query in upper and lower case")
def _(target):
    echo(target.open("/A%20b/c?D=e&f=%2F"), TEXT, b"x")  # hybi-02 compares the location


@case("subprotocol")
def _(target):
    peer = target.open(protocols=["sample"])
    want("subprotocol", peer.protocol, "sample")
    echo(peer, TEXT, b"x")


@case("subprotocol, one of a list")
def _(target):
    protocols = ["sample", "chat", "superchat"]
    peer = target.open(protocols=protocols)
    if peer.protocol not in protocols:
        raise Wrong("answered %r" % peer.protocol)
    echo(peer, TEXT, b"x")


@case("subprotocols in two lines", LATER)
def _(target):
    peer = target.open(protocols=["sample"], extra=[("Sec-WebSocket-Protocol", "chat")])
    want("subprotocol", peer.protocol, "sample")


@case("no subprotocol unasked")
def _(target):
    want("subprotocol", target.open().protocol, None)


@case("an extension is declined", LATER)
def _(target):
    target.open(extra=[("Sec-WebSocket-Extensions", "deflate-stream")])


@case("key3 after the 101 head, in two pieces", ["hybi-02"])
def _(target):
    hand, peer = target.handshake(), target.connect()
    peer.write(hand.request)
    head = peer.read_head()  # does not wait for key3
    hand.check(head)
    peer.write(hand.key3[:3])
    time.sleep(0.1)
    peer.write(hand.key3[3:])
    want("digest", peer.read(16), hand.digest())
    echo(peer, TEXT, b"late")


@case("key3 with Content-Length: 8", ["hybi-02"])
def _(target):
    echo(target.open(extra=[("Content-Length", "8")]), TEXT, b"x")


@case("a frame directly behind the request", ["hybi-05", "hybi-06"])
def _(target):
    frame = drafts.encode(target.version, TEXT, b"early", client=True)
    want("echo", target.open(behind=frame).receive(), (TEXT, b"early"))


@case("Sec-WebSocket-Draft 1 and 3", ["hybi-02"])
def _(target):
    for draft in "13":
        echo(target.open(draft=draft), TEXT, draft.encode())


@case("a key of 15 bytes", LATER)
def _(target):
    echo(target.open(key="MTIzNDU2Nzg5MDEyMzQ1"), TEXT, b"x")  # [14]


@case("no origin", ["hybi-06"])
def _(target):
    hand = target.handshake()
    hand.fields = [f for f in hand.fields if f[0] != "Sec-WebSocket-Origin"]
    peer = target.connect()
    peer.write(hand.request)
    echo(target.finish(peer, hand), TEXT, b"x")


@case("Connection: keep-alive, Upgrade", ["hybi-06"])
def _(target):
    hand = target.handshake()
    hand.fields[1] = ("Connection", "keep-alive, Upgrade")
    peer = target.connect()
    peer.write(hand.request)
    echo(target.finish(peer, hand), TEXT, b"x")


@case("bad keys are refused", ["hybi-02"])
def _(target):
    # no space, a remainder, above 64 bits, a quotient above 32 bits, no digit
    for key in ("1234", "1 2 3", "1 99999999999999999999", "1 2345678901", "a b"):
        hand = target.handshake()
        hand.fields = [(n, key if n == "Sec-WebSocket-Key2" else v) for n, v in hand.fields]
        try:
            target.refused(hand.request + hand.key3)
        except Wrong as e:
            raise Wrong("%r %s" % (key, e))
        except (EOFError, ConnectionResetError):
            pass  # the text lets the server just end TCP


@case("one key of two is refused", ["hybi-02"])
def _(target):
    hand = target.handshake()
    hand.fields = [f for f in hand.fields if f[0] != "Sec-WebSocket-Key2"]
    target.refused(hand.request + hand.key3)


@case("no key, an empty key, two keys are refused", LATER)
def _(target):
    for keys in ([], [""], [drafts.random_base64(), drafts.random_base64()]):
        hand = target.handshake()
        hand.fields = [f for f in hand.fields if f[0] != "Sec-WebSocket-Key"]
        hand.fields += [("Sec-WebSocket-Key", k) for k in keys]
        target.refused(hand.request)


# -------------------------------------------------------------------- messages


def sized(size):
    @case("text of %d bytes" % size)
    def _(target):
        echo(target.open(), TEXT, (b"draftwire " * (size // 10 + 1))[:size])

    @case("binary of %d bytes" % size)
    def _(target):
        echo(target.open(), BINARY, (bytes(range(256)) * (size // 256 + 1))[:size])


for _size in SIZES:
    sized(_size)


@case("characters of two, three and four bytes")
def _(target):
    peer = target.open()
    for text in ("\u00fc", "\u65e5\u672c", "\U0001f600\U0010ffff", "a\u00fc\u65e5\U0001f600"):
        echo(peer, TEXT, text.encode())


@case("long text of characters of three and four bytes")
def _(target):
    echo(target.open(), TEXT, ("\u65e5\U0001f600" * 20000).encode())


@case("bytes 00 and FF")
def _(target):
    peer = target.open()
    echo(peer, TEXT, b"a\x00b")
    echo(peer, BINARY, b"\x00\xff\xff\x00")


@case("messages back to back")
def _(target):
    peer = target.open()
    messages = [(TEXT, b"m%d" % i) if i % 2 else (BINARY, b"\xff" * i) for i in range(50)]
    peer.write(b"".join(peer.frame(*m) for m in messages))
    for message in messages:
        want("echo", peer.receive(), message)


@case("bytes one at a time")
def _(target):
    peer = target.open()
    peer.pause = 0.002
    echo(peer, TEXT, "h\u00e9llo".encode())
    echo(peer, BINARY, b"z" * 130)


@case("three fragments with a ping between")
def _(target):
    peer = target.open()
    peer.send(TEXT, b"one ", fin=False)
    peer.send(CONTINUATION, b"two ", fin=False)
    peer.send(PING, b"between")
    want("pong before the echo", peer.receive(), (PONG, b"between"))
    peer.send(CONTINUATION, b"three")
    want("echo", peer.receive(), (TEXT, b"one two three"))


@case("a character cut by a fragment, empty fragments")
def _(target):
    peer = target.open()
    text = "\u65e5\U0001f600".encode()
    for i in range(len(text)):
        peer.send(CONTINUATION if i else TEXT, text[i : i + 1], fin=False)
    peer.send(CONTINUATION, b"", fin=False)
    peer.send(CONTINUATION, b"")
    want("echo", peer.receive(), (TEXT, text))


@case("pings of 0 and 125 bytes")
def _(target):
    peer = target.open()
    for body in (b"", bytes(range(125))):
        peer.send(PING, body)
        want("pong", peer.receive(), (PONG, body))


@case("lengths longer than needed")
def _(target):
    peer = target.open()
    for length_bytes in (2, 8):  # accepted up to draft 13
        peer.send(TEXT, b"long", length_bytes=length_bytes)
        want("echo", peer.receive(), (TEXT, b"long"))


@case("masks of zero", ["hybi-05", "hybi-06"])
def _(target):
    peer = target.open()
    peer.send(TEXT, b"bare", prefix=bytes(4))
    want("echo", peer.receive(), (TEXT, b"bare"))


# --------------------------------------------------------------------- closing


@case("close behind messages")
def _(target):
    peer = target.open()
    echo(peer, TEXT, b"a")
    echo(peer, BINARY, b"b" * 300)
    leave(peer)


@case("close, every byte alone")
def _(target):
    peer = target.open()
    peer.pause = 0.002
    leave(peer)


@case("close with a body that comes back", ["hybi-02"])
def _(target):
    for body in (b"bye", b"\x00\xff\x80", b"x" * 125):
        close(target.open(), body, body)


@case("close with code and reason", ["hybi-06"])
def _(target):
    for code in (1000, 1001, 1003, 3000, 4999):
        body = drafts.close_body("hybi-06", True, code, "gr\u00fc\u00df")
        close(target.open(), body, body)


@case("close with a code that is none", ["hybi-06"])
def _(target):
    for body in (b"\x03", b"\x03\xe7", b"\x03\xed", b"\x03\xee", b"\x13\x88"):
        peer = target.open()
        thrown_out(peer, peer.frame(CLOSE, body))


@case("close without a body", ["hybi-06"])
def _(target):
    peer = target.open()
    peer.send(CLOSE)
    want("answer", peer.receive(), (CLOSE, b""))
    ended(peer)


@case("close by the server")
def _(target):
    peer = target.open("/close?code=4001&reason=bye")
    opcode, body = peer.receive()
    want("opcode", opcode, CLOSE)
    if peer.version == "hybi-06":
        want("code and reason", drafts.close_code(body), (4001, "bye"))
    elif peer.version != "hybi-02":
        want("body", body, drafts.close_body(peer.version, False))
    peer.send(CLOSE, drafts.close_answer(peer.version, True, body))
    ended(peer)


# ------------------------------------------------------------------- bad input


def bad(name, *frames):
    """Each of frames, on a connection of its own, makes the server close."""

    @case("bad: " + name)
    def _(target):
        for number, frame in enumerate(frames):
            try:
                peer = target.open()
                thrown_out(peer, b"".join(peer.frame(*a, **k) for a, k in frame))
            except Wrong as e:
                raise Wrong("frame %d: %s" % (number, e))


def f(*args, **kwargs):
    return args, kwargs


bad("reserved bits", *([f(TEXT, b"x", bits0=b)] for b in (0x40, 0x20, 0x10)))
bad("reserved bit of the second byte", [f(TEXT, b"x", bits1=0x80)])
bad("reserved bit in a control frame", [f(PING, b"x", bits0=0x40)])
bad("reserved opcodes", *([f(o, b"x")] for o in range(6, 16)))
bad("fragmented control frames", *([f(o, b"", fin=False)] for o in (CLOSE, PING, PONG)))
bad("ping of 126 bytes", [f(PING, b"x" * 126)])
bad("continuation without a start", [f(CONTINUATION, b"x")])
bad("a message inside a message", [f(TEXT, b"x", fin=False), f(TEXT, b"y")])


@case("bad: text that is not UTF-8")
def _(target):
    for text in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe6\x97"):
        peer = target.open()
        thrown_out(peer, peer.frame(TEXT, text))


@case("bad: a length of 2^63")
def _(target):
    peer = target.open()
    data = bytes([4 if peer.version == "hybi-02" else 0x84, 127]) + b"\x80" + bytes(7)
    if peer.version != "hybi-02":
        key = drafts.frame_key(peer.version, b"abcd", peer.connection_key)
        data = b"abcd" + drafts.xor(data, key)
    peer.write(data)
    try:
        want("opcode", peer.receive()[0], CLOSE)  # code: protocol error or too large
    except (EOFError, ConnectionResetError):
        pass


def main():
    if len(sys.argv) != 3 or sys.argv[2] not in drafts.VERSIONS:
        sys.exit("usage: client.py URL " + "|".join(drafts.VERSIONS))
    target, failed = Target(sys.argv[1], sys.argv[2]), 0
    for name, versions, run in CASES:
        if target.version not in versions:
            continue
        try:
            run(target)
            print("ok " + name, flush=True)
        except (Wrong, HandshakeError, ProtocolError, EOFError, OSError) as e:
            failed += 1
            print("not ok %s # %s: %s" % (name, type(e).__name__, e), flush=True)
        finally:
            target.done()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
