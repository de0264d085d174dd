package detect

// IsHybi01 reports whether b, the first byte that a client sends after a hixie-76 handshake,
// begins a frame of hybi-01: an opcode from close to binary, with or without MORE (hybi-01
// 4.2). A hixie-76 client begins with 00 or FF, so it is never taken for one (hixie-76 5.3).
func IsHybi01(b byte) bool {
	opcode := b &^ 0x80
	return opcode >= 1 && opcode <= 5
}

// IsHixie76 reports whether b, the first byte that a client sends after a handshake of
// hybi-02, begins a frame of hixie-76 (hixie-76 5.3). In hybi-02 00 would go on with a
// message that has not begun, and FF has an opcode that nobody uses (hybi-02 4.2).
func IsHixie76(b byte) bool { return b == 0x00 || b == 0xFF }
