// Package gateway carries WebSocket messages between clients and backends that
// speak different versions of the protocol, whichever: old devices in front of
// today's servers, browsers of today in front of old ones, and bare TCP behind
// either.
//
//	client --> draftwire.Server --> admit: plan, route, limits
//	                                  |    then the backend is dialled
//	                                  v
//	                            101 to the client
//	                                  |
//	        client peer <--- relay: a way each direction ---> backend peer
//
// What one side says and the other cannot is a row of a table (Losses): it is
// changed as the route's policy says, and counted.
package gateway
