package local

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

const (
	maxPeers   = 256
	maxAccepts = 16  // a turn
	quantum    = 64  // messages of one peer, at most, before the next one's
	helloTime  = 5e9 // ns until a peer must have said hello
	idleAfter  = 1e6 // ns without anything to do after which Due waits
	idleWait   = 1e5 // ns
	spare      = 32  // descriptors that programs leave to the journal
)

// Source takes messages from programs that connect to a Unix socket. It is owned
// by the loop that owns the sink; only Refused may be called from others.
type Source struct {
	path    string
	file    os.FileInfo // the socket file, to remove no other at the end
	session wire.Session
	acked   func(feed.InputID) uint64

	epoll, listener int
	events          [maxPeers + 1]unix.EpollEvent
	peers           [maxPeers]*peer // by slot, which the kernel hands back in events
	high            int             // slots from here on are empty
	turn            int             // the slot that goes first
	busy            wire.Nanos      // when there last was something to do
	refused         atomic.Uint64
}

var _ feed.Source = (*Source)(nil)

// Listen makes the socket at path, for its owner and group only. acked gives the
// highest journalled sequence of an input; it is called at every turn for every
// connected program, by the loop that polls. session is what programs are told.
//
// The file of a dead daemon is replaced. The error names path and the remedy.
func Listen(path string, session wire.Session, acked func(feed.InputID) uint64) (*Source, error) {
	fd, err := listen(path)
	if err != nil {
		return nil, err
	}
	s := &Source{path: path, session: session, acked: acked, epoll: -1, listener: fd}
	if err := s.watch(); err != nil {
		s.Close()
		return nil, fmt.Errorf("local: listen on %s: %w", path, err)
	}
	return s, nil
}

// watch makes the epoll set, with the listener in it under the slot after the last.
func (s *Source) watch() (err error) {
	if s.file, err = os.Lstat(s.path); err != nil {
		return err
	}
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	return s.add(s.listener, maxPeers)
}

func (s *Source) add(fd, slot int) error {
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(slot)})
}

// Poll does one turn: it takes in what programs have sent, puts at most max
// messages, and acknowledges what is journalled. It never blocks and never returns
// io.EOF; an error is one of the kernel's and leaves nothing to go on with.
func (s *Source) Poll(now wire.Nanos, sink feed.Sink, max int) (n int, err error) {
	ready, err := s.receive(now)
	if err != nil {
		return 0, err
	}
	s.welcome(now, sink)
	n = s.put(sink, max)
	waiting := s.finish()
	if ready > 0 || n > 0 || waiting {
		s.busy = now
	}
	return n, nil
}

// Wait returns when a program has sent something, at latest after d. It blocks its
// thread: for loops that have nothing else to do.
func (s *Source) Wait(d wire.Nanos) {
	fds := [1]unix.PollFd{{Fd: int32(s.epoll), Events: unix.POLLIN}}
	t := unix.NsecToTimespec(int64(max(d, 0)))
	unix.Ppoll(fds[:], &t, nil)
}

// receive reads from every program that has sent something, before anything is
// put, so that a program that died has left when its successor says hello.
func (s *Source) receive(now wire.Nanos) (ready int, err error) {
	ready, err = unix.EpollWait(s.epoll, s.events[:], 0)
	if err == unix.EINTR {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("local: epoll of %s: %w", s.path, err)
	}
	for _, e := range s.events[:ready] {
		if e.Fd == maxPeers {
			s.accept(now)
		} else if p := s.peers[e.Fd]; p != nil {
			p.receive()
		}
	}
	return ready, nil
}

// accept leaves what it cannot take, for want of descriptors, in the kernel's queue.
func (s *Source) accept(now wire.Nanos) {
	for range maxAccepts {
		fd, _, err := unix.Accept4(s.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		s.admit(fd, now)
	}
}

func (s *Source) admit(fd int, now wire.Nanos) {
	slot := slices.Index(s.peers[:], nil)
	switch {
	case slot < 0:
		s.refuse(fd, "256 programs are connected")
		return
	case scarce(fd):
		s.refuse(fd, "the daemon is short of file descriptors")
		return
	case s.add(fd, slot) != nil:
		unix.Close(fd)
		return
	}
	s.peers[slot] = newPeer(fd, now)
	s.peers[slot].receive() // most have said hello already
	s.high = max(s.high, slot+1)
}

// refuse says why there is no place for a program, for now.
func (s *Source) refuse(fd int, text string) {
	s.refused.Add(1)
	p := peer{fd: fd}
	p.refuse(&Refusal{CodeClients, text})
	unix.Close(fd)
}

// scarce reports whether fewer than spare descriptors are left behind fd. The kernel
// gives the lowest one that is free, so its number tells.
func scarce(fd int) bool {
	var l unix.Rlimit
	return unix.Getrlimit(unix.RLIMIT_NOFILE, &l) == nil && uint64(fd)+spare >= l.Cur
}

// live is the slots that may be in use.
func (s *Source) live() []*peer { return s.peers[:s.high] }

// welcome answers hellos, once the programs that are through have left.
func (s *Source) welcome(now wire.Nanos, sink feed.Sink) {
	s.sweep()
	for _, p := range s.live() {
		if p == nil || p.name != "" || p.gone {
			continue
		}
		if name, ok := p.hello(); ok {
			s.register(p, name, sink)
		} else if now-p.born > helloTime && !p.gone {
			p.refuse(&Refusal{CodeSilent, "no hello in 5 s"})
		}
	}
}

func (s *Source) register(p *peer, name string, sink feed.Sink) {
	if s.connected(name) {
		p.refuse(&Refusal{CodeInUse, "a connected program has the name " + name})
		return
	}
	id, last, err := sink.Register("local:" + name)
	if err != nil {
		p.refuse(refusalFor(err))
		return
	}
	p.welcome(name, id, welcome{s.session, last, min(last, s.acked(id))})
}

func (s *Source) connected(name string) bool {
	for _, p := range s.live() {
		if p != nil && p.name == name {
			return true
		}
	}
	return false
}

// put goes round the programs, an equal share each, until limit messages are put or no
// program has one that the sink takes. The next turn begins after the program
// that put last.
func (s *Source) put(sink feed.Sink, limit int) (n int) {
	start, live := s.turn, s.live()
	share := max(1, min(quantum, limit/max(1, len(live))))
	for before := -1; n > before && n < limit; {
		before = n
		for i := range live {
			slot := (start + i) % len(live)
			p := live[slot]
			if p == nil || p.name == "" {
				continue
			}
			if k := p.put(sink, min(share, limit-n)); k > 0 {
				n, s.turn = n+k, slot+1
			}
		}
	}
	return n
}

// finish acknowledges, lets go of programs that are through, and reports whether
// some have more to put.
func (s *Source) finish() (waiting bool) {
	for _, p := range s.live() {
		if p == nil || p.gone {
			continue
		}
		if p.name != "" {
			p.acknowledge(s.acked(p.input))
		}
		waiting = waiting || p.whole()
	}
	s.sweep()
	return waiting
}

// sweep closes peers that were refused, and those that are at their end with
// nothing left to put.
func (s *Source) sweep() {
	high := 0
	for i, p := range s.live() {
		switch {
		case p == nil:
		case p.gone || p.eof && !p.whole():
			s.drop(i)
		default:
			high = i + 1
		}
	}
	s.high = high
}

func (s *Source) drop(slot int) {
	p := s.peers[slot]
	if p.gone {
		s.refused.Add(1)
	}
	unix.Close(p.fd)
	s.peers[slot] = nil
}

// Due is now while programs are busy, and a little later when none has sent
// anything for a while: a Source cannot know.
func (s *Source) Due(now wire.Nanos) wire.Nanos {
	if now-s.busy < idleAfter {
		return now
	}
	return now + idleWait
}

// Refused counts the programs that were refused.
func (s *Source) Refused() uint64 { return s.refused.Load() }

// Close disconnects all programs and removes the socket file.
func (s *Source) Close() error {
	for i, p := range s.live() {
		if p != nil {
			s.drop(i)
		}
	}
	s.high = 0
	err := s.removeFile()
	unix.Close(s.listener)
	unix.Close(s.epoll)
	return err
}

// removeFile removes the socket file unless it is another daemon's. The listener,
// still open, keeps the file's identity from being given to another.
func (s *Source) removeFile() error {
	now, err := os.Lstat(s.path)
	if err != nil || s.file == nil || !os.SameFile(now, s.file) {
		return nil
	}
	return os.Remove(s.path)
}
