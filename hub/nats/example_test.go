package nats_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/hub/nats"
)

// Two programs, here in one process, have a server of NATS in one of them, and share a room.
func Example() {
	server, err := nats.StartServer(nats.ServerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	var hubs []*hub.Hub
	for range 2 {
		broker, err := nats.Connect(nats.Options{Server: server, History: 50})
		if err != nil {
			log.Fatal(err)
		}
		defer broker.Close()
		hubs = append(hubs, hub.New(&hub.Options{Broker: broker}))
	}
	ctx := context.Background()
	if _, err := hubs[0].Publish(ctx, "lobby", draftwire.OpText, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	list, err := hubs[1].History(ctx, "lobby", hub.Position{}, 10)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range list {
		fmt.Printf("%d %s\n", m.Seq, m.Data)
	}
	// Output: 1 hello
}

// A broker may come later than the program: until it is there, what needs it fails.
func ExampleBroker() {
	broker, err := nats.Connect(nats.Options{URL: "nats://127.0.0.1:9", Timeout: 50 * time.Millisecond, Changed: func(err error) { log.Print("the broker: ", err) }})
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	_, err = broker.Publish(context.Background(), "lobby", draftwire.OpText, []byte("hello"))
	fmt.Println(errors.Is(err, nats.ErrAway))
	// Output: true
}

// One of all programs does something.
func ExampleBroker_Lead() {
	server, err := nats.StartServer(nats.ServerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	broker, err := nats.Connect(nats.Options{Server: server})
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	broker.Lead(context.Background(), "weather", func(ctx context.Context) error {
		fmt.Println("this program alone asks for the weather")
		return nil
	})
	// Output: this program alone asks for the weather
}

// The servers of a cluster know each other by their addresses and a secret.
func ExampleServerOptions() {
	o := nats.ServerOptions{Name: "gate-1", Dir: "/var/lib/draftwire/hub", Cluster: "10.0.0.1:6222",
		Routes: []string{"10.0.0.1:6222", "10.0.0.2:6222", "10.0.0.3:6222"}, Token: "a secret"}
	fmt.Println(o.Name, len(o.Routes))
	// Output: gate-1 3
}

// A server of the user's, with a file of credentials.
func ExampleOptions() {
	o := nats.Options{URL: "tls://nats-1.example:4222,tls://nats-2.example:4222", Credentials: "/etc/draftwire/nats.creds", Disk: true, Replicas: 3}
	fmt.Println(o.Replicas)
	// Output: 3
}

func ExampleServer() {
	server, err := nats.StartServer(nats.ServerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	fmt.Println("other servers:", server.Peers(), "of", server.Members()-1)
	if text, at := server.LastError(); text != "" {
		fmt.Println(at, text)
	}
	// Output: other servers: 0 of 0
}
