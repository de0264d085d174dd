package detect

// IsHybi01 reports whether b, the first byte that a client sends behind a
// hixie-76 handshake, begins a frame of hybi-01: an opcode from close to binary,
// with or without MORE (hybi-01 4.2). A legal hixie-76 client begins with 00 or
// FF, so it is never taken for one (hixie-76 5.3).
func IsHybi01(b byte) bool {
	opcode := b &^ 0x80
	return opcode >= 1 && opcode <= 5
}
