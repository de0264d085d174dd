package gen

import "github.com/draftwire/draftwire/hostile"

// serverCases returns the attacks of the side server.
func serverCases() []hostile.Case {
	l := &list{side: hostile.Server}
	l.serverHeads()
	l.serverSmuggling()
	l.serverFrames()
	l.serverClosings()
	l.serverTexts()
	l.serverDeflate()
	l.serverFloods()
	l.serverSlow()
	l.serverResets()
	l.serverTLS()
	l.serverHTTP()
	l.serverH2()
	l.serverProxy()
	l.serverLog()
	l.costs()
	return l.cases
}

// opened is what the answer to a handshake has in it, and answered what any answer has:
// who waits for a 101 waits long where the server refuses and leaves the connection open.
const (
	opened   = " 101 "
	answered = "HTTP/1."
)

// ask sends a head and waits for an answer.
func ask(h head) []hostile.Step { return steps(send(h.parts()), expect(answered)) }

// try sends a head to which a page may be the answer, and looks what comes.
func try(h head) []hostile.Step { return steps(send(h.parts()), hold(200*ms)) }

// either: a sound server refuses, or it overlooks what is wrong.
func either() hostile.Verdict { return outcomes(hostile.Refused, hostile.Served) }

// unopened: whatever comes, it is no 101. An answer that is a page is none either.
func unopened() hostile.Verdict { return never(whatever(), opened) }

// overlooked: a sound server ends the connection, or it does what it is asked.
func overlooked(codes ...int) hostile.Verdict {
	return hostile.Verdict{Outcomes: []string{hostile.Failed, hostile.Served}, Codes: codes}
}
