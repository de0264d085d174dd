package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	ocpp16 "github.com/lorenzodonini/ocpp-go/ocpp1.6"
	"github.com/lorenzodonini/ocpp-go/ocpp1.6/core"
	"github.com/lorenzodonini/ocpp-go/ocpp1.6/types"
	"github.com/lorenzodonini/ocpp-go/ocppj"
	"github.com/lorenzodonini/ocpp-go/ws"
)

// patience is how long a charger waits for what has to come.
const patience = 15 * time.Second

// point is a charger: it notes what the central system wants of it.
type point struct {
	ocpp16.ChargePoint
	asked        chan string
	disconnected chan error
	reconnected  chan struct{}
}

// newPoint returns a charger that has not yet connected. Change, if it is not nil, is made of
// the head of its handshake.
func newPoint(id, user, password, ca string, change func(head string) string) (*point, error) {
	var client *ws.Client
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		// What the modem of a charger of 2014 has: TLS 1.2 with RSA key exchange, at best.
		client = ws.NewTLSClient(&tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}})
	} else {
		client = ws.NewClient()
	}
	if change != nil {
		client.AddOption(func(d *websocket.Dialer) {
			d.NetDial = func(network, address string) (net.Conn, error) {
				c, err := net.Dial(network, address)
				if err != nil {
					return nil, err
				}
				return &firmware{Conn: c, change: change}, nil
			}
		})
	}
	timeouts := ws.NewClientTimeoutConfig()
	timeouts.RetryBackOffWaitMinimum, timeouts.RetryBackOffRandomRange = 300*time.Millisecond, 0
	client.SetTimeoutConfig(timeouts)
	client.SetBasicAuth(user, password)
	p := &point{asked: make(chan string, 10), disconnected: make(chan error, 10), reconnected: make(chan struct{}, 10)}
	endpoint := ocppj.NewClient(id, client, nil, nil, core.Profile)
	endpoint.SetOnDisconnectedHandler(func(err error) { p.disconnected <- err })
	endpoint.SetOnReconnectedHandler(func() { p.reconnected <- struct{}{} })
	p.ChargePoint = ocpp16.NewChargePoint(id, endpoint, client)
	p.SetCoreHandler(p)
	return p, nil
}

// where asks which central system this is.
func (p *point) where() (string, error) {
	c, err := p.DataTransfer("recipe", func(r *core.DataTransferRequest) { r.MessageId = "who" })
	if err != nil {
		return "", err
	}
	return fmt.Sprint(c.Data), nil
}

// wait returns when the central system has asked for what.
func (p *point) wait(what string) error {
	select {
	case asked := <-p.asked:
		if asked != what {
			return fmt.Errorf("the central system asked for %s, not for %s", asked, what)
		}
		return nil
	case <-time.After(patience):
		return fmt.Errorf("the central system did not ask for %s", what)
	}
}

// cases is what is printed.
type cases struct{ failed bool }

func (c *cases) tell(name string, err error) bool {
	if err != nil {
		c.failed = true
		fmt.Printf("not ok %s # %s\n", name, strings.Join(strings.Fields(err.Error()), " "))
		return false
	}
	fmt.Println("ok", name)
	return true
}

func charger(args []string) {
	flags := flag.NewFlagSet("charger", flag.ExitOnError)
	user := flags.String("user", "", "the user of the password; default: the charger's identity")
	secret := flags.String("password", password, "the password")
	ca := flags.String("ca", "", "a file with the root certificate")
	head := flags.String("head", "", "what is odd in the head: key, blank, subprotocol or line-ends")
	refused := flags.Int("refused", 0, "the status of the refusal that is expected")
	fleet := flags.Int("fleet", 0, "so many chargers come three times: each to the same central system, and all to two")
	failover := flags.Bool("failover", false, "the central system dies, and the charger comes to the other one")
	flags.Parse(args)
	url, id := flags.Arg(0), flags.Arg(1)
	if *user == "" {
		*user = id
	}
	var c cases
	switch {
	case *refused != 0:
		fmt.Println("1..1")
		c.tell(fmt.Sprint("refused-with-", *refused), isRefused(url, id, *user, *secret, *refused))
	case *fleet > 0:
		fmt.Println("1..2")
		c.fleet(url, id, *fleet)
	case *failover:
		fmt.Println("1..4")
		c.failover(url, id)
	default:
		fmt.Println("1..7")
		c.day(url, id, *user, *secret, *ca, *head)
	}
	if c.failed {
		os.Exit(1)
	}
}

// day is what a charger does: it boots, says that it lives and is free, and obeys.
func (c *cases) day(url, id, user, secret, ca, head string) {
	p, err := newPoint(id, user, secret, ca, changes[head])
	if err == nil {
		err = p.Start(url)
	}
	if !c.tell("connects", err) {
		return
	}
	boot, err := p.BootNotification("model-7", "vendor")
	if err == nil && boot.Status != core.RegistrationStatusAccepted {
		err = fmt.Errorf("the status is %s", boot.Status)
	}
	c.tell("BootNotification", err)
	_, err = p.Heartbeat()
	c.tell("Heartbeat", err)
	_, err = p.StatusNotification(1, core.NoError, core.ChargePointStatusAvailable)
	c.tell("StatusNotification", err)
	c.tell("RemoteStartTransaction", p.wait("RemoteStartTransaction tag-1"))
	c.tell("ChangeConfiguration", p.wait("ChangeConfiguration HeartbeatInterval=600"))
	_, err = p.StartTransaction(1, "tag-1", 0, types.Now())
	c.tell("StartTransaction", err)
	p.Stop()
}

func isRefused(url, id, user, secret string, status int) error {
	p, err := newPoint(id, user, secret, "", nil)
	if err != nil {
		return err
	}
	err = p.Start(url)
	if he, ok := errors.AsType[ws.HttpConnectionError](err); !ok || he.HttpCode != status {
		return fmt.Errorf("the charger got: %v", err)
	}
	return nil
}

// fleet is many chargers, each of which comes three times.
func (c *cases) fleet(url, id string, n int) {
	var moved error
	seen := make(map[string]int)
	for i := range n {
		first := ""
		for again := range 3 {
			at, err := visit(url, fmt.Sprint(id, i))
			switch {
			case err != nil:
				moved = errors.Join(moved, err)
			case again == 0:
				first = at
				seen[at]++
			case at != first:
				moved = errors.Join(moved, fmt.Errorf("%s%d was at %s and then at %s", id, i, first, at))
			}
		}
	}
	c.tell("each-comes-back-to-its-own", moved)
	var err error
	if len(seen) != 2 {
		err = fmt.Errorf("they came to %v", seen)
	}
	c.tell("all-come-to-both", err)
}

// visit returns which central system a charger comes to. One that still has an earlier
// connection of the charger closes the new one with 1008, before the charger asks or behind it: then it tries again.
func visit(url, id string) (string, error) {
	end := time.Now().Add(patience)
	for {
		p, err := newPoint(id, id, password, "", nil)
		if err != nil {
			return "", err
		}
		if err := p.Start(url); err != nil {
			return "", err
		}
		type answer struct {
			at  string
			err error
		}
		answers := make(chan answer, 1)
		go func() {
			at, err := p.where()
			answers <- answer{at, err}
		}()
		select {
		case a := <-answers:
			if a.err == nil {
				p.Stop()
				return a.at, nil
			}
			err = a.err // closed before it could ask
		case err = <-p.disconnected: // 1008, or what gorilla says of a write behind it
		case <-time.After(time.Until(end)):
			err = errors.New("no answer")
		}
		p.Stop()
		if time.Now().After(end) {
			return "", fmt.Errorf("%s: %w", id, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// failover lets the charger's central system die.
func (c *cases) failover(url, id string) {
	p, err := newPoint(id, id, password, "", nil)
	if err == nil {
		err = p.Start(url)
	}
	var first, second string
	if err == nil {
		first, err = p.where()
	}
	if !c.tell("connects", err) {
		return
	}
	if _, err = p.DataTransfer("recipe", func(r *core.DataTransferRequest) { r.MessageId = "die" }); err == nil {
		select {
		case end := <-p.disconnected:
			// gorilla says 1006 for a connection that ends without a close.
			if !websocket.IsCloseError(end, websocket.CloseAbnormalClosure) {
				err = fmt.Errorf("want the end of TCP without a close, got: %v", end)
			}
		case <-time.After(patience):
			err = errors.New("not within time")
		}
	}
	c.tell("is-cut", err)
	select {
	case <-p.reconnected:
		err = nil
	case <-time.After(patience):
		err = errors.New("not within time")
	}
	c.tell("comes-back", err)
	if second, err = p.where(); err == nil && second == first {
		err = fmt.Errorf("both times to %s", first)
	}
	c.tell("to-the-other-one", err)
	p.Stop()
}

// changes are heads as shipped chargers send them.
var changes = map[string]func(string) string{
	// Eight bytes in place of sixteen.
	"key": func(head string) string {
		before, after, _ := strings.Cut(head, "Sec-WebSocket-Key: ")
		_, after, _ = strings.Cut(after, "\r\n")
		return before + "Sec-WebSocket-Key: " + oddKey + "\r\n" + after
	},
	// The identity has a blank, which is not escaped.
	"blank": func(head string) string {
		line, rest, _ := strings.Cut(head, "\r\n")
		return strings.ReplaceAll(line, "%20", " ") + "\r\n" + rest
	},
	// No subprotocol is asked for.
	"subprotocol": func(head string) string {
		before, after, _ := strings.Cut(head, "Sec-WebSocket-Protocol: ")
		_, after, _ = strings.Cut(after, "\r\n")
		return before + after
	},
	// Lines end in LF.
	"line-ends": func(head string) string { return strings.ReplaceAll(head, "\r\n", "\n") },
}

func (p *point) OnRemoteStartTransaction(r *core.RemoteStartTransactionRequest) (*core.RemoteStartTransactionConfirmation, error) {
	p.asked <- "RemoteStartTransaction " + r.IdTag
	return core.NewRemoteStartTransactionConfirmation(types.RemoteStartStopStatusAccepted), nil
}

func (p *point) OnChangeConfiguration(r *core.ChangeConfigurationRequest) (*core.ChangeConfigurationConfirmation, error) {
	p.asked <- "ChangeConfiguration " + r.Key + "=" + r.Value
	return core.NewChangeConfigurationConfirmation(core.ConfigurationStatusAccepted), nil
}

var errNotPlayed = errors.New("no charger of the recipe is asked for this")

func (p *point) OnChangeAvailability(*core.ChangeAvailabilityRequest) (*core.ChangeAvailabilityConfirmation, error) {
	return nil, errNotPlayed
}

func (p *point) OnClearCache(*core.ClearCacheRequest) (*core.ClearCacheConfirmation, error) {
	return nil, errNotPlayed
}

func (p *point) OnDataTransfer(*core.DataTransferRequest) (*core.DataTransferConfirmation, error) {
	return nil, errNotPlayed
}

func (p *point) OnGetConfiguration(*core.GetConfigurationRequest) (*core.GetConfigurationConfirmation, error) {
	return nil, errNotPlayed
}

func (p *point) OnRemoteStopTransaction(*core.RemoteStopTransactionRequest) (*core.RemoteStopTransactionConfirmation, error) {
	return nil, errNotPlayed
}

func (p *point) OnReset(*core.ResetRequest) (*core.ResetConfirmation, error) {
	return nil, errNotPlayed
}

func (p *point) OnUnlockConnector(*core.UnlockConnectorRequest) (*core.UnlockConnectorConfirmation, error) {
	return nil, errNotPlayed
}
