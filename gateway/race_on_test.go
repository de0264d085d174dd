//go:build race

package gateway_test

// raced tells that the race detector is on, which supports only 8,128 goroutines.
const raced = true
