package drafts

var frameRules = []Rule{
	{
		Name: "frame", Part: "frames", Title: "the form of a frame",
		Words: "frame layout format header bytes",
		Steps: []Step{
			step("hixie-00", Text, "a first byte below 80, and bytes up to the next FF; or a first byte from 80 on, a length, and so many bytes. Text is 00, UTF-8, FF", "WHATWG 41b1f18a", "hixie-75 4.2"),
			step("hybi-01", Program, "two bytes: MORE, RSV1 to RSV3 and an opcode, then RSV4 and a length of seven bits; then a longer length, and the payload", "PWN", "EM framing03.rb", "PW 7a5ec43"),
			news("hybi-04", Program, "FIN stands in place of MORE; a client's frame has four bytes of a nonce before it", "before a client's frame four bytes of a nonce; then two bytes: FIN, RSV1 to RSV3 and an opcode, then RSV4 and a length of seven bits; then a longer length, and the payload", "PWN", "PW 653e4dc"),
			news("hybi-05", Program, "a client's frame has the four bytes of its mask before it", "before a client's frame four bytes of its mask; then two bytes: FIN, RSV1 to RSV3 and an opcode, then RSV4 and a length of seven bits; then a longer length, and the payload", "EM framing05.rb", "LWS", "RUN"),
			step("hybi-07", Program, "two bytes: FIN, RSV1 to RSV3 and an opcode, then MASK and a length of seven bits; then a longer length, the mask if there is one, and the payload", "EM framing07.rb", "GECKO"),
			restated("RFC 6455", Text, "two bytes: FIN, RSV1 to RSV3 and an opcode, then MASK and a length of seven bits; then a longer length, the mask if MASK is set, and the payload", "RFC 6455 5.2"),
			step("RFC 8441", Text, "that of RFC 6455, masks included, within DATA frames of HTTP/2, whose borders mean nothing", "RFC 8441 5"),
		},
	},
	{
		Name: "opcodes", Part: "frames", Title: "the types of frames",
		Words: "opcode type number text binary ping pong close reserved unknown",
		Codes: []string{"opcode", "hixie_type"},
		Steps: []Step{
			step("hixie-00", Text, "00 is text. All others are reserved: a client skips them", "WHATWG 41b1f18a", "hixie-75 4.2"),
			step("hixie-76", Text, "00 is text, and FF 00 is a close. All others are reserved: a client skips them, and a server may abort", "hixie-76 4.2", "hixie-76 5.3"),
			step("hybi-01", Program, "0 continuation, 1 close, 2 ping, 3 pong, 4 text, 5 binary", "PW 7a5ec43", "EM framing03.rb", "JETTY D01"),
			step("hybi-07", Program, "0 continuation, 1 text, 2 binary, 8 close, 9 ping, A pong; from 8 on they are of control frames", "EM framing07.rb", "GECKO"),
			news("hybi-08", Program, "a frame with another one is ignored", "0 continuation, 1 text, 2 binary, 8 close, 9 ping, A pong; a frame with another one is ignored", "LWS 25a56b0"),
			news("hybi-09", Program, "a frame with another one fails the connection. The authors of pywebsocket marked that as not certain", "0 continuation, 1 text, 2 binary, 8 close, 9 ping, A pong; a frame with another one fails the connection, which the authors of pywebsocket marked as not certain", "PWN"),
			restated("RFC 6455", Text, "0 continuation, 1 text, 2 binary, 8 close, 9 ping, A pong; another one fails the connection", "RFC 6455 5.2"),
		},
	},
	{
		Name: "last-frame", Part: "frames", Title: "the bit that says whether a frame is its message's last",
		Words: "FIN MORE final bit fragment",
		Steps: []Step{
			step("hixie-00", Text, "there is none: a frame is a message", "hixie-75 4.2"),
			step("hybi-01", Program, "MORE: 1 says that another frame follows", "PWN", "EM framing03.rb"),
			step("hybi-04", Program, "FIN: 1 says that this is the last one", "PWN"),
			restated("RFC 6455", Text, "FIN: 1 says that this is the last one", "RFC 6455 5.2"),
		},
	},
	{
		Name: "masking", Part: "frames", Title: "how a client masks what it sends",
		Words: "mask XOR key nonce SHA-1 client frames proxy cache poisoning",
		Steps: []Step{
			step("hixie-00", Text, "not at all", "hixie-75 4.2"),
			step("hybi-04", Program, "head and payload are XORed with the 20 bytes of the SHA-1 of a nonce of four bytes, which stands in clear before them, and of the connection's key: the SHA-1 of Sec-WebSocket-Key, Sec-WebSocket-Nonce and 61AC5F19-FBBA-4540-B96F-6561F1AB40A8", "PW 653e4dc", "hybi-04 4.2"),
			step("hybi-05", Program, "head and payload are XORed with four random bytes, which stand in clear before them", "PWN", "EM framing05.rb", "PW 3ebb789"),
			step("hybi-07", Program, "the payload alone is XORed with four random bytes, which stand at the end of the head", "EM framing07.rb", "GECKO"),
			restated("RFC 6455", Text, "the payload is XORed with four bytes at the end of the head, from a strong source and new for each frame", "RFC 6455 5.3", "RFC 6455 10.3"),
		},
	},
	{
		Name: "unmasked", Part: "frames", Title: "frames that are masked, or not, by the wrong side",
		Words: "unmasked client frame masked server frame mask bit 1002",
		Codes: []string{"mask_missing", "mask_unexpected"},
		Steps: []Step{
			step("hybi-04", Program, "cannot be told: nothing in a frame says whether it is masked", "PW 653e4dc"),
			step("hybi-07", Program, "the bit MASK tells; Firefox 6 took masked frames of a server", "GECKO", "hybi-07 4.1"),
			step("hybi-15", Program, "a server must close with 1002 on a frame that is not masked, and a client on one that is", "PWN"),
			restated("RFC 6455", Text, "a server must close the connection on a frame that is not masked, and a client on one that is; 1002 says so", "RFC 6455 5.1"),
		},
	},
	{
		Name: "length", Part: "frames", Title: "how a length is written",
		Words: "length 126 127 minimal 64 bit size base 128",
		Codes: []string{"length_msb", "length_nonminimal", "hixie_length"},
		Steps: []Step{
			step("hixie-00", Text, "text has none: FF ends it. Others: seven bits in a byte, the highest first, and the top bit says that another byte follows", "hixie-75 4.2"),
			step("hybi-01", Program, "up to 125 in seven bits; 126 is followed by 16 bits, 127 by 64", "EM framing03.rb", "JETTY D01"),
			news("hybi-14", Program, "in as few bytes as it needs", "up to 125 in seven bits; 126 is followed by 16 bits, 127 by 64; in as few bytes as it needs", "PWN"),
			restated("RFC 6455", Text, "up to 125 in seven bits; 126 is followed by 16 bits, 127 by 64 of which the first is 0; in as few bytes as it needs", "RFC 6455 5.2"),
		},
	},
	{
		Name: "reserved-bits", Part: "frames", Title: "bits that no extension has claimed",
		Words: "RSV RSV1 RSV2 RSV3 RSV4 reserved bit extension",
		Codes: []string{"rsv"},
		Steps: []Step{
			step("hybi-01", Program, "RSV1 to RSV3 are for extensions, RSV4 for the future", "PW 7a5ec43", "EM framing03.rb"),
			news("hybi-04", Program, "a set bit fails the connection", "RSV1 to RSV3 are for extensions, RSV4 for the future; a set bit fails the connection", "PW 653e4dc"),
			step("hybi-07", Unverified, "RSV1 to RSV3: MASK has the place of RSV4. What a set one does was not found", "EM framing07.rb"),
			step("hybi-08", Program, "a receiver ignores a set bit", "LWS 815fa23"),
			step("hybi-09", Program, "a set bit fails the connection", "PWN"),
			restated("RFC 6455", Text, "a set bit fails the connection", "RFC 6455 5.2"),
			step("RFC 7692", Text, "RSV1 on the first frame of a message says that the message is compressed", "RFC 7692 6"),
		},
	},
	{
		Name: "fragments", Part: "frames", Title: "messages in several frames",
		Words: "fragment fragmentation continuation interleave message",
		Codes: []string{"continuation_orphan", "message_interleaved"},
		Steps: []Step{
			step("hixie-00", Text, "there are none", "hixie-75 4.2"),
			step("hybi-01", Program, "the first frame has the opcode, the others 0; control frames may stand between them", "PW 7a5ec43", "EM framing03.rb"),
			restated("RFC 6455", Text, "the first frame has the opcode, the others 0; no other message begins within one, control frames may stand between them, and an intermediary may cut anew", "RFC 6455 5.4"),
		},
	},
	{
		Name: "control-frames", Part: "frames", Title: "what a control frame must not be",
		Words: "control frame 125 fragmented ping pong close",
		Codes: []string{"control_long", "control_fragmented"},
		Steps: []Step{
			step("hybi-01", Program, "in several frames", "PW 7a5ec43", "hybi-02 4.4"),
			step("hybi-07", Program, "in several frames, or above 125 bytes. Whether the limit is older was not found", "EM framing07.rb"),
			restated("RFC 6455", Text, "in several frames, or above 125 bytes", "RFC 6455 5.5"),
		},
	},
	{
		Name: "text", Part: "frames", Title: "text that is not UTF-8",
		Words: "UTF-8 utf8 invalid text replace U+FFFD 1007",
		Codes: []string{"utf8"},
		Steps: []Step{
			step("hixie-00", Text, "a client puts U+FFFD in place of what is wrong; what a server does is not defined", "hixie-75 4.4", "hixie-75 5.4"),
			step("hybi-10", Program, "fails the connection with 1007", "PWN", "PW ad83f14"),
			restated("RFC 6455", Text, "fails the connection", "RFC 6455 8.1"),
		},
	},
	{
		Name: "binary", Part: "frames", Title: "binary messages",
		Words: "binary blob arraybuffer",
		Steps: []Step{
			step("hixie-00", Program, "there are none. Type 80 has a length and could hold them, and a few programs agreed on that among themselves", "hixie-75 4.2", "KAAZING", "JETTY D00"),
			step("hybi-01", Program, "opcode 5", "PW 7a5ec43", "EM framing03.rb"),
			step("hybi-07", Program, "opcode 2", "EM framing07.rb", "GECKO"),
			restated("RFC 6455", Text, "opcode 2", "RFC 6455 5.6"),
		},
	},
	{
		Name: "ping", Part: "frames", Title: "ping and pong",
		Words: "ping pong keepalive heartbeat unsolicited",
		Steps: []Step{
			step("hixie-00", Text, "there are none", "hixie-75 4.2"),
			step("hybi-01", Program, "a ping is answered by a pong with its body; a pong that nobody has asked for is an error", "PW 7a5ec43"),
			step("hybi-07", Program, "a ping is answered by a pong with its body; a pong may come unasked", "PW d5bfe10"),
			restated("RFC 6455", Text, "a ping is answered by a pong with its body; of several pings the last one is enough; a pong may come unasked", "RFC 6455 5.5.2", "RFC 6455 5.5.3"),
		},
	},
	{
		Name: "compression", Part: "frames", Title: "compression",
		Words: "deflate compress deflate-stream deflate-frame permessage-deflate x-webkit-deflate-frame window context takeover",
		Codes: []string{"deflate"},
		Steps: []Step{
			step("hixie-00", Text, "there is none", "hixie-75 4.2"),
			step("hybi-03", Program, "an extension \"compression\": all bytes of a direction are one DEFLATE stream", "PWN"),
			step("hybi-04", Program, "the extension deflate-stream, which is agreed on by Sec-WebSocket-Extensions; it hides where frames begin", "PW", "LWS 66a36ff", "GECKO"),
			step("hybi-13", Unverified, "none in the document; deflate-stream is gone. In which draft it went was not found", "PWN"),
			restated("RFC 6455", Text, "none in the document; extensions may add it", "RFC 6455 9"),
			step("RFC 7692", Text, "permessage-deflate: a message is one run of DEFLATE without its last four bytes, and RSV1 of its first frame says so. deflate-frame, in which each frame is one, was never an RFC", "RFC 7692 7"),
		},
	},
}
