package capture

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// maxKeyLog is how many lines a KeyLog keeps.
const maxKeyLog = 1 << 18

// KeyLog has secrets of TLS connections, in the format that browsers and others write to the
// file named by SSLKEYLOGFILE. It may be used by several goroutines, so it can be filled while
// connections are opened with it. It holds at most 262,144 lines.
type KeyLog struct {
	max     int // lines; 0: maxKeyLog
	mu      sync.RWMutex
	secrets map[secretID][]byte
}

// secretID is a line's label and the random number of the client.
type secretID struct {
	label  string
	random [32]byte
}

// The labels, by what they are for.
const (
	labelMaster          = "CLIENT_RANDOM" // TLS 1.2 and earlier
	labelEarly           = "CLIENT_EARLY_TRAFFIC_SECRET"
	labelClientHandshake = "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
	labelServerHandshake = "SERVER_HANDSHAKE_TRAFFIC_SECRET"
	labelClientTraffic   = "CLIENT_TRAFFIC_SECRET_0"
	labelServerTraffic   = "SERVER_TRAFFIC_SECRET_0"
)

// keyLogLabels has each label that is used, with itself: so that a line does not keep the text
// that it was cut from.
var keyLogLabels = map[string]string{
	labelMaster: labelMaster, labelEarly: labelEarly, labelClientHandshake: labelClientHandshake,
	labelServerHandshake: labelServerHandshake, labelClientTraffic: labelClientTraffic, labelServerTraffic: labelServerTraffic,
}

// ReadKeyLog reads a key log. Lines that are not of the format, or of secrets that open
// nothing, are ignored; without one line that is of use, the result is an error.
func ReadKeyLog(r io.Reader) (*KeyLog, error) {
	k := new(KeyLog)
	n, err := k.Add(r)
	if err == nil && n == 0 {
		err = errors.New("capture: no line of a key log: it has lines like CLIENT_RANDOM <64 hex digits> <96 hex digits>")
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Add reads more lines, and returns how many were of use.
func (k *KeyLog) Add(r io.Reader) (n int, err error) {
	lines := bufio.NewReaderSize(r, 1024) // a line has at most 31 + 64 + 128 letters and two spaces
	for {
		line, err := lines.ReadSlice('\n')
		if k.addLine(string(line)) {
			n++
		}
		for errors.Is(err, bufio.ErrBufferFull) { // what is longer is no line of ours
			_, err = lines.ReadSlice('\n')
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("capture: key log: %w", err)
		}
	}
}

func (k *KeyLog) addLine(line string) bool {
	f := strings.Fields(line)
	if len(f) != 3 {
		return false
	}
	label, ok := keyLogLabels[f[0]]
	if !ok {
		return false
	}
	random, err1 := hex.DecodeString(f[1])
	secret, err2 := hex.DecodeString(f[2])
	if err1 != nil || err2 != nil || len(random) != 32 || !goodSecret(label, secret) {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.secrets == nil {
		k.secrets = map[secretID][]byte{}
	}
	id := secretID{label, [32]byte(random)}
	if _, known := k.secrets[id]; !known && len(k.secrets) >= k.limit() {
		return false
	}
	k.secrets[id] = secret
	return true
}

func (k *KeyLog) limit() int {
	if k.max > 0 {
		return k.max
	}
	return maxKeyLog
}

// goodSecret reports whether a secret has a length that it can have: a master secret 48 bytes,
// another one the length of SHA-256 or SHA-384.
func goodSecret(label string, secret []byte) bool {
	if label == labelMaster {
		return len(secret) == 48
	}
	return len(secret) == 32 || len(secret) == 48
}

// secret returns a secret, or nil.
func (k *KeyLog) secret(label string, random [32]byte) []byte {
	if k == nil {
		return nil
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.secrets[secretID{label, random}]
}
