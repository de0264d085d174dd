package usage

import "strings"

// products are the names by which people know a client. The most specific come first, as
// most user agents name half a dozen browsers.
var products = []struct{ find, show string }{
	{"HbbTV/", "HbbTV/"}, {"PhantomJS/", "PhantomJS/"}, {"SMART-TV", "Smart TV"}, {"NetCast", "NetCast"}, {"Kindle/", "Kindle/"}, {"BB10", "BlackBerry 10"},
	{"PlayStation ", "PlayStation "}, {"Nintendo ", "Nintendo "}, {"OPR/", "Opera/"}, {"Opera/", "Opera/"}, {"Edge/", "Edge/"}, {"Edg/", "Edge/"},
	{"Firefox/", "Firefox/"}, {"Chrome/", "Chrome/"}, {"MSIE ", "IE "}, {"Trident/", "Trident/"},
	{"CPU iPhone OS ", "iOS "}, {"iPhone OS ", "iOS "}, {"CPU OS ", "iOS "}, {"Android ", "Android "}, {"Version/", "Safari/"}, {"QtWebKit/", "QtWebKit/"},
}

// maxAgent is how long a name may be, in bytes.
const maxAgent = 32

// AgentName returns a short name for a user agent: product and version.
func AgentName(ua string) string {
	for _, p := range products {
		if _, rest, ok := strings.Cut(ua, p.find); ok {
			if !strings.HasSuffix(p.show, "/") && !strings.HasSuffix(p.show, " ") {
				return p.show
			}
			if v := number(rest); v != "" {
				return p.show + v
			}
		}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(ua), " ")
	if first == "" {
		return "no user agent"
	}
	return first[:cutAt(first, maxAgent)]
}

// number returns the first two numbers of the version at the beginning of s: "5_1_1" is 5.1.
func number(s string) string {
	n, dots := 0, 0
	for n < len(s) && n < 12 {
		c := s[n]
		if c == '.' || c == '_' {
			dots++
			if dots == 2 {
				break
			}
		} else if c < '0' || c > '9' {
			break
		}
		n++
	}
	return strings.Trim(strings.ReplaceAll(s[:n], "_", "."), ".")
}
