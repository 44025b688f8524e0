package main

const tellsTime = `package p

import (
	"time"
	clk "time"
)

func f(d time.Duration) time.Time {
	time.Sleep(d)
	now := clk.Now
	return now()
}
`

var clockCases = []ruleCase{
	{"where it may", map[string]string{
		"sequencer/clock/a.go": tellsTime,
		"cmd/tapecast/a.go":    tellsTime,
		"bench/rig/a.go":       tellsTime,
		"tools/sim/a.go":       tellsTime,
	}, nil},
	{"called", map[string]string{"multicast/a.go": "package p\n\nimport \"time\"\n\nfunc f() { time.Sleep(1) }\n"},
		[]string{"multicast/a.go:5: clock: time.Sleep here"}},
	{"renamed and kept as a value", map[string]string{"sequencer/a.go": "package p\n\nimport clk \"time\"\n\nfunc f() { now := clk.Now; _ = now() }\n"},
		[]string{"sequencer/a.go:5: clock: time.Now here"}},
	{"durations are fine", map[string]string{"recovery/a.go": "package p\n\nimport \"time\"\n\nconst d = time.Second\n"}, nil},
	{"another package named time", map[string]string{"recovery/a.go": "package p\n\nimport \"x/time\"\n\nfunc f() { time.Now() }\n"}, nil},
}

var randomCases = []ruleCase{
	{"seeded", map[string]string{"feed/synth/a.go": "package p\n\nimport \"math/rand/v2\"\n\nfunc f(s uint64) *rand.Rand { return rand.New(rand.NewPCG(s, 0)) }\n"}, nil},
	{"global", map[string]string{"feed/synth/a.go": "package p\n\nimport \"math/rand/v2\"\n\nfunc f() int { return rand.IntN(6) }\n"},
		[]string{"feed/synth/a.go:5: random: math/rand/v2.IntN"}},
	{"global of the first version", map[string]string{"multicast/a.go": "package p\n\nimport \"math/rand\"\n\nfunc f() int { return rand.Intn(6) }\n"},
		[]string{"multicast/a.go:5: random: math/rand.Intn"}},
	{"of the system", map[string]string{"recovery/a.go": "package p\n\nimport \"crypto/rand\"\n\nvar r = rand.Reader\n"},
		[]string{"recovery/a.go:5: random: crypto/rand.Reader"}},
	{"programs may", map[string]string{"cmd/tapecast/a.go": "package p\n\nimport \"math/rand/v2\"\n\nfunc f() int { return rand.IntN(6) }\n"}, nil},
}

const spawns = "package p\n\nfunc f() {\n\tgo f()\n}\n"

var goroutineCases = []ruleCase{
	{"loops", map[string]string{"cmd/tapecast/a.go": spawns, "multicast/a.go": spawns, "feed/a_test.go": spawns}, nil},
	{"core", map[string]string{"feed/itch/a.go": spawns, "recovery/a.go": spawns, "sequencer/journal/a.go": spawns},
		[]string{"feed/itch/a.go:4: goroutine: ", "recovery/a.go:4: goroutine: ", "sequencer/journal/a.go:4: goroutine: "}},
}

const stumbles = "package p\n\nfunc f() {\n\tpanic(1)\n}\n"

var panicCases = []ruleCase{
	{"tests and tools", map[string]string{"feed/a_test.go": stumbles, "tools/sim/a.go": stumbles}, nil},
	{"init and must", map[string]string{"feed/a.go": "package p\n\nfunc init() { panic(1) }\nfunc MustParse() { panic(1) }\nfunc must() { panic(1) }\n"}, nil},
	{"elsewhere", map[string]string{"feed/a.go": stumbles, "cmd/tapecast/a.go": stumbles},
		[]string{"cmd/tapecast/a.go:4: panic: ", "feed/a.go:4: panic: "}},
	{"mustard is no must", map[string]string{"feed/a.go": "package p\n\nfunc mustard() { panic(1) }\n"},
		[]string{"feed/a.go:3: panic: "}},
	{"waived", map[string]string{"feed/a.go": "package p\n\nfunc f() {\n\tpanic(1) //tidy:allow the caller checked\n}\n"}, nil},
	{"waived without a reason", map[string]string{"feed/a.go": "package p\n\nfunc f() {\n\tpanic(1) //tidy:allow\n}\n"},
		[]string{"feed/a.go:4: panic: ", "feed/a.go:4: allow: give the reason"}},
}

var testSleepCases = []ruleCase{
	{"code is the clock rule's", map[string]string{"cmd/tapecast/a.go": tellsTime}, nil},
	{"test", map[string]string{"cmd/tapecast/a_test.go": "package p\n\nimport \"time\"\n\nfunc f() { time.Sleep(1) }\n"},
		[]string{"cmd/tapecast/a_test.go:5: test-sleep: "}},
}

var parseCases = []ruleCase{
	{"sound", map[string]string{"feed/a.go": "package feed\n"}, nil},
	{"broken", map[string]string{"feed/a.go": "package feed\n\nfunc {\n"}, []string{"feed/a.go:1: parse: "}},
}
