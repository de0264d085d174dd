package main

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/draftwire/draftwire/cmd/draftwire/internal/generation"
	"github.com/draftwire/draftwire/gateway"
	"github.com/urfave/cli/v2"
)

func (p *program) gatewayCommand() command {
	return command{
		name: "gateway", usage: "connect old clients to current backends, and the reverse",
		about: "Accepts clients of every version on one port and passes their messages to backends that speak RFC 6455, " +
			"another version, or bare TCP. What the other side's version cannot say is translated as the policy says, and counted.\n" +
			"Without --config the flags describe one port and one route. SIGHUP reloads the file, SIGUSR2 upgrades (see draftwire upgrade), SIGTERM drains: " +
			"each client gets its version's farewell, spread over the time of --drain.",
		examples: []example{
			{"draftwire gateway --to http://127.0.0.1:9000", "clients on 127.0.0.1:8080, a backend with pages and RFC 6455 on one port"},
			{"draftwire gateway --to ws://127.0.0.1:9000 --http ./public", "a backend that speaks RFC 6455, and pages from a folder"},
			{"draftwire gateway --listen :80 --to wss://backend.example.com", "reachable from other machines, TLS to the backend"},
			{"draftwire gateway --to 'ws://old.example.com/?version=hixie-76'", "current browsers, a backend of 2010"},
			{"draftwire gateway --to tcp://127.0.0.1:5900 --binary base64", "a backend of bytes; clients without binary get base64"},
			{"draftwire gateway --to ws://app:9000 --tls-cert c.pem --tls-key k.pem --tls-profile legacy", "old TLS, but only for old devices"},
			{"draftwire gateway --config gateway.yaml", "several routes and policies; see draftwire config init"},
		},
		flags: gatewayFlags(),
		run:   p.gateway,
	}
}

// gateway runs the command. If an upgrade has started this process and it fails, the process
// that runs hears why.
func (p *program) gateway(c *cli.Context) error {
	before, err := generation.Inherit()
	if err == nil {
		err = p.gatewayAfter(c, before)
	}
	if err != nil {
		before.Failed(generation.Failure{Code: asExit(err).code, Text: errorText(err)})
	}
	return err
}

func (p *program) gatewayAfter(c *cli.Context, before *generation.Parent) error {
	o, err := gatewayOptionsOf(c)
	if err != nil {
		return err
	}
	log, err := p.logger(c)
	if err != nil {
		return err
	}
	defer writeBehind(log, syscall.SIGQUIT, syscall.SIGABRT)()
	return runGateway(c.Context, o, before, log, p.signals)
}

func gatewayFlags() []cli.Flag {
	where := []cli.Flag{
		&cli.StringFlag{Name: "config", Usage: "YAML `FILE` with the whole configuration; of the flags, only --admin, --ledger, --drain and --drain-after override it, and --admin-host adds to it"},
		&cli.StringSliceFlag{Name: "to", Usage: "`URL` of a backend: http, https for pages and WebSocket; ws, wss (?version=NAME), tcp://HOST:PORT, unix:PATH for WebSocket alone; several share the load"},
		&cli.StringSliceFlag{Name: "http", Usage: "`WHERE` ordinary requests go, if not to --to: http or https URLs, which share the load, or a folder of files"},
		&cli.StringFlag{Name: "rooms", Value: roomsOff, Usage: "`off|one|none`: clients of a path are members of a room, which has one connection to a backend, or none: then they hear each other"},
		&cli.DurationFlag{Name: "dial-timeout", Value: 5 * time.Second, Usage: "`TIME` to reach a backend, all tries together"},
		&cli.StringFlag{Name: "proxy-protocol", Value: "off", Usage: "`off|accept|require` a PROXY header from --proxy-protocol-from"},
		&cli.StringSliceFlag{Name: "proxy-protocol-from", Usage: "`CIDR` of balancers that may name the client by a PROXY header"},
		&cli.StringSliceFlag{Name: "trust-forwarded", Usage: "`CIDR` of proxies that may name the client by Forwarded or X-Forwarded-* fields"},
		&cli.StringFlag{Name: "public-url", Usage: "`URL` by which clients know this port, where a proxy hides it: wss://example.com"},
	}
	policy := []cli.Flag{
		&cli.StringFlag{Name: "binary", Value: "reject", Usage: "what hixie clients get of binary messages: `reject|base64|hex|latin1|drop`"},
		&cli.StringFlag{Name: "tolerate-backend", Usage: "`LIST` of known faults of backends to accept, of the tolerances below, joined by commas"},
		&cli.StringFlag{Name: "invalid-text", Value: "fail", Usage: "text that is not UTF-8: `fail|replace`"},
		&cli.StringFlag{Name: "compression", Value: "off", Usage: "which messages to compress for clients that offer it: `off|large|all`; large are those from a size on"},
		&cli.StringFlag{Name: "compression-backend", Value: "off", Usage: "which messages to compress for backends that agree to it: `off|large|all`"},
		&cli.DurationFlag{Name: "ping", Value: 30 * time.Second, Usage: "`TIME` between pings to clients and backends whose version has them; negative for none"},
	}
	bounds := []cli.Flag{
		&cli.IntFlag{Name: "max-connections", Value: gateway.DefaultConnections, Usage: "at most `N` connections"},
		&cli.IntFlag{Name: "max-connections-per-address", DefaultText: "none", Usage: "at most `N` connections of an address"},
		&cli.IntFlag{Name: "max-handshakes-per-second", DefaultText: "none", Usage: "at most `N` handshakes a second"},
		&cli.DurationFlag{Name: "drain", Value: 30 * time.Second, Usage: "`TIME` over which farewells are spread at the end"},
		&cli.DurationFlag{Name: "drain-after", Value: gateway.DefaultDrainAfter, Usage: "`TIME` for which a process that draftwire upgrade has replaced keeps its sessions; negative: until they end"},
		&cli.StringFlag{Name: "admin", Value: adminAddress, Usage: "`ADDR` for health, metrics, status, drain, reload and upgrade; off for none"},
		&cli.StringSliceFlag{Name: "admin-host", Usage: "`NAME` by which the admin port may be asked, beside IP addresses, localhost and that in --admin"},
		&cli.StringFlag{Name: "console", Value: "on", Usage: "the console at /console/ of the admin port: `on|without_payload|off`"},
		&cli.StringFlag{Name: "fleet", DefaultText: "in no fleet", Usage: "`NAME` of this gateway among those that know of each other over --hub; hostname for that of the host"},
		&cli.StringFlag{Name: "ledger", DefaultText: "in memory", Usage: "`FILE` that remembers who speaks what, for draftwire report"},
	}
	return slices.Concat(where, hubFlags(), listenFlags(listenDefaults{message: "16MiB", pending: gateway.DefaultPending, write: 30 * time.Second}), policy, bounds)
}

// roomsOff is the value of --rooms with which each client has a connection to a backend of its own.
const roomsOff = "off"

// adminAddress is where a gateway has its admin port.
const adminAddress = "127.0.0.1:9090"

// gatewayOptions are what the gateway command needs to know.
type gatewayOptions struct {
	file   string // to reload; "" where the flags are the configuration
	config *gateway.Config
	over   func(*gateway.Config) // sets what flags override
}

// gatewayOptionsOf reads the file or the flags.
func gatewayOptionsOf(c *cli.Context) (gatewayOptions, error) {
	o := gatewayOptions{file: c.String("config")}
	var err error
	if o.file == "" {
		o.config, err = configOfFlags(c)
		return o, err
	}
	over := []string{"config", "admin", "admin-host", "ledger", "drain", "drain-after"}
	for _, f := range gatewayFlags() {
		if name := f.Names()[0]; !slices.Contains(over, name) && c.IsSet(name) {
			return o, usagef("--%s does not go with --config: put it into %s", name, o.file)
		}
	}
	o.over = func(cfg *gateway.Config) {
		if c.IsSet("admin") {
			cfg.Admin.Address = c.String("admin")
		}
		cfg.Admin.Hosts = append(cfg.Admin.Hosts, c.StringSlice("admin-host")...)
		if c.IsSet("ledger") {
			cfg.Ledger.File = c.String("ledger")
		}
		if c.IsSet("drain") {
			cfg.Drain = gateway.Duration(c.Duration("drain"))
		}
		if c.IsSet("drain-after") {
			cfg.DrainAfter = gateway.Duration(c.Duration("drain-after"))
		}
	}
	o.config, err = o.load()
	return o, err
}

// load reads the file, and sets what flags override.
func (o *gatewayOptions) load() (*gateway.Config, error) {
	cfg, err := loadConfig(o.file)
	if err == nil {
		o.over(cfg)
	}
	return cfg, err
}

// loadConfig reads a configuration file.
func loadConfig(file string) (*gateway.Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, configf("%w", err)
	}
	defer f.Close()
	cfg, err := gateway.Load(f)
	if err != nil {
		return nil, configf("%s: %w", file, err)
	}
	return cfg, nil
}

// configOfFlags makes the configuration that the flags describe.
func configOfFlags(c *cli.Context) (*gateway.Config, error) {
	to := c.StringSlice("to")
	if len(to) == 0 && c.String("rooms") != "none" {
		return nil, usagef("no backend; give --to URL, or --config FILE")
	}
	cfg := &gateway.Config{
		Admin: gateway.Admin{Address: c.String("admin"), Hosts: c.StringSlice("admin-host"), Console: c.String("console")},
		Drain: gateway.Duration(c.Duration("drain")), DrainAfter: gateway.Duration(c.Duration("drain-after")), Ledger: gateway.Ledger{File: c.String("ledger")},
		Fleet: gateway.Fleet{Name: c.String("fleet")},
	}
	var err error
	if cfg.TrustForwarded, err = prefixes(c, "trust-forwarded"); err != nil {
		return nil, err
	}
	if cfg.Hub, err = hubOfFlags(c); err != nil {
		return nil, err
	}
	if cfg.Limits, err = gatewayLimits(c); err != nil {
		return nil, err
	}
	if cfg.Listen, err = listenersOfFlags(c); err != nil {
		return nil, err
	}
	dial, err := timeFlag(c, "dial-timeout")
	if err != nil {
		return nil, err
	}
	if c.IsSet("ping") && c.Duration("ping") == 0 {
		return nil, usagef("--ping: 0 would mean the default; leave it out, or give a negative time for none")
	}
	r := gateway.Route{
		Name: "default", Origins: c.StringSlice("origin"), DialTimeout: gateway.Duration(dial), Tolerate: tolerances(c, "tolerate-backend"),
		Policy: gateway.Policy{
			Binary: c.String("binary"), InvalidText: c.String("invalid-text"),
			Compression: c.String("compression"), CompressionBackend: c.String("compression-backend"),
			Ping: gateway.Duration(c.Duration("ping")),
		},
	}
	for _, u := range to {
		r.Backends = append(r.Backends, gateway.Backend{URL: u})
	}
	if err := pages(&r, c.StringSlice("http")); err != nil {
		return nil, err
	}
	if how := c.String("rooms"); how != roomsOff {
		r.Rooms = &gateway.Rooms{Backend: how}
	}
	cfg.Routes = []gateway.Route{r}
	if err := cfg.Check(); err != nil {
		return nil, usagef("%w", err)
	}
	return cfg, nil
}

func gatewayLimits(c *cli.Context) (gateway.Limits, error) {
	l, err := readLimits(c)
	if err != nil {
		return gateway.Limits{}, err
	}
	pending, err := readPending(c)
	return gateway.Limits{
		Connections: c.Int("max-connections"), ConnectionsPerAddress: c.Int("max-connections-per-address"),
		Pending: pending, HandshakesPerSecond: c.Int("max-handshakes-per-second"),
		Message: gateway.Size(l.ReadLimit), Head: gateway.Size(l.HeadLimit),
		HandshakeTimeout: gateway.Duration(l.HandshakeTimeout), Key3Timeout: gateway.Duration(l.Key3Timeout),
		CloseTimeout: gateway.Duration(l.CloseTimeout), WriteTimeout: gateway.Duration(l.WriteTimeout),
		IdleTimeout: gateway.Duration(l.IdleTimeout),
	}, err
}

func listenersOfFlags(c *cli.Context) ([]gateway.Listener, error) {
	files, err := readTLSFiles(c)
	if err != nil {
		return nil, err
	}
	balancers, err := prefixes(c, "proxy-protocol-from")
	if err != nil {
		return nil, err
	}
	var list []gateway.Listener
	for _, addr := range readAddresses(c) {
		l := gateway.Listener{
			Address: addr, Versions: c.String("versions"), PublicURL: c.String("public-url"), FlashPolicy: c.Bool("flash-policy"),
			Proxy: gateway.ProxyProtocol{Mode: c.String("proxy-protocol"), From: balancers},
		}
		l.Tolerate = tolerances(c, "tolerate")
		if len(files.pairs) > 0 {
			l.TLS = &gateway.TLS{Profile: files.profile.String(), Certificates: files.pairs}
		}
		list = append(list, l)
	}
	return list, nil
}

// tolerances reads a flag that lists tolerances; nil for none.
func tolerances(c *cli.Context, flag string) []string {
	if t := c.String(flag); t != "" {
		return strings.Split(t, ",")
	}
	return nil
}

// prefixes reads a flag that holds networks; an address alone is a network of one.
func prefixes(c *cli.Context, flag string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range c.StringSlice(flag) {
		p, err := netip.ParsePrefix(s)
		if a, e := netip.ParseAddr(s); e == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, usagef("--%s: %q is not a network like 10.0.0.0/8", flag, s)
		}
		out = append(out, p)
	}
	return out, nil
}
