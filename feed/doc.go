// Package feed says what market data is to tapecast: a Source decodes messages
// from somewhere and hands them, one at a time, to a Sink, which orders them.
//
// Each input has its own sequence. The sink remembers the last one of each, and
// the journal keeps it, so that an input that submits again after a restart is
// neither lost nor doubled.
package feed
