package local

// queue holds the messages that are not acknowledged, oldest first, as one run of
// bytes. Each message begins with its length.
type queue struct {
	b     []byte
	head  int    // the first message
	sent  int    // the first message not sent on this connection
	first uint64 // sequence of the message at head
	unit  uint64 // sequence of the message at sent
	next  uint64 // sequence of the next message pushed
}

// newQueue is empty; its first message will be sequence next.
func newQueue(next uint64) queue { return queue{first: next, unit: next, next: next} }

// size is how much is held, in bytes.
func (q *queue) size() int { return len(q.b) - q.head }

// push copies msg. Memory is at most about twice what is held: it is compacted
// when half of it is free, so a byte moves once on average.
func (q *queue) push(msg []byte) (seq uint64) {
	if q.head > cap(q.b)/2 && len(q.b)+len(msg) > cap(q.b) {
		q.b = q.b[:copy(q.b, q.b[q.head:])]
		q.sent -= q.head
		q.head = 0
	}
	q.b = append(q.b, msg...)
	q.next++
	return q.next - 1
}

// skip gives the next message its sequence and drops it. The queue is empty.
func (q *queue) skip() (seq uint64) {
	q.next++
	q.first, q.unit = q.next, q.next
	return q.next - 1
}

// acknowledge drops the messages up to seq, sent on this connection or before.
func (q *queue) acknowledge(seq uint64) {
	for q.first <= seq && q.first < q.next {
		q.head += messageLen(q.b[q.head:])
		q.first++
	}
	if q.unit < q.first {
		q.unit, q.sent = q.first, q.head
	}
}

// rewind makes the message after last, which is at least first-1, the next to send.
func (q *queue) rewind(last uint64) {
	q.sent, q.unit = q.head, q.first
	for q.unit <= last && q.unit < q.next {
		q.sent += messageLen(q.b[q.sent:])
		q.unit++
	}
}

// appendPut appends a put of as many unsent messages as fit a frame, and counts
// them as sent. It appends nothing when there is none.
func (q *queue) appendPut(b []byte) []byte {
	first, from := q.unit, q.sent
	for q.sent < len(q.b) {
		n := messageLen(q.b[q.sent:])
		if q.sent+n-from > maxPut {
			break
		}
		q.sent += n
		q.unit++
	}
	if q.sent == from {
		return b
	}
	return append(appendPut(b, first, q.sent-from), q.b[from:q.sent]...)
}
