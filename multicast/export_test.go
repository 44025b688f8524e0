package multicast

import "net/netip"

// ServeExample serves a session of 5,000 deleted orders, which is over.
func ServeExample() (addr string, stop func(), err error) {
	r, err := newRig(Line{Group: netip.MustParseAddrPort("239.77.0.1:17701"), Interface: "lo"})
	if err != nil {
		return "", nil, err
	}
	r.tape.add(100)
	r.tape.control(true)
	return r.addrs()[0], r.close, nil
}
