package retransmit

import "github.com/tapecast/tapecast/feed/wire"

// Role says what a client is to the one who waits for receivers.
type Role uint8

// Roles.
const (
	RoleTool     Role = 0 // asks, and goes
	RoleReceiver Role = 1 // counted by Server.Receivers, once it is ready
)

// Login is the first frame of a client.
type Login struct {
	Channel    uint16       // AnyChannel: the server's
	Session    wire.Session // 0: the server's
	KnownEpoch uint32       // highest epoch that the client has seen of Session; 0 none
	Compress   bool         // the client takes zstd
	Role       Role
	Instance   uint64 // the same at every login of one receiver, so that it counts once; 0: every login counts
	Name       string // for people, at most MaxName bytes
}

// Offsets in the body of a login.
const (
	loginMagic    = 0  // u32
	loginVersion  = 4  // u8
	loginFlags    = 5  // u8
	loginRole     = 6  // u8
	loginNameLen  = 7  // u8
	loginChannel  = 8  // u16, then two zeros
	loginEpoch    = 12 // u32
	loginSession  = 16 // u64
	loginInstance = 24 // u64
	loginBody     = 32 // then the name
	loginLen      = headLen + loginBody
)

const (
	magic    = 0x52544354 // "TCTR" in a dump
	flagZstd = 0x01
)

func (l *Login) appendTo(b []byte) []byte {
	name := l.Name[:min(len(l.Name), MaxName)]
	b, f := extend(b, loginLen+len(name))
	body := f.body()
	le.PutUint32(body[loginMagic:], magic)
	body[loginVersion] = Version
	if l.Compress {
		body[loginFlags] = flagZstd
	}
	body[loginRole], body[loginNameLen] = uint8(l.Role), uint8(len(name))
	le.PutUint16(body[loginChannel:], l.Channel)
	le.PutUint32(body[loginEpoch:], l.KnownEpoch)
	le.PutUint64(body[loginSession:], uint64(l.Session))
	le.PutUint64(body[loginInstance:], l.Instance)
	copy(body[loginBody:], name)
	f.seal(frameLogin, 0)
	return b
}

// decode reads l. version is set even when the rest is not understood.
func (l *Login) decode(f frame) (version uint8, err error) {
	b := f.body()
	version = b[loginVersion]
	if le.Uint32(b) != magic || f.id() != 0 {
		return 0, ErrBody
	}
	if version != Version {
		return version, nil
	}
	if int(b[loginNameLen]) != len(b)-loginBody || b[loginFlags]&^flagZstd != 0 ||
		b[loginRole] > uint8(RoleReceiver) || le.Uint16(b[loginChannel+2:]) != 0 {
		return version, ErrBody
	}
	*l = Login{
		Channel:    le.Uint16(b[loginChannel:]),
		Session:    wire.Session(le.Uint64(b[loginSession:])),
		KnownEpoch: le.Uint32(b[loginEpoch:]),
		Compress:   b[loginFlags]&flagZstd != 0,
		Role:       Role(b[loginRole]),
		Instance:   le.Uint64(b[loginInstance:]),
		Name:       printable(b[loginBody:]),
	}
	return version, nil
}

// printable copies text of a peer without what would act on a terminal.
func printable(b []byte) string {
	out := make([]byte, len(b))
	for i, c := range b {
		if c < 0x20 || c > 0x7e {
			c = '?'
		}
		out[i] = c
	}
	return string(out)
}
