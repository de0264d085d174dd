package main

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		f := newFolder(time.Minute, func(key string, n int) { told = append(told, fmt.Sprint(key, " ", n)) })
		pass := func(key string, want bool) {
			t.Helper()
			if got := f.pass(key); got != want {
				t.Errorf("pass(%q) = %v", key, got)
			}
		}
		after := func(d time.Duration, want ...string) {
			t.Helper()
			<-time.After(d)
			synctest.Wait()
			if !slices.Equal(told, want) {
				t.Errorf("told %q, want %q", told, want)
			}
			told = nil
		}
		pass("a", true)
		pass("a", false)
		pass("b", true)
		pass("a", false)
		after(59 * time.Second)
		pass("a", false)
		after(2*time.Second, "a 3")
		pass("a", true)
		pass("b", true)
		pass("b", false)
		f.flush()
		after(0, "b 1")
		pass("b", true)
		pass("b", false)
		after(time.Hour, "b 1")
	})
}
