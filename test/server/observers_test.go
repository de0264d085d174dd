package server_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
)

// tracing returns an observer whose every function, whatever fields Observer
// has, notes its name.
func tracing(name string, calls *[]string) *draftwire.Observer {
	o := new(draftwire.Observer)
	v := reflect.ValueOf(o).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i).Name
		v.Field(i).Set(reflect.MakeFunc(v.Field(i).Type(), func([]reflect.Value) []reflect.Value {
			*calls = append(*calls, name+" "+field)
			return nil
		}))
	}
	return o
}

func TestJoinObservers(t *testing.T) {
	var calls []string
	joined := reflect.ValueOf(draftwire.JoinObservers(nil, tracing("a", &calls), &draftwire.Observer{}, tracing("b", &calls), nil, tracing("c", &calls))).Elem()
	for i := range joined.NumField() {
		name, f := joined.Type().Field(i).Name, joined.Field(i)
		if f.IsNil() {
			t.Errorf("%s is not joined", name)
			continue
		}
		var args []reflect.Value
		for j := range f.Type().NumIn() {
			args = append(args, reflect.Zero(f.Type().In(j)))
		}
		calls = nil
		f.Call(args)
		if got, want := strings.Join(calls, ", "), fmt.Sprintf("a %[1]s, b %[1]s, c %[1]s", name); got != want {
			t.Errorf("called %s, want %s", got, want)
		}
	}
	if none := reflect.ValueOf(draftwire.JoinObservers(nil, &draftwire.Observer{})).Elem(); !none.IsZero() {
		t.Errorf("nobody asks for anything: %+v", none)
	}
}
