package settings

import (
	"fmt"
	"strings"
)

// DidYouMean proposes the word nearest to name, or nothing. mark goes before it.
func DidYouMean(name, mark string, words []string) string {
	best, most := "", min(max(2, len(name)/3)+1, len(name))
	for _, w := range words {
		d := distance(name, w)
		if strings.HasPrefix(w, name) {
			d = min(d, 1)
		}
		if d < most {
			best, most = w, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s%s?", mark, best)
}

// distance counts the letters to insert, delete or change to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
