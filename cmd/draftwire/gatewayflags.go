package main

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/gateway"
	"github.com/urfave/cli/v2"
)

func (p *program) gatewayCommand() command {
	return command{
		name: "gateway", usage: "let old clients in to today's backends, and the reverse",
		about: "Takes clients of every version on one port and carries their messages to backends that speak RFC 6455, " +
			"another version, or bare TCP. What one side says and the other cannot is changed as the policy says, and counted.\n" +
			"Without --config the flags describe one port and one route. SIGHUP reads the file again, SIGTERM ends in order: " +
			"each client gets its version's farewell, spread over --drain.",
		examples: []example{
			{"draftwire gateway --to ws://127.0.0.1:9000", "any client on 127.0.0.1:8080, RFC 6455 behind"},
			{"draftwire gateway --listen :80 --to wss://backend.example.com", "reachable from other machines, TLS behind"},
			{"draftwire gateway --to 'ws://old.example.com/?version=hixie-76'", "browsers of today before a server of 2010"},
			{"draftwire gateway --to tcp://127.0.0.1:5900 --binary base64", "bytes behind; clients without binary get base64"},
			{"draftwire gateway --to ws://app:9000 --tls-cert c.pem --tls-key k.pem --tls-profile legacy", "old TLS, for old devices alone"},
			{"draftwire gateway --config gateway.yaml", "several routes and policies; see draftwire config init"},
		},
		flags: gatewayFlags(),
		run: func(c *cli.Context) error {
			o, err := gatewayOptionsOf(c)
			if err != nil {
				return err
			}
			log, err := p.logger(c)
			if err != nil {
				return err
			}
			return runGateway(c.Context, o, log, p.signals)
		},
	}
}

func gatewayFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "config", Usage: "YAML `FILE` that says everything; of the flags, --admin, --ledger and --drain go over it, --admin-host adds to it"},
		&cli.StringSliceFlag{Name: "to", Usage: "`URL` of a backend: ws, wss (?version=NAME), tcp://HOST:PORT, unix:PATH; several share the load"},
		&cli.StringSliceFlag{Name: "listen", DefaultText: "127.0.0.1:8080", Usage: "`ADDR` to listen on: HOST:PORT, unix:PATH, fd:NAME"},
		&cli.StringFlag{Name: "versions", Value: "all", Usage: "`VERSIONS` that clients may speak"},
		&cli.StringSliceFlag{Name: "tls-cert", Usage: "certificate `FILE` (PEM); TLS is then recognised on the same port"},
		&cli.StringSliceFlag{Name: "tls-key", Usage: "key `FILE` of the certificate (PEM)"},
		&cli.StringFlag{Name: "tls-profile", Value: "modern", Usage: "`modern|legacy|museum`: old settings, for old hellos alone"},
		&cli.StringFlag{Name: "proxy-protocol", Value: "off", Usage: "`off|accept|require` a PROXY header from --trusted-proxy"},
		&cli.StringSliceFlag{Name: "trusted-proxy", Usage: "`CIDR` of proxies that may name the client, by PROXY header or X-Forwarded-For"},
		&cli.StringFlag{Name: "public-url", Usage: "`URL` by which clients know this port, where a proxy hides it: wss://example.com"},
		&cli.StringSliceFlag{Name: "origin", DefaultText: "*, any", Usage: "`PATTERN` of pages that may connect"},
		&cli.StringFlag{Name: "tolerate", Usage: "`LIST` of known faults to accept"},
		&cli.BoolFlag{Name: "flash-policy", Usage: "answer Flash policy requests: any site, any port"},
	}, gatewayMoreFlags()...)
}

func gatewayMoreFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "binary", Value: "reject", Usage: "what hixie clients get of binary messages: `reject|base64|hex|latin1|drop`"},
		&cli.StringFlag{Name: "invalid-text", Value: "fail", Usage: "text that is not UTF-8: `fail|replace`"},
		&cli.StringFlag{Name: "compression", Value: "off", Usage: "compress on `off|client|backend|both` sides"},
		&cli.DurationFlag{Name: "ping-interval", Value: 30 * time.Second, Usage: "`TIME` between pings to sides that have them; 0 for none"},
		&cli.IntFlag{Name: "max-conns", Value: 20000, Usage: "at most `N` connections"},
		&cli.IntFlag{Name: "max-conns-per-ip", DefaultText: "none", Usage: "at most `N` connections of an address"},
		&cli.IntFlag{Name: "max-handshakes", DefaultText: "none", Usage: "at most `N` handshakes a second"},
		&cli.StringFlag{Name: "max-message", Value: "16MiB", Usage: "largest message, a `SIZE` like 64KiB"},
		&cli.DurationFlag{Name: "handshake-timeout", Value: 10 * time.Second, Usage: "`TIME` for the opening handshake, the backend's included"},
		&cli.DurationFlag{Name: "idle-timeout", DefaultText: "none", Usage: "close after that `TIME` without a byte from the client"},
		&cli.DurationFlag{Name: "drain", Value: 30 * time.Second, Usage: "`TIME` over which farewells are spread at the end"},
		&cli.StringFlag{Name: "admin", Value: adminAddress, Usage: "`ADDR` for health, metrics, status, drain and reload; off for none"},
		&cli.StringSliceFlag{Name: "admin-host", Usage: "`NAME` by which the admin port may be asked, beside IP addresses, localhost and that in --admin"},
		&cli.StringFlag{Name: "ledger", DefaultText: "in memory", Usage: "`FILE` that remembers who speaks what, for draftwire report"},
	}
}

// adminAddress is where a gateway has its admin port.
const adminAddress = "127.0.0.1:9090"

// gatewayOptions are what the gateway command needs to know.
type gatewayOptions struct {
	file   string // to read again; "" where the flags said it
	config *gateway.Config
	over   func(*gateway.Config) // lays the flags over the file
}

// gatewayOptionsOf reads the file or the flags.
func gatewayOptionsOf(c *cli.Context) (gatewayOptions, error) {
	o := gatewayOptions{file: c.String("config")}
	var err error
	if o.file == "" {
		o.config, err = configOfFlags(c)
		return o, err
	}
	over := []string{"config", "admin", "admin-host", "ledger", "drain"}
	for _, f := range gatewayFlags() {
		if name := f.Names()[0]; !slices.Contains(over, name) && c.IsSet(name) {
			return o, usagef("--%s does not go with --config: say it in %s", name, o.file)
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
	}
	o.config, err = o.load()
	return o, err
}

// load reads the file and lays the flags over it.
func (o *gatewayOptions) load() (*gateway.Config, error) {
	cfg, err := loadConfig(o.file)
	if err == nil {
		o.over(cfg)
	}
	return cfg, err
}

// loadConfig reads a configuration file; what is wrong with it is a usage error.
func loadConfig(file string) (*gateway.Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, usagef("%w", err)
	}
	defer f.Close()
	cfg, err := gateway.Load(f)
	if err != nil {
		return nil, usagef("%s: %w", file, err)
	}
	return cfg, nil
}

// configOfFlags makes the configuration that the flags describe.
func configOfFlags(c *cli.Context) (*gateway.Config, error) {
	to := c.StringSlice("to")
	if len(to) == 0 {
		return nil, usagef("where to? give --to URL, or --config FILE")
	}
	trusted, err := prefixes("trusted-proxy", c.StringSlice("trusted-proxy"))
	if err != nil {
		return nil, err
	}
	cfg := &gateway.Config{
		Admin: gateway.Admin{Address: c.String("admin"), Hosts: c.StringSlice("admin-host")}, TrustForwarded: trusted,
		Drain: gateway.Duration(c.Duration("drain")), Ledger: gateway.Ledger{File: c.String("ledger")},
		Limits: gateway.Limits{
			Connections: c.Int("max-conns"), ConnectionsPerAddress: c.Int("max-conns-per-ip"),
			HandshakesPerSecond: c.Int("max-handshakes"), Handshake: gateway.Duration(c.Duration("handshake-timeout")),
			Idle: gateway.Duration(c.Duration("idle-timeout")),
		},
	}
	if err := cfg.Limits.Message.UnmarshalText([]byte(c.String("max-message"))); err != nil {
		return nil, usagef("--max-message: %w", err)
	}
	cfg.Listen, err = listenersOfFlags(c, trusted)
	if err != nil {
		return nil, err
	}
	r := gateway.Route{
		Name: "default", Origins: c.StringSlice("origin"),
		Policy: gateway.Policy{
			Binary: c.String("binary"), InvalidText: c.String("invalid-text"), Compression: c.String("compression"),
			Ping: gateway.Duration(c.Duration("ping-interval")),
		},
	}
	if r.Policy.Ping == 0 {
		r.Policy.Ping = -1
	}
	for _, u := range to {
		r.Backends = append(r.Backends, gateway.Backend{URL: u})
	}
	cfg.Routes = []gateway.Route{r}
	return cfg, asUsage(cfg.Check())
}

func listenersOfFlags(c *cli.Context, trusted []netip.Prefix) ([]gateway.Listener, error) {
	certs, keys := c.StringSlice("tls-cert"), c.StringSlice("tls-key")
	if len(certs) != len(keys) {
		return nil, usagef("--tls-cert and --tls-key go together")
	}
	addrs := c.StringSlice("listen")
	if len(addrs) == 0 {
		addrs = []string{"127.0.0.1:8080"}
	}
	var list []gateway.Listener
	for _, addr := range addrs {
		l := gateway.Listener{
			Address: addr, Versions: c.String("versions"), PublicURL: c.String("public-url"), FlashPolicy: c.Bool("flash-policy"),
			Proxy: gateway.ProxyProtocol{Mode: c.String("proxy-protocol"), From: trusted},
		}
		if t := c.String("tolerate"); t != "" {
			l.Tolerate = strings.Split(t, ",")
		}
		for i, cert := range certs {
			if l.TLS == nil {
				l.TLS = &gateway.TLS{Profile: c.String("tls-profile")}
			}
			l.TLS.Certificates = append(l.TLS.Certificates, gateway.KeyPair{Cert: cert, Key: keys[i]})
		}
		list = append(list, l)
	}
	return list, nil
}

// prefixes reads networks; an address alone is a network of one.
func prefixes(flag string, list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if a, e := netip.ParseAddr(s); e == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, usagef("--%s: %q is no network like 10.0.0.0/8", flag, s)
		}
		out = append(out, p)
	}
	return out, nil
}

// asUsage makes what is wrong with a configuration a usage error.
func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return usagef("%w", err)
}
