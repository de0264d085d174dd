module github.com/draftwire/draftwire/test/gorilla-fuzz

go 1.26.0

require (
	github.com/coder/websocket v1.8.15
	github.com/draftwire/draftwire v0.0.0
	github.com/gobwas/ws v1.5.0
	github.com/gorilla/websocket v1.5.3
)

require github.com/gobwas/httphead v0.1.0 // indirect

replace github.com/draftwire/draftwire => ../..
