package gateway

import "time"

// Generation is a process of a gateway, from the upgrade that started it (or the start of the
// gateway) to the end of its sessions.
type Generation struct {
	PID         int       `json:"pid"`
	Version     string    `json:"version"`        // of the program
	Started     time.Time `json:"started"`        //
	Connections int       `json:"connections"`    // of clients, in this process
	Until       time.Time `json:"until,omitzero"` // when the sessions that are left are drained; zero: never, or the process is the one that accepts
}

// Add adds to the state of the process that accepts clients that of the processes before it:
// their generations, connections, and unfinished handshakes. Ports and backends that are no
// longer in the configuration appear only in the sums.
func (s *Status) Add(older *Status) {
	s.Generations = append(s.Generations, older.Generations...)
	s.Connections += older.Connections
	s.Requests.InFlight += older.Requests.InFlight
	s.Requests.Total += older.Requests.Total
	s.Requests.Failed += older.Requests.Failed
	for v, n := range older.Versions {
		s.Versions[v] += n
	}
	for i := range s.Listeners {
		l := &s.Listeners[i]
		for _, o := range older.Listeners {
			if o.Name == l.Name {
				l.Pending += o.Pending
				l.Open += o.Open
				l.HTTP += o.HTTP
			}
		}
	}
	for i := range s.Routes {
		for _, o := range older.Routes {
			if o.Name == s.Routes[i].Name {
				s.Routes[i].add(o.Backends)
				s.Routes[i].Mirror.add(o.Mirror)
			}
		}
	}
}

func (r *RouteStatus) add(older []BackendStatus) {
	for i := range r.Backends {
		for _, o := range older {
			if o.URL == r.Backends[i].URL {
				r.Backends[i].Connections += o.Connections
			}
		}
	}
}
