// Package generation starts a program again in place of the process that runs, without
// closing a listening socket, and connects the two processes.
//
// Each process is a generation. The old one, the parent, starts the new one, the successor,
// with its listening sockets and one end of a pair of sockets. On the pair they speak HTTP/2,
// so that one question can be given up without an end of the others; the parent answers:
//
//	successor                          parent
//	GET  /generation    ------------>  names of the sockets
//	  checks its configuration, opens what it needs
//	POST /checked       ------------>  releases what one process at a time may have
//	  takes it, and serves
//	POST /ready         ------------>  closes its listening sockets
//	  or POST /failed   ------------>  with the reason
//
// Until it is ready, the parent gives up a successor that says that it has failed, that ends,
// or that takes too long: it kills it, takes back what it has released, and goes on. From
// then on the pair remains: the successor asks the parent for what the parent still does, and
// each notices the end of the other by the end of the pair.
package generation
