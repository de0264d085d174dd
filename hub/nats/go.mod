module github.com/draftwire/draftwire/hub/nats

go 1.26.0

require (
	github.com/draftwire/draftwire v0.0.0-00010101000000-000000000000
	github.com/nats-io/nats-server/v2 v2.15.3
	github.com/nats-io/nats.go v1.55.0
)

replace github.com/draftwire/draftwire => ../..
