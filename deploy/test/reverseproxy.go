//go:build ignore

// Command reverseproxy is the HTTP proxy of Go's standard library, on which Traefik and many
// other proxies are built: reverseproxy LISTEN TARGET.
package main

import (
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	target := &url.URL{Scheme: "http", Host: os.Args[2]}
	log.Fatal(http.ListenAndServe(os.Args[1], &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
	}))
}
