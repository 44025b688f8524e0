package main

import (
	"errors"
	"slices"

	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// clockTable is the name of the table that all commands with a clock share.
const clockTable = "clock"

// clockSection is the table [clock]; its flags begin with --clock.
func clockSection(c *keeper.Config) settings.Section {
	list := append(sourceSettings(c), boundSettings(c)...)
	for i := range list {
		list[i].Flag = clockFlag(list[i].Name)
	}
	return settings.Section{Name: clockTable, Settings: list}
}

// clockFlag is the flag of a key of [clock].
func clockFlag(key string) string {
	if key == "sources" {
		return clockTable
	}
	return clockTable + "-" + key
}

func sourceSettings(c *keeper.Config) []settings.Setting {
	same := func(s string) string { return s }
	return []settings.Setting{
		{Name: "sources", Value: settings.List(&c.Sources, "SOURCES", parseSource, same), Usage: "what to set the clock by, best first: ptp, host (what the kernel or chronyd vouch for; else unsynchronised), ntp; or local: the host's clock, unsynchronised for ever"},
		{Name: "servers", Value: settings.List(&c.Servers, "ADDR:PORT[ key N]", keeper.ParseServer, keeper.Server.String), Usage: "NTP servers; beside another source they audit it, and ptp needs them"},
		{Name: "faulty", Value: settings.Number(&c.Faulty, "N", 0, 4), Usage: "how many of the servers may lie: fewer than half"},
		{Name: "keys", Value: settings.Text(&c.Keys, "FILE"), Usage: "keys of the servers, as chronyd's: 7 AES128 HEX:..."},
		{Name: "poll", Value: settings.Duration(&c.Poll), Usage: "time between questions to a server, 1s to 1024s"},
		{Name: "timeout", Value: settings.Duration(&c.Timeout), Usage: "for an answer, at most 5s"},
		{Name: "address", Value: settings.Text(&c.Local, "ADDR"), Usage: "address of this host to ask from; the route's"},
		{Name: "chronyd", Value: settings.Text(&c.Chronyd, "ADDR:PORT"), Usage: "chronyd's command port, for host; none: ask the kernel alone"},
		{Name: "ptp-device", Value: settings.Text(&c.PTP.Device, "FILE"), Usage: "hardware clock, such as /dev/ptp0, for ptp"},
		{Name: "ptp-error", Value: settings.Duration(&c.PTP.Error), Usage: "largest error of the hardware clock: its grandmaster's and its servo's; needed for ptp"},
		{Name: "ptp-utc", Value: settings.Bool(&c.PTP.UTC), Usage: "the hardware clock is on UTC, not on TAI"},
		{Name: "tai", Value: settings.Number(&c.TAI, "N", 0, 100), Usage: "TAI - UTC in seconds, as published; 0: the kernel's word, or 37 where it has none"},
	}
}

func boundSettings(c *keeper.Config) []settings.Setting {
	return []settings.Setting{
		{Name: "profile", Value: settings.Choice(&c.Profile, keeper.Profiles()...), Usage: "bounds to enter and leave the synchronised state: 50/100us, 0.5/1ms, 10/50ms"},
		{Name: "enter", Value: settings.Duration(&c.Enter), Usage: "widest bound to become synchronised, if another than the profile's"},
		{Name: "exit", Value: settings.Duration(&c.Exit), Usage: "a wider bound is no promise, likewise"},
		{Name: "on-loss", Value: settings.Choice(&c.OnLoss, keeper.LossFlag, keeper.LossStop), Usage: "without a promise: flag every packet, or stop with exit code 1; stop publishes nothing before the first promise either"},
		{Name: "wait", Value: settings.Duration(&c.Wait), Usage: "how long the first packet waits for the first promise, where ntp or ptp may give one"},
		{Name: "holdover", Value: settings.Duration(&c.Hold), Usage: "longest promise without a source"},
		{Name: "forward", Value: settings.Bool(&c.Forward), Usage: "allow a step forward after a disruption"},
		{Name: "audit", Value: settings.Text(&c.Audit, "DIR"), Usage: "keep the audit trail there; see tapecast clock audit"},
		{Name: "file", Value: settings.Text(&c.File, "FILE"), Usage: "show the clock to this host there, for tapecast clock status and for receivers; with an audit trail: " + keeper.FileName + " beside it"},
		{Name: "reference", Value: settings.Duration(&c.Reference), Usage: "assumed: a server's largest error beyond its own word; the default is what NTP's format can round away"},
		{Name: "drift", Value: settings.Float(&c.Drift, "X"), Usage: "assumed: largest frequency error of this host's counter"},
		{Name: "wander", Value: settings.Float(&c.Wander, "X"), Usage: "assumed: its largest change in a second"},
		{Name: "wander-cap", Value: settings.Float(&c.WanderCap, "X"), Usage: "assumed: its largest change ever"},
	}
}

func parseSource(s string) (string, error) {
	if !slices.Contains([]string{keeper.SourcePTP, keeper.SourceHost, keeper.SourceNTP, keeper.SourceLocal}, s) {
		return "", errors.New("want some of ptp, host, ntp with commas between, or local")
	}
	return s, nil
}
