// Package fleet joins the gateways of several machines: they know of each other, one answers for
// all, and what holds for one client or one version holds in all of them.
//
// What goes between them is carried by a Bus; Local is the one within a process. Nothing of it stands
// in the way of a client: a gateway whose bus is away serves on with what it knows.
package fleet
