// Package capture reads what was recorded on a network, and gives the bytes of its TCP
// connections in order: files of tcpdump and Wireshark (pcap and pcapng), with TLS opened
// where there are keys.
//
// Read gives each connection to a Sink, which is told of its bytes, of bytes that are missing
// from the capture, and of its end. Nothing waits for what does not come: lost bytes become a
// gap. What is held at once is bounded by Options.
package capture
