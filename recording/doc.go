// Package recording keeps what went over WebSocket connections of any version in a file: both
// heads byte by byte, each frame with its time, direction and version, and the messages that the
// frames make.
//
// # Format
//
// A file begins with the line "draftwire recording 1" and a line of JSON, which is a Header. Both
// end with LF. Records follow, each of them
//
//	length of the payload   uvarint (encoding/binary)
//	payload
//	checksum                4 bytes, little endian: CRC-32C of the payload
//
// A payload begins with the same fields:
//
//	kind                    1 byte, a letter
//	connection              uvarint, from 1
//	time                    uvarint, microseconds since Header.Began
//	from                    1 byte: 'c' client, 's' server, 0 for what is about both
//
// What follows depends on the kind. A string is its length as a uvarint, and its bytes.
//
//	'C' connection          version (its name), client, server, listener, route: strings; flags
//	'Q' request             the head, and what belongs to it behind it: string
//	'A' answer              version, head: strings
//	'F' frame               flags, operation, type (the first byte, without mask): 1 byte; size: uvarint; mask, payload: strings
//	'M' message             flags, operation: 1 byte; size: uvarint; payload: string
//	'L' lost                how many bytes of the direction were not recorded: uvarint
//	'E' end                 how the direction, or the connection, has ended: string; code: uvarint; reason: string
//
// Flags are 1 byte. The bit 1 says of a connection that the client's URL is wss, and of a frame or
// a message that its payload is not in the file: it was redacted, or is too long, and size is its
// length. The bit 2 of a message says that its payload is that of the frames of its direction since
// the last message, one behind the other, and not repeated. The bit 4 of a message says that it was
// compressed, of a frame that it is masked.
//
// The operation is a letter: 't' text, 'b' binary, 'c' a continuation, 'x' close, 'i' ping, 'o'
// pong, 'd' a frame that is discarded.
//
// A reader passes over records of kinds that it does not know, and over bytes behind the fields
// that it knows. The number in the first line changes where that is not enough.
//
// A writer that is killed leaves a last record that is not whole. A reader ends before it, and
// Append cuts it off.
package recording
