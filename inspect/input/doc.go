// Package input reads what people attach to reports of what went over the wire, and gives the
// bytes of its connections to a capture.Sink: dumps of xxd, hexdump, tcpdump and Wireshark, logs
// of libwebsockets, strace, strings of Go and C, base64, pasted heads, HAR files, flows of
// mitmproxy, and the bytes themselves. Formats has the list. Which of them a text is, is found
// by looking at it, and so is who has sent what, where the format does not say.
package input
