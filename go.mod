module github.com/draftwire/draftwire

go 1.26.0
