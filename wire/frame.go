package wire

// Frame describes a frame that was received or sent, for traces.
type Frame struct {
	Sent bool // by this side
	// Op is OpText, OpBinary, OpPing, OpPong, OpClose, OpContinuation for later frames of a
	// message, OpDiscard for frames that the version tells the receiver to skip, and OpNone for
	// what was no frame.
	Op Op
	// Type is the first byte of the frame without its mask: in hixie-75 and hixie-76 the frame
	// type (00 text, FF close), later the bits FIN, RSV1 to RSV3 and the opcode.
	Type   byte
	Fin    bool   // the last frame of its message
	Masked bool   // the payload was masked, and before hybi-07 the head too
	Length int64  // of the payload on the wire, in bytes; compressed payload is not expanded
	Head   []byte // the bytes before the payload as they were on the wire
	// Payload is the beginning of the payload without its mask, as much of it as was asked for.
	Payload []byte
	Err     error // why the frame was not accepted; what is known of it may then be only a part
}

// RSV returns the bits RSV1 to RSV3 of a frame of hybi-02 and later: 4 is RSV1, 1 is RSV3.
func (f *Frame) RSV() int { return int(f.Type>>4) & 7 }

// Opcode returns the opcode of a frame of hybi-02 and later.
func (f *Frame) Opcode() int { return int(f.Type) & 15 }
