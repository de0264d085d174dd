package seed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// Decode reads what Encode writes, and what Go's fuzzer writes for the arguments that the
// targets here have.
func Decode(p []byte) (args []any, err error) {
	lines := strings.Split(strings.TrimSuffix(string(p), "\n"), "\n")
	if lines[0] != "go test fuzz v1" {
		return nil, errors.New("seed: the first line is not that of a corpus")
	}
	for _, line := range lines[1:] {
		a, err := decodeOne(line)
		if err != nil {
			return nil, fmt.Errorf("seed: %.80q: %w", line, err)
		}
		args = append(args, a)
	}
	return args, nil
}

var errForm = errors.New("no argument")

// decodeOne reads an argument: a conversion of a literal.
func decodeOne(line string) (any, error) {
	expr, err := parser.ParseExpr(line)
	if err != nil {
		return nil, err
	}
	call, ok := expr.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return nil, errForm
	}
	value := call.Args[0]
	if _, ok := call.Fun.(*ast.ArrayType); ok {
		s, err := text(value)
		return []byte(s), err
	}
	kind, ok := call.Fun.(*ast.Ident)
	if !ok {
		return nil, errForm
	}
	switch kind.Name {
	case "string":
		return text(value)
	case "bool":
		id, ok := value.(*ast.Ident)
		if !ok {
			return nil, errForm
		}
		return strconv.ParseBool(id.Name)
	}
	n, err := number(value)
	switch kind.Name {
	case "int":
		return int(n), err
	case "byte", "uint8":
		return uint8(n), err
	case "uint16":
		return uint16(n), err
	case "uint32":
		return uint32(n), err
	}
	return nil, errForm
}

func text(e ast.Expr) (string, error) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", errForm
	}
	return strconv.Unquote(lit.Value)
}

// number reads an integer, or a byte as a character.
func number(e ast.Expr) (int64, error) {
	if u, ok := e.(*ast.UnaryExpr); ok && u.Op == token.SUB {
		n, err := number(u.X)
		return -n, err
	}
	lit, ok := e.(*ast.BasicLit)
	switch {
	case ok && lit.Kind == token.INT:
		return strconv.ParseInt(lit.Value, 0, 64)
	case ok && lit.Kind == token.CHAR:
		r, _, _, err := strconv.UnquoteChar(lit.Value[1:], '\'')
		return int64(r), err
	}
	return 0, errForm
}

// LibFuzzer returns arguments as the bytes that OSS-Fuzz's builds of Go targets make them
// of: what has a fixed size first, the highest byte first; then a weight for each text,
// by which the rest is shared out; then the texts. There is none for some lengths.
func LibFuzzer(args ...any) ([]byte, error) {
	var out []byte
	var texts []string
	for _, a := range args {
		switch x := a.(type) {
		case []byte:
			texts = append(texts, string(x))
		case string:
			texts = append(texts, x)
		case bool:
			out = append(out, map[bool]byte{true: 1}[x])
		case uint8:
			out = append(out, x)
		case uint16:
			out = binary.BigEndian.AppendUint16(out, x)
		case uint32:
			out = binary.BigEndian.AppendUint32(out, x)
		case int:
			out = binary.BigEndian.AppendUint64(out, uint64(x))
		default:
			return nil, fmt.Errorf("seed: no form for a %T", a)
		}
	}
	w, err := weights(texts)
	if err != nil {
		return nil, err
	}
	return append(append(out, w...), strings.Join(texts, "")...), nil
}

// weights are such that of all bytes each text but the last gets its length: all times its
// weight, divided by the sum.
func weights(texts []string) ([]byte, error) {
	all := len(strings.Join(texts, ""))
	w := make([]byte, len(texts))
	if len(texts) < 2 || all == 0 {
		return w, nil
	}
	for sum := 1; sum <= 255*len(texts); sum++ {
		left := sum
		fits := true
		for i, s := range texts[:len(texts)-1] {
			k := (len(s)*sum + all - 1) / all
			left -= k
			fits = fits && k <= 255 && all*k/sum == len(s)
			w[i] = byte(k)
		}
		if fits && left >= 0 && left <= 255 {
			w[len(w)-1] = byte(left)
			return w, nil
		}
	}
	return nil, errors.New("seed: no weights give these lengths")
}
