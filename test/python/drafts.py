"""Handshake and frames of four WebSocket drafts of 2010 and 2011, both sides.

An implementation for tests that shares nothing with the Go code beside it. The
four wire versions: hybi-02 (drafts 01 to 03), hybi-04, hybi-05 and hybi-06.
"""

import base64
import collections
import hashlib
import os
import random
import struct

VERSIONS = ("hybi-02", "hybi-04", "hybi-05", "hybi-06")
# The same opcodes in all four; 6 and up are reserved.
CONTINUATION, CLOSE, PING, PONG, TEXT, BINARY = range(6)
CONTROL = (CLOSE, PING, PONG)
ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MASK_GUID = b"61AC5F19-FBBA-4540-B96F-6561F1AB40A8"  # hybi-04 only


class ProtocolError(Exception):
    """The other side broke a rule of framing; code is what hybi-06 would say."""

    def __init__(self, text, code=1002):
        super().__init__(text)
        self.code = code


class HandshakeError(Exception):
    """The opening handshake is not acceptable."""


# ---------------------------------------------------------------- keys, digests


def key_part(key):
    """The number hidden in Sec-WebSocket-Key1 or -Key2. [hybi-00 s5.2]"""
    digits = "".join(c for c in key if "0" <= c <= "9")
    spaces = key.count(" ")
    if not digits or not spaces:
        raise HandshakeError("key without digits or without spaces")
    number = int(digits)
    if number >= 1 << 64 or number % spaces or number // spaces >= 1 << 32:
        raise HandshakeError("key with an impossible number")
    return number // spaces


def challenge_digest(key1, key2, key3):
    """The 16 bytes behind the response of hybi-02. [hybi-00 s5.2]"""
    return hashlib.md5(struct.pack(">II", key_part(key1), key_part(key2)) + key3).digest()


def make_key():
    """A value for Sec-WebSocket-Key1 or -Key2. [hybi-00 s4.1]"""
    spaces = random.randint(1, 12)
    text = str(random.randint(0, (2**32 - 1) // spaces) * spaces)
    noise = [chr(c) for c in list(range(0x21, 0x30)) + list(range(0x3A, 0x7F))]
    for _ in range(random.randint(1, 12)):
        at = random.randint(0, len(text))
        text = text[:at] + random.choice(noise) + text[at:]
    for _ in range(spaces):  # never first, never last
        at = random.randint(1, len(text) - 1)
        text = text[:at] + " " + text[at:]
    return text


def accept_value(key):
    """Sec-WebSocket-Accept: the key is hashed as text, never decoded."""
    return base64.b64encode(hashlib.sha1(key.encode() + ACCEPT_GUID).digest()).decode()


def connection_key(key, nonce):
    """What masks the client's frames in hybi-04, with a nonce per frame."""
    return hashlib.sha1(key.encode() + nonce.encode() + MASK_GUID).digest()


def random_base64():
    return base64.b64encode(os.urandom(16)).decode()


# ---------------------------------------------------------------------- headers


class Head:
    """A start line and its fields; names are compared without case."""

    def __init__(self, data):
        lines = data.decode("latin-1").split("\r\n")
        self.start = lines[0]
        self.fields = []
        for line in lines[1:]:
            if not line:
                continue
            name, colon, value = line.partition(":")
            if not colon or not name:
                raise HandshakeError("not a header line: %r" % line)
            self.fields.append((name, value.strip(" \t")))

    def all(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def one(self, name):
        """The value of a field that must be there exactly once."""
        values = self.all(name)
        if len(values) != 1:
            raise HandshakeError("%d times %s" % (len(values), name))
        return values[0]

    def at_most_one(self, name):
        return self.one(name) if self.all(name) else None


def location(host, target):
    """Sec-WebSocket-Location; there is no TLS here."""
    host = host.lower()
    return "ws://" + (host[:-3] if host.endswith(":80") else host) + target


def _must(condition, text):
    if not condition:
        raise HandshakeError(text)


# ----------------------------------------------------------- handshake, client side


class ClientHandshake:
    """request is sent, then key3 (hybi-02); check() and digest() judge the answer."""

    def __init__(self, version, host, target="/", origin="http://example.com",
                 protocols=(), key=None, extra=(), draft="2"):
        self.version, self.host, self.target = version, host, target
        self.origin, self.protocols = origin, list(protocols)
        self.key3, self.connection_key = b"", None
        fields = [("Host", host), ("Connection", "Upgrade")]
        if version == "hybi-02":  #: hybi-00 plus the Draft field
            self.key1, self.key2 = make_key(), make_key()
            self.key3 = os.urandom(8)
            fields += [("Upgrade", "WebSocket"), ("Origin", origin),
                       ("Sec-WebSocket-Key1", self.key1), ("Sec-WebSocket-Key2", self.key2)]
            if draft:
                fields.append(("Sec-WebSocket-Draft", draft))
            separator = " "
        else:
            self.key = random_base64() if key is None else key
            fields += [("Upgrade", "websocket"), ("Sec-WebSocket-Origin", origin),
                       ("Sec-WebSocket-Key", self.key),
                       ("Sec-WebSocket-Version", str(int(version[-2:])))]
            separator = ", "
        if self.protocols:
            fields.append(("Sec-WebSocket-Protocol", separator.join(self.protocols)))
        self.fields = fields + list(extra)

    @property
    def request(self):
        lines = ["GET %s HTTP/1.1" % self.target] + ["%s: %s" % f for f in self.fields]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def check(self, head):
        """Judges the response head, which says everything but the digest of hybi-02."""
        _must(head.start.startswith("HTTP/1.1 101 "), "refused: " + head.start)
        _must(head.one("Connection").lower() == "upgrade", "Connection is not Upgrade alone")
        if self.version == "hybi-02":
            _must(head.one("Upgrade") == "WebSocket", "Upgrade is not WebSocket")
            _must(head.one("Sec-WebSocket-Origin") == self.origin.lower(), "wrong origin")
            _must(head.one("Sec-WebSocket-Location") == location(self.host, self.target),
                  "wrong location " + head.one("Sec-WebSocket-Location"))
            _must(not head.all("Sec-WebSocket-Draft"), "a Draft field in the response")
        else:
            _must(head.one("Upgrade").lower() == "websocket", "Upgrade is not websocket")
            _must(head.one("Sec-WebSocket-Accept") == accept_value(self.key), "wrong accept")
            _must(not head.all("Sec-WebSocket-Extensions"), "an extension nobody offered")
        if self.version == "hybi-04":  #; in 05 it may be there and means nothing
            self.connection_key = connection_key(self.key, head.one("Sec-WebSocket-Nonce"))
        self.protocol = head.at_most_one("Sec-WebSocket-Protocol")
        _must(self.protocol is None or self.protocol in self.protocols,
              "a subprotocol nobody offered: %r" % self.protocol)

    def digest(self):
        return challenge_digest(self.key1, self.key2, self.key3)


# ----------------------------------------------------------- handshake, server side


class ServerHandshake:
    """Judges a request head; response() is what to send, then digest() for hybi-02."""

    def __init__(self, version, head, protocols=("sample",)):
        self.version, self.head, self.connection_key = version, head, None
        method, self.target, http = (head.start.split(" ") + ["", ""])[:3]
        _must(method == "GET" and http == "HTTP/1.1", "not GET and HTTP/1.1: " + head.start)
        self.host = head.one("Host")
        _must(head.one("Upgrade").lower() == "websocket", "Upgrade is not WebSocket")
        tokens = [t.strip().lower() for t in head.one("Connection").split(",")]
        # Equality up to draft 05, a list with the token from 06 on.
        _must(tokens == ["upgrade"] or version == "hybi-06" and "upgrade" in tokens,
              "Connection: " + head.one("Connection"))
        if version == "hybi-02":
            _must(head.one("Sec-WebSocket-Draft") in ("1", "2", "3"), "not draft 1 to 3")
            _must(not head.all("Sec-WebSocket-Key") and not head.all("Sec-WebSocket-Version"),
                  "fields of a later version")
            self.key1, self.key2 = head.one("Sec-WebSocket-Key1"), head.one("Sec-WebSocket-Key2")
            key_part(self.key1), key_part(self.key2)  # judged before the 101
            self.origin = head.one("Origin")
            offered = (head.at_most_one("Sec-WebSocket-Protocol") or "").split()
        else:
            _must(head.one("Sec-WebSocket-Version") == str(int(version[-2:])), "other version")
            for name in ("Sec-WebSocket-Key1", "Sec-WebSocket-Key2", "Sec-WebSocket-Draft"):
                _must(not head.all(name), name + " in " + version)
            self.key = head.one("Sec-WebSocket-Key")
            _must(self.key, "an empty key")  # 16 bytes are not demanded [14]
            self.origin = head.at_most_one("Sec-WebSocket-Origin")
            _must(self.origin or version == "hybi-06", "no Sec-WebSocket-Origin")
            offered = [p.strip() for v in head.all("Sec-WebSocket-Protocol") for p in v.split(",")]
        self.protocol = next((p for p in offered if p in protocols), None)

    def response(self, nonce=None):
        if self.version == "hybi-02":
            start = "HTTP/1.1 101 WebSocket Protocol Handshake"
            fields = [("Upgrade", "WebSocket"), ("Connection", "Upgrade"),
                      ("Sec-WebSocket-Origin", self.origin.lower()),
                      ("Sec-WebSocket-Location", location(self.host, self.target))]
        else:
            start = "HTTP/1.1 101 Switching Protocols"
            fields = [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                      ("Sec-WebSocket-Accept", accept_value(self.key))]
            if self.version in ("hybi-04", "hybi-05"):
                nonce = nonce or random_base64()
                fields.append(("Sec-WebSocket-Nonce", nonce))
            if self.version == "hybi-04":
                self.connection_key = connection_key(self.key, nonce)
        if self.protocol:
            fields.append(("Sec-WebSocket-Protocol", self.protocol))
        lines = [start] + ["%s: %s" % f for f in fields]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def digest(self, key3):
        return challenge_digest(self.key1, self.key2, key3)


# ----------------------------------------------------------------------- frames

Frame = collections.namedtuple("Frame", "fin opcode payload")


def xor(data, key, start=0):
    """data XOR key repeated; start is how far into the frame data begins."""
    if not data:
        return b""
    start %= len(key)
    pad = ((key[start:] + key[:start]) * (len(data) // len(key) + 1))[: len(data)]
    number = int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")
    return number.to_bytes(len(data), "big")


def frame_key(version, prefix, conn_key):
    """What a client's frame is hidden with: 20 bytes in 04, 4 later."""
    return hashlib.sha1(prefix + conn_key).digest() if version == "hybi-04" else prefix


def encode(version, opcode, payload=b"", fin=True, client=False, conn_key=None,
           prefix=None, bits0=0, bits1=0, length_bytes=0):
    """One frame. bits0, bits1 and length_bytes are there to break the rules."""
    # The top bit is MORE in hybi-02 and FIN, its inverse, from 04 on.
    top = 0x80 if fin != (version == "hybi-02") else 0
    length = len(payload)
    length_bytes = length_bytes or (0 if length < 126 else 2 if length < 1 << 16 else 8)
    short = {0: length, 2: 126, 8: 127}[length_bytes]
    data = bytes([top | bits0 | opcode, bits1 | short])
    data += (length.to_bytes(length_bytes, "big") if length_bytes else b"") + payload
    if not client or version == "hybi-02":  # no mask towards clients, none at all in 02
        return data
    prefix = os.urandom(4) if prefix is None else prefix
    return prefix + xor(data, frame_key(version, prefix, conn_key))  # header included


def decode(version, read, from_client, conn_key=None):
    """One frame through read(n), which returns n bytes."""
    key = None
    if from_client and version != "hybi-02":
        key = frame_key(version, read(4), conn_key)
    at = 0

    def clear(n):
        nonlocal at
        data = read(n) if n else b""
        data, at = (xor(data, key, at) if key else data), at + n
        return data

    first, second = clear(2)
    if first & 0x70 or second & 0x80:
        raise ProtocolError("reserved bit")
    fin = bool(first & 0x80) != (version == "hybi-02")
    opcode, length = first & 0x0F, second & 0x7F
    if opcode > BINARY:
        raise ProtocolError("reserved opcode %d" % opcode)
    if opcode in CONTROL and not fin:
        raise ProtocolError("fragmented control frame")
    if opcode in CONTROL and length > 125:
        raise ProtocolError("control frame over 125 bytes")
    if length > 125:
        length = int.from_bytes(clear(2 if length == 126 else 8), "big")
        if length >> 63:
            raise ProtocolError("length with its top bit set")
    return Frame(fin, opcode, clear(length))


# ---------------------------------------------------------------------- closing


def close_body(version, client, code=None, reason=""):
    """The body of a close frame of one's own. [5]"""
    if version == "hybi-05":
        return b"C" if client else b"S"
    if version == "hybi-06" and code is not None:
        return struct.pack(">H", code) + reason.encode()
    return b""


def close_answer(version, client, body):
    """The body of the answer to a close frame. [5]"""
    if version == "hybi-02":
        return body
    return body[:2] if version == "hybi-06" else close_body(version, client)


def close_code(body):
    """Code and reason of a close frame of hybi-06; no body is 1005. [5, 5.1]"""
    if not body:
        return 1005, ""
    if len(body) == 1:
        raise ProtocolError("close body of one byte")
    code = struct.unpack(">H", body[:2])[0]
    if code < 1000 or code in (1005, 1006) or 1015 <= code < 3000 or code >= 5000:
        raise ProtocolError("close code %d" % code)
    return code, utf8(body[2:])


def utf8(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolError("not UTF-8", 1002)  # 1007 came with draft 10
