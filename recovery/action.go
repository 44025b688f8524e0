package recovery

// ActionKind says what the loop around a Subscriber must do.
type ActionKind uint8

// Actions.
const (
	ActNone   ActionKind = 0
	ActDial   ActionKind = 1 // connect to Servers[Server], then call Connected or Disconnected
	ActHangUp ActionKind = 2 // close the connection, or stop connecting; calls nothing
	ActJoin   ActionKind = 3 // join the groups that Welcome gives, or without servers the configured ones
)

// Action is one thing to do.
type Action struct {
	Kind   ActionKind
	Server int // index into Config.Servers, for ActDial
}
