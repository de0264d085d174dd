package gateway

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/origin"
	"github.com/draftwire/draftwire/wire"
	"golang.org/x/crypto/bcrypt"
)

// This file is who may come in at all: from which networks, and with which credentials. An
// old device's channel is weak (it cannot do TLS of today, and its version has no masks), so
// it can be fenced by what the device can do.
//
//	listener: allow, deny  ->  route: allow, deny  ->  route: auth  ->  backend

// isAdmitted reports whether a client's address is in the networks that may come. Those that
// may not win. A client on a unix socket has no address: it may come unless only some
// networks may.
func isAdmitted(allow, deny []netip.Prefix, remote string) bool {
	if len(allow) == 0 && len(deny) == 0 {
		return true
	}
	addr, ok := addrOf(remote)
	if !ok {
		return len(allow) == 0
	}
	return !origin.Contains(deny, addr) && (len(allow) == 0 || origin.Contains(allow, addr))
}

// admitNetwork refuses a client whose address may not come.
func admitNetwork(allow, deny []netip.Prefix, v draftwire.Version, remote string) error {
	if isAdmitted(allow, deny, remote) {
		return nil
	}
	return wire.NewHandshakeError(v, wire.ReasonNetwork, "")
}

// guard checks the credentials of a route's clients.
type guard struct {
	users  map[string][]byte // bcrypt hashes by name
	tokens map[[sha256.Size]byte]bool
	token  sent // where a token is
	user   sent // what a user's name has to be equal to; no kind: nothing

	slot  chan struct{} // held while a password is checked, which takes a processor for a while
	mu    sync.Mutex
	known map[[sha256.Size]byte]time.Time // passwords that were right, and until when that is believed
	wrong addressRates                    // passwords that were not
}

const (
	// knownTime is how long a right password is not checked again: bcrypt is slow on purpose,
	// and a fleet may come back at once.
	knownTime = 10 * time.Minute
	// knownMost bounds the passwords that are known.
	knownMost = 20_000
	// slotTime is how long a client waits for the passwords of others to be checked.
	slotTime = 2 * time.Second
	// maxSecrets bounds the lines of a file of users or tokens, maxSecret the bytes of one.
	maxSecrets = 100_000
	maxSecret  = 1 << 10
	// wrongPerMinute is how many wrong passwords an address may try: guessing is slow, and
	// one address cannot keep all others from being checked.
	wrongPerMinute = 30
	// maxPassword is what bcrypt takes of a password, in bytes.
	maxPassword = 72
)

// newGuard reads the files of credentials; it returns nil where none are asked for.
func newGuard(a *Auth) (*guard, error) {
	if a.Users == "" && a.Tokens == "" {
		return nil, nil
	}
	gd := &guard{slot: make(chan struct{}, 1), known: make(map[[sha256.Size]byte]time.Time)}
	gd.wrong.set(wrongPerMinute/60.0, wrongPerMinute)
	if a.Users != "" {
		gd.users = make(map[string][]byte)
		gd.user, _ = parseSent(a.User)
		err := eachSecret(a.Users, func(line string) error {
			colon := max(0, strings.LastIndexByte(line, ':')) // the name may have one too
			name, hash := line[:colon], strings.TrimPrefix(line[colon:], ":")
			if _, err := bcrypt.Cost([]byte(hash)); name == "" || err != nil {
				return errors.New("it is not NAME:HASH with a hash of bcrypt, as htpasswd -B writes it")
			}
			gd.users[name] = []byte(hash)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if a.Tokens != "" {
		gd.tokens = make(map[[sha256.Size]byte]bool)
		gd.token, _ = parseSent(a.Token)
		err := eachSecret(a.Tokens, func(line string) error {
			gd.tokens[sha256.Sum256([]byte(line))] = true
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return gd, nil
}

// eachSecret calls f for each line of a file that is neither empty nor a comment.
func eachSecret(file string, f func(line string) error) error {
	r, err := os.Open(file)
	if err != nil {
		return err
	}
	defer r.Close()
	n, lines := 0, bufio.NewScanner(r)
	lines.Buffer(nil, maxSecret)
	for i := 1; lines.Scan(); i++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if n++; n > maxSecrets {
			return fmt.Errorf("%s has more than %d entries", file, maxSecrets)
		}
		if err := f(line); err != nil {
			return fmt.Errorf("%s: line %d: %w", file, i, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if n == 0 {
		return fmt.Errorf("%s has no entry, so nobody could come in", file)
	}
	return nil
}

// admit refuses a client without the credentials that a route asks for: a token, or a user's
// name and password.
func (gd *guard) admit(v draftwire.Version, remote, target string, fields wire.Fields) error {
	if gd == nil || gd.tokens[sha256.Sum256([]byte(gd.token.of(target, fields)))] {
		return nil
	}
	name, password, ok := gd.userOf(target, fields)
	if ok && gd.users != nil {
		switch right, err := gd.isUser(keyOf(remote), name, password); {
		case err != nil:
			return wire.NewHandshakeError(v, wire.ReasonOverload, err.Error())
		case right:
			return nil
		}
	}
	detail := ""
	if !ok && gd.user.kind != "" && fields.Get("Authorization") != "" {
		detail = "the user is not that of the request's " + gd.user.kind + " " + gd.user.name
	}
	he := wire.NewHandshakeError(v, wire.ReasonAuth, detail)
	if gd.users != nil {
		he.Fields = wire.Fields{{Name: "WWW-Authenticate", Value: `Basic realm="draftwire", charset="UTF-8"`}}
	}
	return he
}

// userOf returns the name and the password that a client sends (RFC 7617). Where it is known
// what the name has to be, it may have colons, as identities of chargers do.
func (gd *guard) userOf(target string, fields wire.Fields) (name, password string, ok bool) {
	scheme, value, _ := strings.Cut(fields.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Basic") || fields.Count("Authorization") != 1 {
		return "", "", false
	}
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
	if err != nil {
		return "", "", false
	}
	if gd.user.kind == "" {
		return strings.Cut(string(plain), ":")
	}
	if name = gd.user.sole(target, fields); name == "" {
		return "", "", false
	}
	password, ok = strings.CutPrefix(string(plain), name+":")
	return name, password, ok
}

var (
	errBusyGuard = errors.New("too many passwords to check at once")
	errGuessing  = errors.New("too many wrong passwords from this address")
)

// isUser reports whether a password is a user's. One is checked at a time: it takes a
// processor for a while, which strangers must not be able to take from all others.
func (gd *guard) isUser(from netip.Prefix, name, password string) (bool, error) {
	hash, known := gd.users[name]
	key := sha256.Sum256(slices.Concat(hash, []byte(password)))
	switch {
	case known && gd.knows(key):
		return true, nil
	case !gd.wrong.has(from):
		return false, errGuessing
	case !known || len(password) > maxPassword:
		gd.wrong.take(from)
		return false, nil
	}
	wait := time.NewTimer(slotTime)
	defer wait.Stop()
	select {
	case gd.slot <- struct{}{}:
	case <-wait.C:
		return false, errBusyGuard
	}
	defer func() { <-gd.slot }()
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil {
		gd.wrong.take(from)
		return false, nil
	}
	gd.mu.Lock()
	defer gd.mu.Unlock()
	if len(gd.known) >= knownMost {
		clear(gd.known)
	}
	gd.known[key] = time.Now().Add(knownTime)
	return true, nil
}

func (gd *guard) knows(key [sha256.Size]byte) bool {
	gd.mu.Lock()
	defer gd.mu.Unlock()
	return time.Now().Before(gd.known[key])
}
