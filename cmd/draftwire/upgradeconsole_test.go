//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
)

// Behind an upgrade the console is the new process's: it lists that one's sessions, and says how
// many are still in the old one, whose connections send a browser on.
func TestUpgradeConsole(t *testing.T) {
	back, _ := serveOn(t)
	g := launchGateway(t, built(t), "listen: [{name: main, address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\nroutes: [{backends: [{url: '"+back+"'}]}]\n")
	g.works(g.held())
	host := strings.TrimPrefix(g.admin, "http://")
	kept, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	kept.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(kept)
	say := func(path string) *http.Response {
		fmt.Fprintf(kept, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	resp := say("/console/api/about")
	var before struct{ PID int }
	json.NewDecoder(resp.Body).Decode(&before)
	resp.Body.Close()
	g.upgrade(0, "upgraded")
	if resp := say("/console/api/connections?limit=1"); resp.StatusCode != http.StatusTemporaryRedirect || resp.Header.Get("Location") != "/console/api/connections?limit=1" || !resp.Close {
		t.Errorf("a connection from before: %d to %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	late := dial(t, "ws://"+g.addr, draftwire.RFC6455)
	g.works(late)
	var l struct{ Total, Replaced int }
	for end := time.Now().Add(patience); (l.Total != 1 || l.Replaced != 1) && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		json.Unmarshal([]byte(g.get("/console/api/connections")), &l)
	}
	var after struct{ PID int }
	json.Unmarshal([]byte(g.get("/console/api/about")), &after)
	if l.Total != 1 || l.Replaced != 1 || after.PID == before.PID || after.PID == 0 {
		t.Errorf("%+v, process %d behind %d", l, after.PID, before.PID)
	}
}
