package websocket

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
)

// through returns how to dial by a proxy, which dial opens the connection to; nil is none.
func through(proxy *url.URL, dial dialFunc) (dialFunc, error) {
	if proxy == nil {
		return dial, nil
	}
	var speak func(nc net.Conn, proxy *url.URL, addr string) error
	var at string
	switch proxy.Scheme {
	case "http", "https": // of which dial does the TLS
		at, _ = hostPortNoPort(proxy)
		speak = connectHTTP
	case "socks5":
		at, speak = proxy.Host, connectSOCKS
	default:
		return nil, errors.New("proxy: unknown scheme: " + proxy.Scheme)
	}
	return func(network, addr string) (net.Conn, error) {
		nc, err := dial(network, at)
		if err != nil {
			return nil, err
		}
		if err := speak(nc, proxy, addr); err != nil {
			nc.Close()
			return nil, err
		}
		return nc, nil
	}, nil
}

// connectHTTP asks an HTTP proxy for a tunnel (RFC 9110 9.3.6).
func connectHTTP(nc net.Conn, proxy *url.URL, addr string) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if user := proxy.User; user != nil {
		if pass, ok := user.Password(); ok {
			req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+pass)))
		}
	}
	if err := req.Write(nc); err != nil {
		return err
	}
	// The server behind the tunnel says nothing before it is asked, so nothing of it is in br.
	br := bufio.NewReader(nc)
	resp, err := http.ReadResponse(br, req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(http.StatusText(resp.StatusCode))
	}
	return nil
}

// The words of SOCKS 5 (RFC 1928, RFC 1929).
const (
	socks5          = 5
	socksNoAuth     = 0
	socksPassword   = 2
	socksConnect    = 1
	socksIPv4       = 1
	socksDomain     = 3
	socksIPv6       = 4
	socksSubVersion = 1
)

var socksReplies = []string{
	"succeeded", "general failure", "connection not allowed", "network unreachable", "host unreachable",
	"connection refused", "TTL expired", "command not supported", "address type not supported",
}

// connectSOCKS asks a SOCKS 5 proxy for a connection (RFC 1928 4).
func connectSOCKS(nc net.Conn, proxy *url.URL, addr string) error {
	if err := greetSOCKS(nc, proxy.User); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("proxy: port %q: %w", port, err)
	}
	ask := []byte{socks5, socksConnect, 0}
	switch ip, err := netip.ParseAddr(host); {
	case err == nil && ip.Unmap().Is4():
		ask = append(append(ask, socksIPv4), ip.Unmap().AsSlice()...)
	case err == nil:
		ask = append(append(ask, socksIPv6), ip.WithZone("").AsSlice()...)
	case len(host) > 255:
		return errors.New("proxy: the name of the host is too long: " + host)
	default:
		ask = append(append(ask, socksDomain, byte(len(host))), host...)
	}
	if _, err := nc.Write(binary.BigEndian.AppendUint16(ask, uint16(n))); err != nil {
		return err
	}
	return readSOCKS(nc)
}

// readSOCKS reads the reply (RFC 1928 6), and none of what follows it.
func readSOCKS(nc net.Conn) error {
	var b [4 + 255 + 2]byte
	if _, err := io.ReadFull(nc, b[:4]); err != nil {
		return fmt.Errorf("proxy: no reply of the SOCKS5 proxy: %w", err)
	}
	switch code := int(b[1]); {
	case b[0] != socks5:
		return fmt.Errorf("proxy: the SOCKS5 proxy speaks version %d", b[0])
	case code != 0 && code < len(socksReplies):
		return errors.New("proxy: the SOCKS5 proxy failed to connect: " + socksReplies[code])
	case code != 0:
		return fmt.Errorf("proxy: the SOCKS5 proxy failed to connect: code %d", code)
	}
	n := 0
	switch b[3] {
	case socksIPv4:
		n = 4
	case socksIPv6:
		n = 16
	case socksDomain:
		if _, err := io.ReadFull(nc, b[:1]); err != nil {
			return err
		}
		n = int(b[0])
	default:
		return fmt.Errorf("proxy: the SOCKS5 proxy has an address of type %d", b[3])
	}
	_, err := io.ReadFull(nc, b[:n+2]) // and the port
	return err
}

// greetSOCKS agrees on how to say who asks (RFC 1928 3), and says it (RFC 1929 2).
func greetSOCKS(nc net.Conn, user *url.Userinfo) error {
	name, pass := user.Username(), ""
	if user != nil {
		pass, _ = user.Password()
	}
	hello := []byte{socks5, 1, socksNoAuth}
	if name != "" && len(name) < 256 && len(pass) < 256 {
		hello = []byte{socks5, 2, socksNoAuth, socksPassword}
	}
	if _, err := nc.Write(hello); err != nil {
		return err
	}
	var b [2]byte
	if _, err := io.ReadFull(nc, b[:]); err != nil {
		return fmt.Errorf("proxy: no greeting of the SOCKS5 proxy: %w", err)
	}
	switch {
	case b[0] != socks5:
		return fmt.Errorf("proxy: the SOCKS5 proxy speaks version %d", b[0])
	case b[1] == socksNoAuth:
		return nil
	case b[1] != socksPassword || len(hello) == 3:
		return errors.New("proxy: the SOCKS5 proxy wants another authentication")
	}
	ask := append([]byte{socksSubVersion, byte(len(name))}, name...)
	if _, err := nc.Write(append(append(ask, byte(len(pass))), pass...)); err != nil {
		return err
	}
	if _, err := io.ReadFull(nc, b[:]); err != nil {
		return err
	}
	if b[1] != 0 {
		return errors.New("proxy: the SOCKS5 proxy refused the name or the password")
	}
	return nil
}
