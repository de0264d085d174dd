#!/usr/bin/env python3
"""Holds drafts.py against values from the drafts and from programs of the time."""

import sys

sys.dont_write_bytecode = True
import io

import drafts
import peer
from drafts import BINARY, CLOSE, PING, PONG, TEXT, Frame

failed = 0
KEY, NONCE = "dGhlIHNhbXBsZSBub25jZQ==", "H+cNj5elaybfGIQv1esl2w=="
CK = b"01234567890123456789"
MASK = bytes.fromhex("37fa213d")


def same(name, got, want):
    global failed
    if got == want:
        print("ok " + name)
    else:
        failed += 1
        print("not ok %s # got %r, want %r" % (name, got, want))


def read_all(version, data, from_client, conn_key=None):
    """Messages and control frames in data, or the text of the error."""
    stream, found = io.BytesIO(data), []

    def read(n):
        got = stream.read(n)
        if len(got) < n:
            raise EOFError
        return got

    end = peer.Connection(None, version, not from_client)
    end.connection_key, end.read = conn_key, read
    try:
        while stream.tell() < len(data):
            found.append(end.receive())
    except drafts.ProtocolError as e:
        found.append(str(e))
    return found


def frames(name, version, hexes, want, from_client=False, conn_key=None, sent=None):
    data = bytes.fromhex(hexes)
    same(name + " read", read_all(version, data, from_client, conn_key), want)
    if sent is not None:
        made = b"".join(
            drafts.encode(version, f.opcode, f.payload, f.fin, from_client, conn_key, p)
            for p, f in sent)
        same(name + " written", made, data)


def error(name, version, hexes, text, **how):
    frames(name, version, hexes, [text], **how)


# hybi-02: keys, digest, Draft field, frames with MORE
K1, K2, K3 = "4 @1  46546xW%0l 1 5", "12998 5 Y3 1  .P00", b"^n:ds[4U"
same("hy02-hs-01 digest", drafts.challenge_digest(K1, K2, K3), b"8jKS'y:G*Co,Wxa-")
head = drafts.Head((
    "GET /demo HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: example.com\r\n"
    "Origin: http://example.com\r\nSec-WebSocket-Protocol: sample\r\nSec-WebSocket-Draft: 2\r\n"
    "Sec-WebSocket-Key1: " + K1 + "\r\nSec-WebSocket-Key2: " + K2 + "\r\n\r\n").encode())
same("hy02-hs-01 response", drafts.ServerHandshake("hybi-02", head).response(),
     b"HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
     b"Sec-WebSocket-Origin: http://example.com\r\n"
     b"Sec-WebSocket-Location: ws://example.com/demo\r\nSec-WebSocket-Protocol: sample\r\n\r\n")
frames("hy02-fr-01", "hybi-02", "040548656c6c6f", [(TEXT, b"Hello")],
       sent=[(None, Frame(True, TEXT, b"Hello"))])
frames("hy02-fr-02", "hybi-02", "840348656c00026c6f", [(TEXT, b"Hello")],
       sent=[(None, Frame(False, TEXT, b"Hel")), (None, Frame(True, 0, b"lo"))])
frames("hy02-fr-03", "hybi-02", "840348656c80026c6f000620776f726c64", [(TEXT, b"Hello world")],
       sent=[(None, Frame(False, TEXT, b"Hel")), (None, Frame(False, 0, b"lo")),
             (None, Frame(True, 0, b" world"))])
frames("hy02-fr-04", "hybi-02", "020548656c6c6f", [(PING, b"Hello")],
       sent=[(None, Frame(True, PING, b"Hello"))])
frames("hy02-fr-06", "hybi-02", "057e0100" + "61" * 256, [(BINARY, b"a" * 256)],
       sent=[(None, Frame(True, BINARY, b"a" * 256))])
frames("hy02-fr-07", "hybi-02", "057f0000000000010000" + "61" * 65536, [(BINARY, b"a" * 65536)],
       sent=[(None, Frame(True, BINARY, b"a" * 65536))])
error("hy02-fr-08", "hybi-02", "000166",
      "continuation without a start, or a start inside a message")
error("hy02-fr-09", "hybi-02", "400a48656c6c6f", "reserved bit")
frames("hy02-cl-01", "hybi-02", "0100", [(CLOSE, b"")])

# hybi-04: accept, connection key, the mask of the whole frame
same("hy04-hs-01 accept", drafts.accept_value(KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
same("hy04-hs-01 connection key", drafts.connection_key(KEY, NONCE).hex(),
     "6322a2adc02bc433e3896d34410b74bb7739f960")
same("hy04-fr-01 frame key", drafts.frame_key("hybi-04", b"ABCD", CK).hex(),
     "89303fc8dc3b79805212e699f7a5cf935c347528")
frames("hy04-fr-01", "hybi-04", "414243440d3577adb05716", [(TEXT, b"Hello")],
       from_client=True, conn_key=CK, sent=[(b"ABCD", Frame(True, TEXT, b"Hello"))])
frames("hy04-fr-02", "hybi-04",
       "414243448d3577adb057164142434489311f41424344893568a7ae571d4142434409311e",
       [(TEXT, b"Hello World!")], from_client=True, conn_key=CK,
       sent=[(b"ABCD", Frame(False, TEXT, b"Hello")), (b"ABCD", Frame(False, 0, b" ")),
             (b"ABCD", Frame(False, 0, b"World")), (b"ABCD", Frame(True, 0, b"!"))])
frames("hy04-fr-03", "hybi-04",
       "414243440d4e3fb6bd5a18e1337387f896c4aef23d551449e8515ea9bd5a18e1337387f896c4aef2"
       "3d551449e8515ea9bd5a18e1337387f896c4aef23d551449e8515ea9bd5a18e1337387f896c4aef2"
       "3d551449e8515ea9bd5a18e1337387f896c4aef23d551449e8515ea9bd5a18e1337387f896c4aef2"
       "3d551449e8515ea9bd5a18e13373",
       [(TEXT, b"a" * 126)], from_client=True, conn_key=CK,
       sent=[(b"ABCD", Frame(True, TEXT, b"a" * 126))])
frames("hy04-fr-07", "hybi-04", "040548656c6c6f0001200005576f726c64800121",
       [(TEXT, b"Hello World!")],
       sent=[(None, Frame(False, TEXT, b"Hello")), (None, Frame(False, 0, b" ")),
             (None, Frame(False, 0, b"World")), (None, Frame(True, 0, b"!"))])
frames("hy04-fr-08", "hybi-04", "820c48656c6c6f20576f726c6421", [(PING, b"Hello World!")])
frames("hy04-fr-09", "hybi-04", "830548656c6c6f", [(PONG, b"Hello")])
frames("hy04-fr-10", "hybi-04", "857e0100" + "61" * 256, [(BINARY, b"a" * 256)])
frames("hy04-fr-11", "hybi-04", "8403e697a5", [(TEXT, "\u65e5".encode())])
error("hy04-fr-13", "hybi-04", "414243448b3577adb05716", "fragmented control frame",
      from_client=True, conn_key=CK)
frames("hy04-cl-01", "hybi-04", "8100", [(CLOSE, b"")])
frames("hy04-cl-02", "hybi-04", "414243440830", [(CLOSE, b"")], from_client=True, conn_key=CK,
       sent=[(b"ABCD", Frame(True, CLOSE, b""))])
SAMPLE_CK = drafts.connection_key(KEY, NONCE)
frames("hy04-ses-01", "hybi-04", "37fa213db4627239" + "0102030461a4",
       [(TEXT, b"hi"), (CLOSE, b"")], from_client=True, conn_key=SAMPLE_CK,
       sent=[(MASK, Frame(True, TEXT, b"hi")), (b"\1\2\3\4", Frame(True, CLOSE, b""))])
wrong = read_all("hybi-04", bytes.fromhex("37fa213de727eac8ac47ab"), True, SAMPLE_CK)
same("hy04-fr-05 is not understood", wrong == [(TEXT, b"Hello")], False)


def head_of(version, more=""):
    return drafts.Head((
        "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: " + KEY + "\r\n" + more +
        "Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: " + version + "\r\n\r\n"
    ).encode())


ORIGIN = "Sec-WebSocket-Origin: http://example.com\r\n"
RESPONSE = ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n%s"
            "Sec-WebSocket-Protocol: chat\r\n\r\n")
NONCE_FIELD = "Sec-WebSocket-Nonce: " + NONCE + "\r\n"
for name, number, more, nonce in (
        ("hy04-hs-01", "4", ORIGIN, NONCE_FIELD), ("hy05-hs-01", "5", ORIGIN, NONCE_FIELD),
        ("hy06-hs-01", "6", ORIGIN, ""), ("hy06-hs-02", "6", "", "")):
    server = drafts.ServerHandshake("hybi-0" + number, head_of(number, more), ("chat",))
    same(name + " response", server.response(NONCE).decode(), RESPONSE % nonce)
    client = drafts.ClientHandshake("hybi-0" + number, "server.example.com", "/chat",
                                    protocols=("chat", "superchat"), key=KEY)
    client.check(drafts.Head((RESPONSE % nonce).encode()))
    same(name + " client", (client.protocol, client.connection_key),
         ("chat", SAMPLE_CK if number == "4" else None))
try:
    drafts.ClientHandshake("hybi-04", "h", key=KEY).check(drafts.Head((
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: me89jWimTRKTWwrS3aRrL53YZSo=\r\n"
        "Sec-WebSocket-Nonce: AQIDBAUGBwgJCgsMDQ4PEC==\r\n\r\n").encode()))
    same("hy04-hs-02", "accepted", "refused")
except drafts.HandshakeError as e:
    same("hy04-hs-02", str(e), "wrong accept")

# hybi-05 and hybi-06: four mask bytes, header masked too
for version in ("hybi-05", "hybi-06"):
    frames("hy05-fr-01 " + version, version, "37fa213db3ff69585b964e", [(TEXT, b"Hello")],
           from_client=True, sent=[(MASK, Frame(True, TEXT, b"Hello"))])
frames("hy05-fr-04", "hybi-05", "00000000840548656c6c6f", [(TEXT, b"Hello")], from_client=True)
frames("hy05-cl-01", "hybi-05", "810153", [(CLOSE, b"S")],
       sent=[(None, Frame(True, CLOSE, drafts.close_body("hybi-05", False)))])
frames("hy05-cl-02", "hybi-05", "37fa213db6fb62", [(CLOSE, b"C")], from_client=True,
       sent=[(MASK, Frame(True, CLOSE, drafts.close_body("hybi-05", True)))])
frames("hy06-fr-02", "hybi-06", "37fa213db5ff69585b964e", [(PING, b"Hello")], from_client=True,
       sent=[(MASK, Frame(True, PING, b"Hello"))])
frames("hy06-fr-03", "hybi-06", "37fa213d33f969585b0102030481006f6b", [(TEXT, b"Hello")],
       from_client=True,
       sent=[(MASK, Frame(False, TEXT, b"Hel")), (b"\1\2\3\4", Frame(True, 0, b"lo"))])
frames("hy06-cl-01", "hybi-06", "810203e8", [(CLOSE, b"\x03\xe8")],
       sent=[(None, Frame(True, CLOSE, drafts.close_body("hybi-06", False, 1000)))])
frames("hy06-cl-02", "hybi-06", "37fa213db6ff22d4558344", [(CLOSE, b"\x03\xe9bye")],
       from_client=True,
       sent=[(MASK, Frame(True, CLOSE, drafts.close_body("hybi-06", True, 1001, "bye")))])
same("hy06-cl-02 code", drafts.close_code(b"\x03\xe9bye"), (1001, "bye"))
frames("hy06-cl-03", "hybi-06", "37fa213db6fb22", [(CLOSE, b"\x03")],
       from_client=True)
try:
    same("hy06-cl-03", drafts.close_code(b"\x03"), "an error")
except drafts.ProtocolError as e:
    same("hy06-cl-03", (str(e), e.code), ("close body of one byte", 1002))
same("hy06-cl-04 code", drafts.close_code(b"\x03\xec"), (1004, ""))
for _ in range(300):
    drafts.key_part(drafts.make_key())
print("ok keys of one's own can be read back")
print("%s" % ("FAILED %d" % failed if failed else "all passed"))
sys.exit(1 if failed else 0)
