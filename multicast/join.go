package multicast

import "golang.org/x/sys/unix"

// join opens the lines that the Subscriber is to hear. Those that are open already
// stay so.
func (s *Subscription) join() error {
	for i, l := range s.wanted() {
		if s.lines[i] != nil && s.joined[i] != l {
			s.leave(i)
		}
		if s.lines[i] != nil || !l.Group.IsValid() {
			continue
		}
		if err := s.enter(i, l); err != nil {
			return err
		}
	}
	return nil
}

// wanted gives the lines to listen to: the configured ones, or those announced.
func (s *Subscription) wanted() (lines [MaxLines]Line) {
	if copy(lines[:], s.cfg.Lines) == 0 {
		for i, l := range s.sub.Welcome().Channel.Lines {
			lines[i] = Line{Group: l.Group, Source: l.Source}
		}
	}
	for i := range lines {
		lines[i].Interface = or(lines[i].Interface, s.cfg.Interface)
		if lines[i].Interface == "" && s.reached.IsValid() {
			lines[i].Interface = s.reached.String()
		}
	}
	return lines
}

// enter opens line i.
func (s *Subscription) enter(i int, l Line) error {
	r, err := s.cfg.Method.open(ReceiverConfig{Line: l, Index: i, Buffer: s.cfg.ReceiveBuffer, Apart: s.cfg.Apart})
	if err != nil {
		return err
	}
	if w := r.Warning(); w != "" {
		s.cfg.OnAlert(w)
	}
	s.lines[i], s.joined[i] = r, l
	s.poll.watch(slotLine+i, r.descriptor(), unix.POLLIN)
	return nil
}

// leave closes line i; what the kernel dropped there stays counted.
func (s *Subscription) leave(i int) {
	drops, _ := s.lines[i].Drops()
	s.gone += drops
	s.poll.watch(slotLine+i, -1, 0)
	s.lines[i].Close()
	s.lines[i] = nil
}

// drops asks the kernel what it dropped. What else it says is told: of a ring's
// interface that went down nobody hears otherwise.
func (s *Subscription) drops() {
	for _, r := range s.lines {
		if r == nil {
			continue
		}
		if _, err := r.Drops(); err != nil {
			s.cfg.OnAlert(err.Error())
		}
	}
}
