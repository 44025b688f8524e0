package limit

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/tapecast/tapecast/bench/rig"
)

// TCP says what requests to make.
type TCP struct {
	Addr     string `json:"addr"`
	Request  int    `json:"request"` // bytes
	Answer   int    `json:"answer"`  // bytes
	Count    int    `json:"count"`
	Interval int64  `json:"interval"` // ns between requests; 0: back to back
}

// tcpPong answers requests until its input ends.
func tcpPong(ctx context.Context, p *rig.Part) (any, error) {
	var a TCP
	if err := p.Args(&a); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", a.Addr)
	if err != nil {
		return nil, err
	}
	if err := p.Ready(ln.Addr().String()); err != nil {
		return nil, err
	}
	conn, err := ln.Accept()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	in, out := make([]byte, a.Request), make([]byte, a.Answer)
	for answers := 0; ; answers++ {
		if _, err := io.ReadFull(conn, in); err != nil {
			return answers, nil
		}
		if _, err := conn.Write(out); err != nil {
			return answers, nil
		}
	}
}

func tcpPing(ctx context.Context, p *rig.Part) (any, error) {
	var a TCP
	if err := p.Args(&a); err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", a.Addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	out, in, h := make([]byte, a.Request), make([]byte, a.Answer), rig.NewHistogram()
	for range a.Count {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		t := rig.Nanotime()
		if _, err := conn.Write(out); err != nil {
			return nil, fmt.Errorf("request: %w", err)
		}
		if _, err := io.ReadFull(conn, in); err != nil {
			return nil, fmt.Errorf("answer: %w", err)
		}
		h.Add(rig.Nanotime() - t)
		if a.Interval > 0 {
			time.Sleep(time.Duration(a.Interval))
		}
	}
	return Pinged{Latency: h.Latency()}, nil
}
