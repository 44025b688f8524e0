package main

// clockCommands are those of the clock.
func (a *app) clockCommands() []command { return nil }
