//go:build race

package gateway_test

// raced: the race detector watches, which has room for 8,128 goroutines.
const raced = true
