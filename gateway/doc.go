// Package gateway carries WebSocket messages between clients and backends that may speak
// different versions of the protocol: old devices in front of current servers, current
// browsers in front of old servers, and plain TCP services behind either.
//
//	client --> draftwire.Server --> admit: plan, route, limits
//	                                  |    then the backend is dialled
//	                                  v
//	                            101 to the client
//	                                  |
//	        client peer <--- relay, with two directions ---> backend peer
//
// What one side sends and the other side's version cannot express is a row of a table
// (Losses): the gateway changes it as the route's policy says, and counts it.
package gateway
