package keeper

import (
	"fmt"
	"time"

	"github.com/tapecast/tapecast/sequencer/clock/audit"
)

func plausibleTAI(s int) bool { return s >= 10 && s <= 100 }

// settleTAI takes the kernel's word for TAI - UTC where none is declared, and refuses a
// declaration that contradicts it. 0 is no word.
func (c *Config) settleTAI(kernel int) error {
	switch {
	case c.TAI != 0 && kernel != 0 && kernel != c.TAI:
		return c.bad("tai", c.TAI, fmt.Sprintf("this host's kernel says %d: correct the one that is wrong, or leave tai out to go by the kernel", kernel))
	case c.TAI == 0 && plausibleTAI(kernel):
		c.TAI = kernel
	case c.TAI == 0:
		c.TAI = PublishedTAI
	}
	return nil
}

// patienceTAI is how long the kernel's word for TAI - UTC may be another than the one told,
// ns: whoever sets it learns of a leap second in its own time.
const patienceTAI = int64(time.Minute)

// watchTAI holds the TAI - UTC told against the kernel's word, 0 for none, and raises an
// alarm when they contradict each other for long.
func (k *Keeper) watchTAI(counter int64, kernel int) {
	told := k.est.Leaps.TAI()
	if kernel == 0 || kernel == told || k.est.Leaps.Ahead() {
		if k.wrongTAI != "" {
			k.tellOf(audit.KindAlarm, "TAI - UTC as told is no more contradicted by the kernel")
		}
		k.doubtTAI, k.wrongTAI = 0, ""
		return
	}
	if k.doubtTAI == 0 {
		k.doubtTAI = counter
	}
	if k.wrongTAI == "" && counter-k.doubtTAI >= patienceTAI {
		k.wrongTAI = fmt.Sprintf("TAI - UTC is told as %d, the kernel says %d: one of them is wrong", told, kernel)
		k.tellOf(audit.KindAlarm, k.wrongTAI)
	}
}
