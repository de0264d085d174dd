package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/hub/nats"
	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v2"
)

// broker carries the messages of rooms: the memory of the process, or servers of NATS.
type broker struct {
	hub.Broker
	hub.Elector
	alone  bool // it reaches this process alone
	server *nats.Server
	nats   *nats.Broker // nil: memory
	watch  hubWatch
	stop   context.CancelFunc
	wg     sync.WaitGroup
}

// hubWatch tells the log and the metrics whether the broker is there.
type hubWatch struct {
	log  *logrus.Logger
	fold *folder
	up   func(bool) // of the metrics; nil: there are none

	server *nats.Server // nil: there is none in this process

	mu    sync.Mutex // makes the order of lines
	down  atomic.Bool
	known bool // it has been there, or was said to be away
	since time.Time
	why   string // it is away
}

// firstWait is how long a program waits for its broker until it says that it is not there: servers of a cluster need some
// seconds to find each other. It serves meanwhile.
const firstWait = 15 * time.Second

// hubAway says what is so while the broker is away.
const hubAway = "members stay, and hear nothing; whoever joins a room or says something is closed with 1013; look at the servers of NATS, and at the token"

// clusterAway says what an embedded cluster needs.
const clusterAway = "; a cluster needs more than half of its servers, and all of them at its first start"

// openBroker opens what the configuration names. It does not wait for servers of NATS elsewhere. close must be called.
func openBroker(c gateway.Hub, log *logrus.Logger, fold *folder, up func(bool)) (*broker, error) {
	c = c.WithDefaults()
	b := &broker{watch: hubWatch{log: log, fold: fold, up: up}}
	history, age := max(c.History, 0), max(time.Duration(c.Age), 0)
	if c.URL == "" {
		m := hub.NewMemory(&hub.MemoryOptions{History: history, Age: age, Total: int(c.Bytes)})
		b.Broker, b.Elector, b.alone = m, m, true
		return b, nil
	}
	o := nats.Options{
		Credentials: c.Credentials, Prefix: c.Prefix, History: max(history, 1), Age: age, Bytes: int64(c.Bytes),
		Disk: c.Dir != "", Replicas: c.Replicas, Changed: b.watch.changed,
	}
	token, err := c.Token()
	if err != nil {
		return nil, configf("%w", err)
	}
	secure, err := c.TLS.Load()
	if err != nil {
		return nil, configf("%w", err)
	}
	if c.URL == embedded {
		b.alone = !reachable(c)
		if b.server, err = nats.StartServer(nats.ServerOptions{
			Name: c.Name, Dir: c.Dir, Cluster: c.Cluster, Routes: c.Routes, Token: token, TLS: secure, Listen: c.Listen,
		}); err != nil {
			return nil, configf("hub: %s", strings.TrimPrefix(err.Error(), "hub/nats: "))
		}
		o.Server, b.watch.server = b.server, b.server
		if len(c.Routes) > 0 && b.server.Members() == 2 {
			log.WithField("event", "hub").Warn("a cluster of two servers is worse than one: each message needs both; have one, or three")
		}
	} else {
		o.URL, o.TLS = withToken(c.URL, token), secure
	}
	if b.nats, err = nats.Connect(o); err != nil {
		b.close()
		return nil, configf("hub: %s", strings.TrimPrefix(err.Error(), "hub/nats: "))
	}
	b.Broker, b.Elector = b.nats, b.nats
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	b.wg.Go(func() { b.watch.first(ctx, b.nats) })
	return b, nil
}

// Publish implements hub.Broker.
func (b *broker) Publish(ctx context.Context, room string, op draftwire.Op, data []byte) (hub.Position, error) {
	at, err := b.Broker.Publish(ctx, room, op, data)
	b.noted(ctx, err)
	return at, err
}

// Subscribe implements hub.Broker.
func (b *broker) Subscribe(ctx context.Context, room string, f hub.Feed) (hub.Position, func(), error) {
	at, cancel, err := b.Broker.Subscribe(ctx, room, f)
	b.noted(ctx, err)
	return at, cancel, err
}

// noted notes how a call went: that too few servers of a cluster are left, only calls show.
func (b *broker) noted(ctx context.Context, err error) {
	if b.nats != nil && (err == nil || errors.Is(err, nats.ErrAway) && ctx.Err() == nil) {
		b.watch.changed(err)
	}
}

// embedded is the URL of a server in this process.
const embedded = "embedded"

// reachable reports whether others reach the embedded server.
func reachable(c gateway.Hub) bool { return c.Cluster+c.Listen != "" }

// cannotUpgrade says why two processes cannot have the hub at a time; nil where they can.
func cannotUpgrade(c gateway.Hub) error {
	if c.URL == embedded && (reachable(c) || c.Dir != "") {
		return errors.New("an embedded hub with listen, cluster or dir cannot be in two processes at a time: drain this gateway and start the new program, one machine after the other")
	}
	return nil
}

func (b *broker) close() {
	if b.stop != nil {
		b.stop()
	}
	if b.nats != nil {
		b.nats.Close()
	}
	b.wg.Wait()
	if b.server != nil {
		b.server.Close()
	}
}

// first tells whether the broker is there at the beginning.
func (w *hubWatch) first(ctx context.Context, b *nats.Broker) {
	soon, cancel := context.WithTimeout(ctx, firstWait)
	defer cancel()
	err := b.Wait(soon)
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		w.mu.Lock()
		w.set(nil)
		w.mu.Unlock()
		w.log.WithField("event", "hub").Info("the hub is there")
		return
	}
	w.changed(err)
	if b.Wait(ctx) == nil {
		w.changed(nil)
	}
}

// changed is called when the broker is lost, because of err, and with nil when it is back.
func (w *hubWatch) changed(err error) {
	if w.down.Load() == (err != nil) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down.Swap(err != nil) == (err != nil) {
		return
	}
	w.set(err)
	what := "the hub is away"
	if err == nil {
		what = "the hub is back"
	}
	if !w.fold.pass(what) { // one that comes and goes
		return
	}
	log := w.log.WithField("event", "hub")
	if err == nil {
		log.Info(what)
		return
	}
	fields := logrus.Fields{"error": w.why, "hint": hubAway}
	if servers, last := w.cluster(); servers != "" {
		fields["servers"], fields["hint"] = servers, hubAway+clusterAway
		if last != "" {
			fields["last_error"] = last
		}
	}
	log.WithFields(fields).Warn(what)
}

// set notes that the broker is there, or why it is not. w.mu is held.
func (w *hubWatch) set(err error) {
	w.known, w.since, w.why = true, time.Now(), ""
	if err != nil {
		w.why = short(strings.TrimPrefix(errorText(err), "hub/nats: "))
	}
	if w.up != nil {
		w.up(err == nil)
	}
}

// freshError is how long the last error of an embedded server is shown.
const freshError = time.Minute

// cluster says how many servers of an embedded cluster there are, as this one sees it, and its last error, if that is fresh; nothing
// where there is no cluster.
func (w *hubWatch) cluster() (servers, last string) {
	if w.server == nil || w.server.Members() < 2 {
		return "", ""
	}
	if text, at := w.server.LastError(); time.Since(at) < freshError {
		last = short(text)
	}
	return fmt.Sprintf("%d of %d", w.server.Peers()+1, w.server.Members()), last
}

// status is the state of the hub of a gateway; nil where the memory of the process is it.
func (b *broker) status(c gateway.Hub) *gateway.HubStatus {
	if b.nats == nil {
		return nil
	}
	w := &b.watch
	s := &gateway.HubStatus{URL: c.URL}
	s.Servers, s.LastError = w.cluster()
	w.mu.Lock()
	defer w.mu.Unlock()
	s.Up, s.Since, s.Error = w.known && w.why == "", w.since, w.why
	return s
}

// withToken puts the token into URLs of servers.
func withToken(urls, token string) string {
	if token == "" {
		return urls
	}
	list := strings.Split(urls, ",")
	for i, u := range list {
		if at, err := url.Parse(strings.TrimSpace(u)); err == nil {
			at.User = url.User(token)
			list[i] = at.String()
		}
	}
	return strings.Join(list, ",")
}

// hubFlags are the flags of a hub: the keys of hub in a gateway's file.
func hubFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "hub", DefaultText: "the memory of this process", Usage: "`URL` of what carries the messages of rooms between programs: embedded (a server of NATS in this process), nats://HOST:4222 or tls://HOST:4222"},
		&cli.StringFlag{Name: "hub-token-file", TakesFile: true, Usage: "`FILE` with the secret of the hub, which all who share it have"},
		&cli.StringFlag{Name: "hub-listen", DefaultText: "none", Usage: "`HOST:PORT` at which the embedded hub takes programs with --hub nats://..."},
		&cli.StringFlag{Name: "hub-cluster", DefaultText: "none", Usage: "`HOST:PORT` at which the embedded hub takes those of other programs"},
		&cli.StringSliceFlag{Name: "hub-route", Usage: "`HOST:PORT` at which another embedded hub does"},
		&cli.StringFlag{Name: "hub-name", DefaultText: "the name of the host", Usage: "`NAME` of the embedded hub, which no other one has"},
		&cli.StringFlag{Name: "hub-dir", TakesFile: true, DefaultText: "in memory", Usage: "`DIR` in which the embedded hub keeps messages"},
		&cli.StringFlag{Name: "hub-credentials", TakesFile: true, Usage: "`FILE` of NATS credentials"},
		&cli.IntFlag{Name: "hub-history", Value: gateway.DefaultHubHistory, Usage: "keep `N` messages of each room"},
		&cli.DurationFlag{Name: "hub-age", Value: gateway.DefaultHubAge, Usage: "keep them for that `TIME`"},
		&cli.IntFlag{Name: "hub-replicas", DefaultText: "3 in an embedded cluster of three or more, otherwise 1", Usage: "keep them on `N` servers"},
		&cli.StringFlag{Name: "hub-tls-cert", TakesFile: true, Usage: "certificate `FILE` (PEM) of the embedded hub for others"},
		&cli.StringFlag{Name: "hub-tls-key", TakesFile: true, Usage: "key `FILE` of that certificate (PEM)"},
		&cli.StringFlag{Name: "hub-tls-ca", TakesFile: true, Usage: "roots `FILE` (PEM) by which others are judged"},
	}
}

// hubOfFlags reads the flags of a hub.
func hubOfFlags(c *cli.Context) (gateway.Hub, error) {
	h := gateway.Hub{
		URL: c.String("hub"), TokenFile: c.String("hub-token-file"), Credentials: c.String("hub-credentials"),
		History: c.Int("hub-history"), Age: gateway.Duration(c.Duration("hub-age")), Replicas: c.Int("hub-replicas"),
		TLS:    gateway.HubTLS{Cert: c.String("hub-tls-cert"), Key: c.String("hub-tls-key"), CA: c.String("hub-tls-ca")},
		Listen: c.String("hub-listen"), Cluster: c.String("hub-cluster"), Routes: c.StringSlice("hub-route"),
		Name: c.String("hub-name"), Dir: c.String("hub-dir"),
	}
	if h.URL == "" {
		for _, f := range hubFlags()[1:] {
			if name := f.Names()[0]; c.IsSet(name) {
				return h, usagef("--%s belongs to --hub", name)
			}
		}
		return gateway.Hub{}, nil
	}
	if err := h.Check(); err != nil {
		return h, usagef("%w", err)
	}
	return h, nil
}

// whyNot is what a client hears of a broker that does not take a message or a member.
func whyNot(err error) string {
	if errors.Is(err, nats.ErrAway) {
		return "the hub is away"
	}
	return cmp.Or(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "hub/nats: "), "hub: "), "the hub is away")
}
